"""What a failure of AWS, or of the pod's role in it, says in one line."""

import os

from botocore.exceptions import ClientError

_LOGIN = "AssumeRoleWithWebIdentity"


def reason(error: Exception) -> str:
    """Return the one line of an error of boto3; a role that can't be assumed is told from a call that is denied."""
    if not isinstance(error, ClientError):
        return str(error).splitlines()[0] if str(error) else type(error).__name__
    text = f"{code(error)}: {error.response.get('Error', {}).get('Message') or 'no reason given'}"
    if error.operation_name == _LOGIN:
        return f"the pod's role {os.environ.get('AWS_ROLE_ARN')} can't be assumed: {text}"
    return f"{error.operation_name} is refused: {text}"


def code(error: ClientError) -> str:
    """Return the code of a refusal, such as "AccessDenied"."""
    return str(error.response.get("Error", {}).get("Code", "unknown"))
