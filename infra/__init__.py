"""The Pulumi program: settings, components, the parts of an environment, and a `__main__` that only wires."""
