"""The Pulumi program. `__main__` makes the capabilities of a stack in the order in which they depend on one another.

- `settings` loads and checks the stack file; each capability has its own section of it.
- `capabilities` has one folder for each capability, such as the tracking server, backup and signing.
- `kube`, `aws` and `vault` hold the components and helpers that capabilities share.
- `limits` holds the rules and numbers that settings and components share.
- `context` is passed to every capability; `links` are the values that one capability passes to another.
"""
