"""The way of the best run to a signed, verified and registered version of a model."""
