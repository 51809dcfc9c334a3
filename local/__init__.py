"""The embedded platform, a stand-in for the cloud on one Linux machine, and the commands that run it."""
