"""The tracking server's measurements for Prometheus: of its requests and its database.

Each worker process writes them into files of its own in one folder. The process that starts the workers answers
Prometheus with the sums, on a port of its own: MLflow's users, its host names and its prefix have no part in it.
"""
