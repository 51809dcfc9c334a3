"""MLflow's own server, with what a platform of many clients needs around it."""
