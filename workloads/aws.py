"""One-line messages for errors of boto3."""

import os

from botocore.exceptions import ClientError, HTTPClientError

_LOGIN = "AssumeRoleWithWebIdentity"


def reason(error: Exception) -> str:
    """Describe an error of boto3 in one line; distinguish a role that can't be assumed from a call that is denied."""
    if isinstance(error, HTTPClientError) and isinstance(error.kwargs.get("error"), ValueError):
        # The error quotes the header that can't be sent, and that header may contain a credential.
        return (
            "a request can't be sent: a credential or a name in it contains a character that HTTP headers don't allow"
        )
    if not isinstance(error, ClientError):
        return " ".join(str(error).splitlines()) or type(error).__name__
    text = f"{code(error)}: {error.response.get('Error', {}).get('Message') or 'no reason given'}"
    if error.operation_name == _LOGIN:
        return f"the pod's role {os.environ.get('AWS_ROLE_ARN')} can't be assumed: {text}"
    return f"{error.operation_name} is refused: {text}"


def code(error: ClientError) -> str:
    """Return the error code of an AWS API, such as "AccessDenied"."""
    return str(error.response.get("Error", {}).get("Code", "unknown"))
