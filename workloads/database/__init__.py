"""MLflow's database: its address, logins, connection pool, and the set-up of a database that AWS manages."""
