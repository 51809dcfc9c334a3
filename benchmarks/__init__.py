"""Benchmarks against the usual alternatives: each runs all contenders on the same data in one run."""
