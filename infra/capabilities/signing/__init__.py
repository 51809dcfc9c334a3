"""Signing: a Vault server, its transit key, and the identity that may sign with the key."""
