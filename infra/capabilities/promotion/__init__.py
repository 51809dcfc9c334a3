"""The scheduled promotion of a model's candidate."""
