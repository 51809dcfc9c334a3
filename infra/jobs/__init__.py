"""Workloads that run once as part of an update: the trainer and the release."""
