"""Pure rules and numbers that settings and components share: each has its one home here, and no SDK is imported."""
