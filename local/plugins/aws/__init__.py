"""The stand-in for the official Pulumi plugin `aws`. It serves the types that this project uses, on an emulated AWS."""
