"""MLflow's database: PostgreSQL in the cluster or on Amazon RDS."""
