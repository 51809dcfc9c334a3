"""The administration API of versitygw, the S3 server of environments without AWS S3: S3 users and their buckets.

Its requests are PATCHes on the S3 port, signed like S3's own (versitygw v1.8, `s3api/admin-router.go`).
"""

from http import HTTPStatus
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError
from botocore.httpsession import URLLib3Session

from contracts import Exit
from workloads import retry
from workloads.cli import WorkloadError

# An S3 user that may use the buckets that it owns, but not create any.
_ROLE = "user"


class Admin:
    """A client of the administration API of the S3 server at `endpoint`.

    Its methods raise `WorkloadError` with `Exit.OBJECT_STORE` if the S3 server doesn't answer or refuses.
    """

    def __init__(self, endpoint: str, region: str, credentials: Credentials) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._region = region
        self._credentials = credentials
        self._session = URLLib3Session(timeout=30)

    def ensure_user(self, access_key: str, secret_key: str) -> None:
        """Create the S3 user, or set its secret key if it exists."""
        user = _xml("Account", Access=access_key, Secret=secret_key, Role=_ROLE, UserID="0", GroupID="0")
        if self._patch("/create-user", body=user):
            return
        query = urlencode({"access": access_key})
        self._patch(f"/update-user?{query}", body=_xml("MutableProps", Secret=secret_key))

    def ensure_bucket(self, bucket: str, owner: str) -> None:
        """Create the bucket, or give it to `owner` if it exists; its objects stay."""
        if self._patch(f"/{bucket}/create", headers={"x-vgw-owner": owner}):
            return
        query = urlencode({"bucket": bucket, "owner": owner})
        self._patch(f"/change-bucket-owner?{query}")

    def _patch(self, path: str, *, body: bytes = b"", headers: dict[str, str] | None = None) -> bool:
        """Send a request; return False if the thing to create exists."""
        response = retry.call(
            lambda: self._session.send(self._signed(path, body, headers or {})),
            service=f"The object store at {self._endpoint}",
            code=Exit.OBJECT_STORE,
            transient=(BotoCoreError,),
        )
        if response.status_code == HTTPStatus.CONFLICT:
            return False
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            action = path.partition("?")[0]
            raise WorkloadError(
                f"The object store refused {action}: {response.status_code} {_reason(response.content)}",
                Exit.OBJECT_STORE,
            )
        return True

    def _signed(self, path: str, body: bytes, headers: dict[str, str]) -> AWSPreparedRequest:
        request = AWSRequest(method="PATCH", url=self._endpoint + path, data=body, headers=headers)
        S3SigV4Auth(self._credentials, "s3", self._region).add_auth(request)
        return request.prepare()


def _xml(root: str, **fields: str) -> bytes:
    element = ET.Element(root)
    for name, value in fields.items():
        ET.SubElement(element, name).text = value
    return ET.tostring(element)


def _reason(content: bytes) -> str:
    # Searched instead of parsed as XML: the text is only shown to the user.
    text = content.decode(errors="replace")
    message = text.partition("<Message>")[2].partition("</Message>")[0]
    return message or text[:200]
