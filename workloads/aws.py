"""What a failure of AWS, or of the pod's role in it, says in one line."""

import os

from botocore.exceptions import ClientError, HTTPClientError

_LOGIN = "AssumeRoleWithWebIdentity"


def reason(error: Exception) -> str:
    """Return the one line of an error of boto3; a role that can't be assumed is told from a call that is denied."""
    if isinstance(error, HTTPClientError) and isinstance(error.kwargs.get("error"), ValueError):
        # The client quotes the header that it can't send, and a header may hold a credential.
        return "a request can't be sent: a credential or a name in it holds a character that no header may"
    if not isinstance(error, ClientError):
        return " ".join(str(error).splitlines()) or type(error).__name__
    text = f"{code(error)}: {error.response.get('Error', {}).get('Message') or 'no reason given'}"
    if error.operation_name == _LOGIN:
        return f"the pod's role {os.environ.get('AWS_ROLE_ARN')} can't be assumed: {text}"
    return f"{error.operation_name} is refused: {text}"


def code(error: ClientError) -> str:
    """Return the code of a refusal, such as "AccessDenied"."""
    return str(error.response.get("Error", {}).get("Code", "unknown"))
