"""Whether a password opens a managed database: its administrator's secret, or a token of a role's session.

https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html: a token is the signed URL of a call
that is never made, for 15 minutes.
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
# Clocks of one machine are the same; AWS's own limit is five minutes.
SKEW = timedelta(minutes=5)


class LoginRefusedError(Exception):
    """A login that is refused; says why, for the emulator's log."""


def check(account: Account, user: str, password: str, now: datetime) -> None:
    """Check a login to a database instance of the account.

    Raises:
        LoginRefusedError: The password is neither the user's secret nor a token that lets the user in.
    """
    if any(hmac.compare_digest(password.encode(), known.encode()) for known in _administrator(account, user)):
        return
    if not password.partition("/?")[1]:
        message = "the password is neither the administrator's nor a token"
        raise LoginRefusedError(message)
    _check_token(account, user, password, now)


def _instances(account: Account) -> list[DBInstance]:
    return list(rds_backends[account.account_id][account.region].databases.values())


def _administrator(account: Account, user: str) -> Iterator[str]:
    """Return the passwords of the instances whose administrator is called that."""
    secrets = secretsmanager_backends[account.account_id][account.region]
    for instance in _instances(account):
        if instance.master_username == user and instance.manage_master_user_password:
            value = secrets.get_secret_value(instance.master_user_secret.secret_arn, "", "")
            yield json.loads(value["SecretString"])["password"]


def _check_token(account: Account, user: str, token: str, now: datetime) -> None:
    address, _, text = token.partition("/?")
    query = dict(urllib.parse.parse_qsl(text))
    instances = [each for each in _instances(account) if f"{each.address}:{each.port}" == address]
    _require(bool(instances), f"the token is for {address}, which is no instance")
    _require(instances[0].enable_iam_database_authentication, f"{address} has no IAM authentication")
    _require(query.get("Action") == "connect", "the token is for no connection")
    _require(query.get("DBUser") == user, f"the token is for the user {query.get('DBUser')}")
    made = _time(query.get("X-Amz-Date", ""))
    _require(-SKEW <= now - made <= TOKEN_LIFE, f"the token is of {made:%H:%M:%S}, and now is {now:%H:%M:%S} UTC")
    session = sessions.find(account.account_id, query.get("X-Amz-Credential", "").partition("/")[0])
    if session is None or session.expired or session.token != query.get("X-Amz-Security-Token"):
        message = "the token is signed with credentials that STS has not given out, or that have expired"
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
        message = f"the token's time is {text!r}"
        raise LoginRefusedError(message) from None


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise LoginRefusedError(otherwise)


def signature(host: str, query: Mapping[str, str], secret_key: str) -> str:
    """Return the signature (version 4) of a signed URL whose one signed header is its host.

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
