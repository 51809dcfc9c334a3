"""The stand-in for the official Pulumi plugin `random` 4.19.1."""
