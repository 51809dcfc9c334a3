"""The administration of versitygw, the S3 server of an environment without S3: accounts, and buckets that they own.

Its requests are PATCHes signed like S3's own, on S3's port (versitygw v1.8, `s3api/admin-router.go`).
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

# May use the buckets that it owns, and make none.
_ROLE = "user"


class Admin:
    """The administrator's view of the S3 server at `endpoint`.

    Every method raises `WorkloadError` with `Exit.OBJECT_STORE` where the server is dead or refuses.
    """

    def __init__(self, endpoint: str, region: str, credentials: Credentials) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._region = region
        self._credentials = credentials
        self._session = URLLib3Session(timeout=30)

    def ensure_account(self, access_key: str, secret_key: str) -> None:
        """Make the account, or give it this secret key where it is there already."""
        account = _xml("Account", Access=access_key, Secret=secret_key, Role=_ROLE, UserID="0", GroupID="0")
        if self._patch("/create-user", body=account):
            return
        query = urlencode({"access": access_key})
        self._patch(f"/update-user?{query}", body=_xml("MutableProps", Secret=secret_key))

    def ensure_bucket(self, bucket: str, owner: str) -> None:
        """Make the bucket, or give it to `owner` where it is there already; its objects stay."""
        if self._patch(f"/{bucket}/create", headers={"x-vgw-owner": owner}):
            return
        query = urlencode({"bucket": bucket, "owner": owner})
        self._patch(f"/change-bucket-owner?{query}")

    def _patch(self, path: str, *, body: bytes = b"", headers: dict[str, str] | None = None) -> bool:
        """Send a request; return False where what it would make exists."""
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
    # The text is our own server's answer, shown to a person; it is searched, never parsed as XML.
    text = content.decode(errors="replace")
    message = text.partition("<Message>")[2].partition("</Message>")[0]
    return message or text[:200]
