"""MLflow's tracking server inside the wrappers that a platform with many clients needs."""
