"""The release: turns the best run into a signed, verified and registered model version."""
