"""The error of a model or a record that isn't what was signed."""


class NotVerifiedError(Exception):
    """A check of a signature or a digest failed; the text is the reason."""
