"""The role sessions that STS issued, and what they may do."""

import json
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, replace

from moto.core.utils import utcnow
from moto.iam.models import iam_backends
from moto.s3.models import s3_backends
from moto.sts.models import sts_backends

from local.aws import policies
from local.aws.account import PARTITION


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """A session of a role."""

    role: str
    arn: str
    secret_key: str
    token: str
    expired: bool


def find(account_id: str, access_key: str) -> Session | None:
    """Return the session that an access key belongs to."""
    assumed = sts_backends[account_id][PARTITION].get_assumed_role_from_access_key(access_key)
    if assumed is None:
        return None
    return Session(
        role=assumed.role_arn.rpartition("/")[2],
        arn=assumed.arn,
        secret_key=assumed.secret_access_key,
        token=assumed.session_token,
        expired=assumed.expiration.replace(tzinfo=None) < utcnow().replace(tzinfo=None),
    )


def may(account_id: str, session: Session, call: policies.Call) -> bool:
    """Return whether the policies of a session's role allow a call, and no bucket policy denies it to everyone."""
    # The one account owns every resource.
    owner = {"aws:resourceaccount": account_id, "s3:resourceaccount": account_id}
    call = replace(call, context={**call.context, **owner})
    try:
        return policies.allows(_role_policies(account_id, session.role), call) and not policies.denies(
            _bucket_policies(account_id, call.resource), call
        )
    except policies.UnknownConditionError as error:
        print(f"denied {call.action} to {session.arn}: {error}", flush=True)
        return False


def trust(account_id: str, role_arn: str) -> policies.Document | None:
    """Return a role's trust policy, or None if the role doesn't exist."""
    roles = [role for role in iam_backends[account_id][PARTITION].get_roles() if role.arn == role_arn]
    return _document(roles[0].assume_role_policy_document) if roles else None


def _role_policies(account_id: str, name: str) -> Iterator[policies.Document]:
    # The platform's roles have only inline policies, not managed ones.
    roles = [role for role in iam_backends[account_id][PARTITION].get_roles() if role.name == name]
    yield from (_document(text) for role in roles for text in role.policies.values())


def _bucket_policies(account_id: str, resource: str) -> Iterator[policies.Document]:
    name = resource.removeprefix(f"arn:{PARTITION}:s3:::").partition("/")[0]
    bucket = s3_backends[account_id][PARTITION].buckets.get(name)
    if bucket is not None and bucket.policy:
        yield json.loads(bucket.policy)


def _document(text: str) -> policies.Document:
    return json.loads(urllib.parse.unquote(text) if text.startswith("%") else text)
