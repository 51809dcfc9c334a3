"""The embedded platform: what stands in for the cloud on one Linux machine, and the commands that run it."""
