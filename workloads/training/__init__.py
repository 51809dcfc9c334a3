"""Training with DeepSpeed: one command that trains a small residual network and logs it to MLflow."""
