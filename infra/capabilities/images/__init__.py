"""The container images that the stack runs, and their repositories in AWS."""
