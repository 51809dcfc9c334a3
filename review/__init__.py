"""The review of a change before it reaches an environment: `python -m review`, as the workflows run it.

The review turns the engine's preview into one comment on the pull request and one exit code. It imports only the
standard library, so it starts at once and runs without Pulumi.
"""
