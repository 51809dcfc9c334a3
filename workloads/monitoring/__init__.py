"""The figures that only Aegis knows, for Prometheus."""
