"""The comparison of runs and model versions, and the choice of the best, for people, scripts and the release."""
