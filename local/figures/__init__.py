"""The key figures of a running platform, from the metrics of its pods: what `make status ARGS=--watch` shows.

They need no Prometheus. `source` reads the metrics, `samples` computes rates and quantiles as Prometheus does, and
`rows` says which figures there are.
"""
