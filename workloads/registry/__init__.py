"""What MLflow knows, asked by scripts and by the release: which run of an experiment is the best one."""
