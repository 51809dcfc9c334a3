"""Serving: the namespace of the served models, and the reconciler that keeps them equal to what is wanted."""
