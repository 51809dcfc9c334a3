"""The package `random` 4.19.1, for programs whose engine can't get the official plugin."""
