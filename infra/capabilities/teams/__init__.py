"""The namespaces of the teams of data scientists."""
