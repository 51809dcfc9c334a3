"""Bring a verified model version to where the server's pods start from."""
