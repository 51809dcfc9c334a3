"""The stand-in for the official Pulumi plugin `aws`: the resource types that this project uses, on an emulated AWS."""
