"""Training: the identities of the trainers, and the Job that trains during an update."""
