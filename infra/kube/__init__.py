"""Bricks in Kubernetes: pods, jobs, web services, single servers with volumes, namespaces and network policies."""
