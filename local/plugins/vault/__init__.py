"""The stand-in for the official Pulumi plugin `vault` 7.7.0."""
