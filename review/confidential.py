"""Detection of secrets that nothing marks as secret: by type, by name or by form."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from review import values
from review.values import SECRET, UNKNOWN
from secret_forms import is_named_like_a_secret, without_forms

# The types with only secret properties. `kubectl apply` leaves a copy of a Secret even in an annotation.
_WHOLE: Final = re.compile(
    r"kubernetes:core/v\w+:Secret(Patch|List)?|vault:(kv|generic)/\w+:\w+|aws:secretsmanager/secretVersion:SecretVersion"
)
# The properties that Pulumi's SDKs mark as secret although their names don't say so, and other properties that hold
# arbitrary text of a program or a user. A test compares them with the SDKs.
_PROPERTIES: Final[Mapping[str, str]] = {
    "aws:apigateway/apiKey:ApiKey": "value",
    "aws:appconfig/hostedConfigurationVersion:HostedConfigurationVersion": "content",
    "aws:appsync/apiKey:ApiKey": "key",
    "aws:bedrock/agentcoreHarness:AgentcoreHarness": "environmentVariables",
    "aws:cloudcontrol/resource:Resource": "schema",
    "aws:directoryservice/sharedDirectory:SharedDirectory": "notes",
    "aws:dms/certificate:Certificate": "certificateWallet",
    "aws:ec2/vpnConnection:VpnConnection": "customerGatewayConfiguration",
    "aws:glue/connection:Connection": "athenaProperties connectionProperties",
    "aws:grafana/workspaceApiKey:WorkspaceApiKey": "key",
    "aws:grafana/workspaceServiceAccountToken:WorkspaceServiceAccountToken": "key",
    "aws:iot/authorizer:Authorizer": "tokenSigningPublicKeys",
    "aws:iot/certificate:Certificate": "publicKey",
    "aws:mwaa/environment:Environment": "airflowConfigurationOptions",
    "aws:pinpoint/admChannel:AdmChannel": "clientId",
    "aws:pinpoint/apnsChannel:ApnsChannel": "certificate bundleId tokenKeyId teamId",
    "aws:pinpoint/apnsSandboxChannel:ApnsSandboxChannel": "certificate bundleId tokenKeyId teamId",
    "aws:pinpoint/apnsVoipChannel:ApnsVoipChannel": "certificate bundleId tokenKeyId teamId",
    "aws:pinpoint/apnsVoipSandboxChannel:ApnsVoipSandboxChannel": "certificate bundleId tokenKeyId teamId",
    "aws:pinpoint/gcmChannel:GcmChannel": "serviceJson",
    "aws:redshiftserverless/namespace:Namespace": "adminUsername",
    "aws:s3/objectCopy:ObjectCopy": "kmsKeyId kmsEncryptionContext",
    "aws:sns/platformApplication:PlatformApplication": "platformPrincipal",
    "aws:ssm/parameter:Parameter": "value valueWo insecureValue",
    "aws:transfer/certificate:Certificate": "certificate certificateChain",
    "aws:transfer/server:Server": "postAuthenticationLoginBanner preAuthenticationLoginBanner",
    "command:local:Command": "stdin stdout stderr environment",
    "command:remote:Command": "stdin stdout stderr environment",
    "kubernetes:helm.sh/v3:Release": "manifest rawManifest valueYamlFiles",
    "random:index/randomBytes:RandomBytes": "base64 hex",
    "random:index/randomId:RandomId": "b64Std b64Url dec hex",
    "random:index/randomInteger:RandomInteger": "result seed",
    "random:index/randomPassword:RandomPassword": "result bcryptHash",
    "random:index/randomShuffle:RandomShuffle": "results seed",
    "random:index/randomString:RandomString": "result",
    "random:index/randomUuid:RandomUuid": "result",
    "random:index/randomUuid4:RandomUuid4": "result",
    "random:index/randomUuid7:RandomUuid7": "result",
    "vault:ad/secretBackend:SecretBackend": "clientTlsCert",
    "vault:appRole/authBackendLogin:AuthBackendLogin": "secretId secretIdWo",
    "vault:appRole/authBackendRoleSecretId:AuthBackendRoleSecretId": "secretId",
    "vault:azure/authBackendConfig:AuthBackendConfig": "clientId tenantId",
    "vault:azure/backend:Backend": "clientId tenantId subscriptionId",
    "vault:consul/secretBackend:SecretBackend": "clientCert",
    "vault:index/nomadSecretBackend:NomadSecretBackend": "clientCert",
    "vault:index/ociAuthBackend:OciAuthBackend": "homeTenancyId",
    "vault:index/plugin:Plugin": "envs",
    "vault:index/token:Token": "wrappingAccessor",
    "vault:ldap/secretBackend:SecretBackend": "clientTlsCert",
    "vault:pkiSecret/backendAcmeEab:BackendAcmeEab": "key",
    "vault:rabbitMq/secretBackend:SecretBackend": "username",
    "vault:terraformcloud/secretCreds:SecretCreds": "leaseId",
}
# The last words of a secret property's name: masterPassword, secretString, keyMaterialBase64, privateKeyPemPkcs8.
_NAME: Final = re.compile(
    r"(password|passwd|passphrase|pwd|secret|token|credential|jwt|bindpass|pem|plaintext|key_?material|"
    r"(api|access|secret|private|(pre)?shared|auth|client|encryption|signing|license|token|account|host|customer|"
    r"master|integration|tls|ssh)_?key)s?(_?(wo|v\d|string|binary|hash|material|base64|text|body|pem|bundle|pkcs8|"
    r"openssh))*$",
    re.IGNORECASE,
)
# Keys that aren't secret: hashKey, topologyKey, the `key` of a toleration.
_WHICH: Final = re.compile(r"([a-z][A-Za-z0-9]*K|k)eys?")
# Names that make everything below them secret.
_MANY: Final = re.compile(r"(passwords|credentials|stringData)$", re.IGNORECASE)


def shown(type_: str, path: str, value: object, entry: object = None) -> object:
    """Return a value with `SECRET` in place of each possible secret.

    `entry` is the object that holds the last part of the path: the name of a variable stands beside its value.
    """
    names = values.names(path)
    hidden = _PROPERTIES.get(type_, "").split()
    if _WHOLE.fullmatch(type_) or any(name in hidden or _MANY.search(name) for name in names):
        return value if value is None else SECRET
    last = names[-1] if names else ""
    if last == "value" and isinstance(entry, Mapping) and isinstance(entry.get("name"), str):
        last = entry["name"]
    return _hidden(last, value)


def _hidden(name: str, value: Any) -> object:  # noqa: ANN401 - any JSON value
    if isinstance(value, Mapping):
        return {key: _hidden(_name_of(key, value), member) for key, member in value.items()}
    if isinstance(value, list):
        return [_hidden(name, member) for member in value]
    if value is None or isinstance(value, bool) or value in (SECRET, UNKNOWN):
        return value
    if _is_secret(name):
        return SECRET
    return _without_secrets(value) if isinstance(value, str) else value


def _name_of(key: str, entry: Mapping[str, Any]) -> str:
    """Return the name of a member. The value of a variable has the name of the variable."""
    variable = entry.get("name") if key == "value" else None
    return variable if isinstance(variable, str) else key


def _is_secret(name: str) -> bool:
    return bool(_NAME.search(name)) or (is_named_like_a_secret(name) and not _WHICH.fullmatch(name))


def _without_secrets(text: str) -> str:
    """Return a text without anything in the form of a secret, and JSON also without members named like one."""
    if text[:1] in ("{", "["):
        try:
            return json.dumps(_hidden("", json.loads(text)))
        # Python refuses JSON that is nested too deeply, and numbers with too many digits.
        except (ValueError, RecursionError):
            pass
    return without_forms(text, SECRET)
