"""The package `kubernetes` 4.28.0, for programs whose engine can't get the official plugin."""
