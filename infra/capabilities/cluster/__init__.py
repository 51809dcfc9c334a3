"""The cluster that the stack is deployed to: its closed namespace, and a class of encrypted volumes."""
