"""Components and helpers for Kubernetes: pods, Jobs, web services, servers with volumes, namespaces and policies."""
