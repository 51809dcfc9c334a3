"""The schema of MLflow's database: made, upgraded and checked before the servers roll."""
