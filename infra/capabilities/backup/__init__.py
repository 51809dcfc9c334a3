"""The scheduled backup of MLflow's database."""
