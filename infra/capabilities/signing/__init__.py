"""Signing: a Vault, its transit key, and the identity that may sign with it."""
