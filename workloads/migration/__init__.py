"""Creation, upgrade and check of the schema of MLflow's database, before the tracking servers are rolled out."""
