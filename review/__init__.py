"""The review of a change before it reaches an environment: `python -m review`, which the workflows run.

A preview of the engine becomes one comment on the pull request and one exit code. Only Python's own library is
imported, so that it starts at once and runs where Pulumi isn't installed.
"""
