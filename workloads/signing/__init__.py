"""A model directory becomes a reproducible archive, signed by Vault's transit engine and verified offline.

`packing` packages and signs, with `archive`, `manifest`, `signatures` and `transit`; `verification` verifies, with
`reader`. The modules `package`, `sign`, `verify` and `package_and_sign` are the commands.
"""
