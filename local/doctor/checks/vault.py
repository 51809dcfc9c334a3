"""Vault: it is unsealed, has the signing key, and everybody knows that key."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

import contracts
from local.doctor.checks.objects import shown
from local.doctor.site import Site
from local.doctor.verdict import NoAnswerError, NotHereError, ProblemError

_STANDBY = {"standbyok": "true", "perfstandbyok": "true"}
# https://developer.hashicorp.com/vault/api-docs/system/health
_MEANING: Mapping[int, str] = {501: "it is not initialised", 503: "it is sealed"}
_MEANING_WITH_TOKEN: Mapping[int, str] = {**_MEANING, 403: "it refuses the stack's token"}


def unsealed(site: Site) -> str:
    """Check that Vault is initialised and unsealed."""
    url = _url(site)
    query = "&".join(f"{name}={value}" for name, value in _STANDBY.items())
    try:
        answer = site.get(f"{url}/v1/sys/health?{query}")
    except NoAnswerError as reason:
        raise ProblemError(
            "Vault doesn't answer", evidence=str(reason), remedy="`kubectl -n vault get pods`, or check its server"
        ) from None
    if answer.status != HTTPStatus.OK:
        raise ProblemError(
            "Vault signs nothing",
            evidence=_MEANING.get(answer.status, f"it answers {answer.status}"),
            remedy="unseal it; in the cluster `kubectl -n vault delete pod vault-0` restarts it, which unseals it",
        )
    return f"{url} is unsealed"


def signing_key(site: Site) -> str:
    """Check that the key that signs models exists and can't be exported."""
    outputs, url = site.outputs(), _url(site)
    token = outputs.get("vault_root_token")
    if not token:
        raise NoAnswerError("the stack has no token of Vault: look at the key with `vault read`")
    mount = outputs.get("vault_transit_mount", contracts.TRANSIT_MOUNT)
    name = outputs.get("vault_signing_key", contracts.TRANSIT_KEY)
    answer = site.get(f"{url}/v1/{mount}/keys/{name}", {"X-Vault-Token": str(token)})
    if answer.status == HTTPStatus.NOT_FOUND:
        raise ProblemError(
            f"the signing key {mount}/{name} is missing",
            evidence=f"Vault answers {answer.status}",
            remedy="`pulumi up --refresh` makes a new key; models that the lost one signed must be released again",
        )
    if answer.status != HTTPStatus.OK:
        # A key that can't be looked at may well be there, and a new one would invalidate what it signed.
        meaning = _MEANING_WITH_TOKEN.get(answer.status, "the key may be there")
        raise NoAnswerError(f"Vault answers {answer.status} for {mount}/{name}: {meaning}")
    key = json.loads(answer.text)["data"]
    if key["exportable"]:
        raise ProblemError(
            f"the signing key {mount}/{name} can be exported",
            evidence="`exportable` is true",
            remedy="make a new key: an exportable one can't be made unexportable",
        )
    return f"{mount}/{name}, version {key['latest_version']}, valid from {key['min_decryption_version']}"


def published(site: Site) -> str:
    """Check that the public keys that pods trust are the stack's."""
    wanted = str(site.outputs().get("signing_keys") or "").strip()
    if not wanted:
        raise NotHereError("the stack has no output signing_keys")
    found = [item for item in site.listed("ConfigMap") if item["metadata"]["name"] == contracts.SIGNING_KEYS_CONFIG_MAP]
    other = [
        item["metadata"]["namespace"]
        for item in found
        if item.get("data", {}).get(contracts.SIGNING_KEYS_FILE, "").strip() != wanted
    ]
    if other or not found:
        raise ProblemError(
            "pods trust other keys than the stack's",
            evidence=shown(other) or f"there is no ConfigMap {contracts.SIGNING_KEYS_CONFIG_MAP}",
            remedy="`pulumi up --refresh` publishes the stack's keys; find out who changed them",
        )
    return f"in {len(found)} namespaces"


def _url(site: Site) -> str:
    url = site.outputs().get("vault_url")
    if url is None:
        raise NotHereError("the stack has no Vault")
    if (urlsplit(url).hostname or "").endswith(".svc"):
        raise NotHereError(f"{url} is an address in the cluster")
    return str(url)
