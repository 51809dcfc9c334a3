"""The workloads: Python that runs inside the platform, one package with a small CLI for each."""
