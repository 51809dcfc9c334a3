"""The gateway: one API and one page over MLflow and the served models."""
