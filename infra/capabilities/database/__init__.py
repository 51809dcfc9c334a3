"""MLflow's database: PostgreSQL in the cluster or by Amazon RDS."""
