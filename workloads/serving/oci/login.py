"""Logging in to a registry: it says with its answer 401 how, by basic authentication or by a token server.

https://distribution.github.io/distribution/spec/auth/token/
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import httpx

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.serving.oci import answers, credentials
from workloads.serving.oci.credentials import Credentials

_PARAMETER: Final = re.compile(r'([A-Za-z_]+)=(?:"([^"]*)"|([^\s,"]+))')
# In bytes. A token is a JWT of some kilobytes.
_LARGEST_TOKEN: Final = 1 << 20
_CLIENT: Final = "aegis"
_OK: Final = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Login:
    """The way into one registry.

    `scopes` are what its token must allow. With `plain_http`, a token server on the registry's own host needs no TLS.
    """

    host: str
    scopes: Sequence[str]
    client: httpx.Client
    plain_http: bool

    def header(self, challenges: Sequence[str]) -> str | None:
        """Return the value of the header Authorization that `challenges` ask for, or None without credentials for it.

        Raises:
            WorkloadError: The token server refuses, or its address or answer can't be used.
            UnavailableError: The token server has a transient failure.
        """
        known = credentials.of_registry(self.host)
        for challenge in challenges:
            scheme, _, rest = challenge.partition(" ")
            if scheme.lower() == "bearer":
                parameters = {name.lower(): quoted or bare for name, quoted, bare in _PARAMETER.findall(rest)}
                return f"Bearer {self._token(parameters, known)}"
            if scheme.lower() == "basic" and known and known.password:
                return known.basic
        return None

    def _token(self, parameters: dict[str, str], known: Credentials | None) -> str:
        realm = self._realm(parameters.get("realm", ""))
        # The scope of the challenge may ask for less than a mount from another repository takes.
        scopes = sorted({*self.scopes, *parameters.get("scope", "").split()})
        service = {"service": parameters["service"]} if "service" in parameters else {}
        if known and known.identity_token:
            fields = {"grant_type": "refresh_token", "refresh_token": known.identity_token, "client_id": _CLIENT}
            request = self.client.build_request("POST", realm, data={**fields, **service, "scope": " ".join(scopes)})
        else:
            headers = {"Authorization": known.basic} if known else {}
            query = {**dict(realm.params.multi_items()), **service, "scope": scopes}
            request = self.client.build_request("GET", realm, params=query, headers=headers)
        response = self.client.send(request, stream=True)
        try:
            if response.status_code != _OK:
                raise answers.failure(response)
            return _token_in(answers.read(response, _LARGEST_TOKEN), self.host)
        finally:
            response.close()

    def _realm(self, text: str) -> httpx.URL:
        try:
            realm = httpx.URL(text)
        except httpx.InvalidURL:
            realm = httpx.URL()
        is_own = self.plain_http and realm.scheme == "http" and realm.host == httpx.URL(f"http://{self.host}").host
        if not realm.host or not (realm.scheme == "https" or is_own):
            raise WorkloadError(
                f"The registry {self.host} names the token server {text!r}, which must be an address with https: "
                "no credentials are sent there.",
                Exit.NOT_VERIFIED,
            )
        return realm


def _token_in(content: bytes, host: str) -> str:
    try:
        match json.loads(content):
            case {"token": str(token)} | {"access_token": str(token)} if re.fullmatch(r"[!-~]+", token):
                return token
    except (ValueError, RecursionError):
        pass
    raise WorkloadError(f"The token server of the registry {host} answers without a token.", Exit.OBJECT_STORE)
