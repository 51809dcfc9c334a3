"""The MLflow tracking server and the migration of its database schema."""
