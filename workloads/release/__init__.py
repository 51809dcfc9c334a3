"""Release the best run as a signed, verified and registered version of a model."""
