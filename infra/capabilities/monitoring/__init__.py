"""Metrics, alerts and who gets them: Prometheus in the cluster, or objects for a cluster's Prometheus operator."""
