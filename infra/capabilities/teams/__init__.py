"""The teams of data scientists and their namespaces."""
