"""The Pulumi program: settings, components, the parts of an environment made of them, and a `__main__` that only wires."""
