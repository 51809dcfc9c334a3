"""The gateway's web page: experiments, curves, searches and models, in a browser or on a phone."""

from workloads.gateway.page.route import mount

__all__ = ["mount"]
