"""The choice of an experiment's best run, for scripts and for the release."""
