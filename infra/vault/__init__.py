"""Components in Vault: the signing key, the login of the signer, and the audit log."""
