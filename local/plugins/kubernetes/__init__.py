"""The stand-in for the official Pulumi plugin `kubernetes` 4.28.0."""
