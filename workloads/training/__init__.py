"""The trainer: one command that trains a small residual network with DeepSpeed and logs it to MLflow."""
