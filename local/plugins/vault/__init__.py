"""The package `vault` 7.7.0, for programs whose engine can't get the official plugin."""
