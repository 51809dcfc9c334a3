"""MLflow's database: where it is, how its users log in, and the set-up of one that AWS manages."""
