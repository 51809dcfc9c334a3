"""The S3 actions and resources that a request requires, for the part of S3's REST API that the workloads use.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations.html, https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
"""

import urllib.parse
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass

from local.aws.policies import Call

_OBJECT = {
    "GET": "GetObject",
    "HEAD": "GetObject",
    "PUT": "PutObject",
    "POST": "PutObject",
    "DELETE": "DeleteObject",
}
_BUCKET = {"GET": "ListBucket", "HEAD": "ListBucket", "PUT": "CreateBucket", "DELETE": "DeleteBucket"}
# Sub-resources, by the query parameter that names them.
_OF_OBJECT = {
    "acl": "ObjectAcl",
    "tagging": "ObjectTagging",
    "retention": "ObjectRetention",
    "legal-hold": "ObjectLegalHold",
}
_OF_BUCKET = {
    "acl": "BucketAcl",
    "encryption": "EncryptionConfiguration",
    "lifecycle": "LifecycleConfiguration",
    "location": "BucketLocation",
    "logging": "BucketLogging",
    "object-lock": "BucketObjectLockConfiguration",
    "policy": "BucketPolicy",
    "publicAccessBlock": "BucketPublicAccessBlock",
    "replication": "ReplicationConfiguration",
    "tagging": "BucketTagging",
    "versioning": "BucketVersioning",
}
# Request headers that are also condition keys.
_HEADERS = (
    "x-amz-acl",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-algorithm",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """An S3 request in path style. The names of `headers` are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""


def calls(request: Request) -> list[Call]:
    """Return the calls that a request stands for: more than one if it names several objects."""
    bucket, _, key = request.path.removeprefix("/").partition("/")
    query = dict(urllib.parse.parse_qsl(request.query, keep_blank_values=True))
    # The emulator uses plain HTTP where AWS uses TLS.
    context = {"aws:securetransport": "true", "s3:tlsversion": "1.3"} | {
        f"s3:{name}": request.headers[name] for name in _HEADERS if name in request.headers
    }
    if not bucket:
        return [Call(action="s3:ListAllMyBuckets", resource="*", context=context)]
    arn = f"arn:aws:s3:::{bucket}"
    if not key:
        return _on_bucket(request, query, arn, context)
    required = [Call(action=f"s3:{_object_action(request.method, query)}", resource=f"{arn}/{key}", context=context)]
    if source := request.headers.get("x-amz-copy-source"):
        copied = urllib.parse.unquote(source).removeprefix("/").partition("?")[0]
        required.append(Call(action="s3:GetObject", resource=f"arn:aws:s3:::{copied}", context=context))
    return required


def _object_action(method: str, query: Mapping[str, str]) -> str:
    verb = {"GET": "Get", "HEAD": "Get", "PUT": "Put", "POST": "Put", "DELETE": "Delete"}[method]
    if part := next((name for parameter, name in _OF_OBJECT.items() if parameter in query), None):
        return f"{verb}{part}"
    if "uploadId" in query and method in ("GET", "DELETE"):
        return "ListMultipartUploadParts" if method == "GET" else "AbortMultipartUpload"
    return _OBJECT[method] + ("Version" if "versionId" in query and method in ("GET", "HEAD", "DELETE") else "")


def _on_bucket(request: Request, query: Mapping[str, str], arn: str, context: Mapping[str, str]) -> list[Call]:
    if request.method == "POST" and "delete" in query:
        return [
            Call(action=f"s3:DeleteObject{version}", resource=f"{arn}/{key}", context=context)
            for key, version in _deleted(request.body)
        ]
    if part := next((name for parameter, name in _OF_BUCKET.items() if parameter in query), None):
        verb = "Get" if request.method in ("GET", "HEAD") else "Put"
        return [Call(action=f"s3:{verb}{part}", resource=arn, context=context)]
    if "versions" in query or "uploads" in query:
        action = "ListBucketVersions" if "versions" in query else "ListBucketMultipartUploads"
    else:
        action = _BUCKET.get(request.method, "PutObject")
    listed = {f"s3:{name}": query[name] for name in ("prefix", "delimiter") if name in query}
    return [Call(action=f"s3:{action}", resource=arn, context={**context, **listed})]


def _deleted(body: bytes) -> list[tuple[str, str]]:
    """Return the keys in a DeleteObjects request, each with "Version" if a version is named, else ""."""
    deleted: list[tuple[str, str]] = []
    for element in ET.fromstring(body).iter():  # noqa: S314 - expat doesn't expand external entities
        if element.tag.endswith("Object"):
            parts = {child.tag.rpartition("}")[2]: child.text or "" for child in element}
            deleted.append((parts["Key"], "Version" if "VersionId" in parts else ""))
    return deleted
