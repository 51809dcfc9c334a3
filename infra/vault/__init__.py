"""Vault: the server of an environment that has none, the signing key, and who may use it."""
