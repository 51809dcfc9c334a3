"""Python that runs inside the platform: each package is one workload with a small CLI."""
