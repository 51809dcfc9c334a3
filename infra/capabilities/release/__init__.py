"""The release: the best run becomes a signed, verified and registered model version."""
