"""When an object counts as ready: one module for each family of kinds, and the wait itself."""
