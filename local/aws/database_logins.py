"""Verification of logins to a managed database with the administrator's password or an IAM token.

A token is the signed URL of a call that is never made, valid for 15 minutes:
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html
"""

import hashlib
import hmac
import json
import urllib.parse
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from moto.rds.models import DBInstance, rds_backends
from moto.secretsmanager.models import secretsmanager_backends

from local.aws import policies, sessions
from local.aws.account import PARTITION, Account

TOKEN_LIFE = timedelta(minutes=15)
# AWS's own limit.
SKEW = timedelta(minutes=5)


class LoginRefusedError(Exception):
    """A refused login, with the reason for the emulator's log."""


def check(account: Account, user: str, password: str, now: datetime) -> None:
    """Check a login to a database instance of the account.

    Raises:
        LoginRefusedError: The password is neither the user's managed password nor a valid token.
    """
    if any(
        hmac.compare_digest(password.encode(), secret.encode()) for secret in _administrator_passwords(account, user)
    ):
        return
    if not password.partition("/?")[1]:
        message = "the password is neither the administrator's password nor a token"
        raise LoginRefusedError(message)
    _check_token(account, user, password, now)


def _instances(account: Account) -> list[DBInstance]:
    return list(rds_backends[account.account_id][account.region].databases.values())


def _administrator_passwords(account: Account, user: str) -> Iterator[str]:
    """Yield the managed passwords of the instances with this administrator."""
    secrets = secretsmanager_backends[account.account_id][account.region]
    for instance in _instances(account):
        if instance.master_username == user and instance.manage_master_user_password:
            value = secrets.get_secret_value(instance.master_user_secret.secret_arn, "", "")
            yield json.loads(value["SecretString"])["password"]


def _check_token(account: Account, user: str, token: str, now: datetime) -> None:
    address, _, text = token.partition("/?")
    query = dict(urllib.parse.parse_qsl(text))
    instances = [each for each in _instances(account) if f"{each.address}:{each.port}" == address]
    _require(bool(instances), f"the token is for {address}, which isn't an instance")
    _require(instances[0].enable_iam_database_authentication, f"{address} has no IAM authentication")
    _require(query.get("Action") == "connect", "the token isn't for a connection")
    _require(query.get("DBUser") == user, f"the token is for the user {query.get('DBUser')}")
    issued = _time(query.get("X-Amz-Date", ""))
    _require(-SKEW <= now - issued <= TOKEN_LIFE, f"the token is from {issued:%H:%M:%S}, but it is {now:%H:%M:%S} UTC")
    session = sessions.find(account.account_id, query.get("X-Amz-Credential", "").partition("/")[0])
    if session is None or session.expired or session.token != query.get("X-Amz-Security-Token"):
        message = "the token is signed with credentials that STS didn't issue, or that have expired"
        raise LoginRefusedError(message)
    _require(
        hmac.compare_digest(query.get("X-Amz-Signature", ""), signature(address, query, session.secret_key)),
        "the token's signature is wrong",
    )
    arn = f"arn:{PARTITION}:rds-db:{account.region}:{account.account_id}:dbuser:{instances[0].dbi_resource_id}/{user}"
    call = policies.Call(action="rds-db:connect", resource=arn)
    _require(sessions.may(account.account_id, session, call), f"{session.arn} may not call rds-db:connect on {arn}")


def _time(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        message = f"the token's time must be YYYYMMDDTHHMMSSZ, got {text!r}"
        raise LoginRefusedError(message) from None


def _require(condition: bool, refusal: str) -> None:
    if not condition:
        raise LoginRefusedError(refusal)


def signature(host: str, query: Mapping[str, str], secret_key: str) -> str:
    """Return the signature (version 4) of a URL in which only the host header is signed.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """
    signed = sorted((name, value) for name, value in query.items() if name != "X-Amz-Signature")
    text = urllib.parse.urlencode(signed, quote_via=urllib.parse.quote, safe="-_.~")
    request = f"GET\n/\n{text}\nhost:{host}\n\nhost\n{hashlib.sha256(b'').hexdigest()}"
    scope = query["X-Amz-Credential"].partition("/")[2]
    digest = hashlib.sha256(request.encode()).hexdigest()
    key = f"AWS4{secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, f"AWS4-HMAC-SHA256\n{query['X-Amz-Date']}\n{scope}\n{digest}".encode(), "sha256").hex()
