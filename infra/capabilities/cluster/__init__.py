"""The Kubernetes cluster of the stack, and the StorageClass of encrypted volumes that the stack may add to it."""
