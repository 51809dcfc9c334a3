"""What lives in Kubernetes: the namespaces, the two stores, MLflow and its backups."""
