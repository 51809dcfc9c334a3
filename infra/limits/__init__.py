"""Rules and numbers that settings and components share, each in one place. No module here imports an SDK."""
