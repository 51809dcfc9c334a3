"""The Pulumi program: settings, then components, then the wiring in `__main__`."""
