"""Package a model directory as a reproducible archive, sign it with Vault's transit engine and verify it offline.

`packing` packages and signs, with `archive`, `manifest`, `signatures` and `transit`; `verification` verifies, with
`reader`. `commands` holds the commands, which `__main__` and a module for each of them run.
"""
