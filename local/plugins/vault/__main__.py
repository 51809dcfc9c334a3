"""Starts the plugin `vault`."""

from local.plugins.process import main
from local.plugins.vault.provider import VaultProvider

main(VaultProvider)
