"""Training: the identities of the teams' trainers, and the Job that trains a model during an update."""
