"""The gate: the registry gives a guarded alias or stage only to versions whose signature and files verify.

A model registry store of MLflow's tracking server, so that REST, the UI, Python and batch requests are all covered.
"""
