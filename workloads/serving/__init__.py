"""Models that MLflow serves: a causal language model for code and other text."""
