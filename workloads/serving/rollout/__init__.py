"""How one version of a served model replaces another: pure decisions and pure objects, without a cluster."""
