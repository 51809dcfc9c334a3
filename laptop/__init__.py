"""MLflow on a laptop, without a cluster, Vault or root: an SQLite database and a folder.

The same trainer, comparison, signatures and promotion as in a cluster, behind `make setup-mlflow`, `start-mlflow`,
`train-model`, `compare-models`, `promote-model`, `serve-model` and `doctor-client`.
"""
