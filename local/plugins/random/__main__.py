"""Starts the plugin `random`."""

from local.plugins.process import main
from local.plugins.random.provider import RandomProvider

main(RandomProvider)
