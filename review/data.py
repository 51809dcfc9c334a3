"""Which resources hold data that nothing else holds: replacing or deleting one of them loses it."""

from collections.abc import Mapping
from dataclasses import dataclass

from review import values
from review.preview import Preview
from review.steps import Action, Step


@dataclass(frozen=True, kw_only=True, slots=True)
class Data:
    """What a type is called, the property with the name that people know, and the property it holds data with."""

    noun: str
    name: str = ""
    only_with: str = ""
    # What it holds lives in the stack's state, and nowhere else: there is nothing that could be retained.
    in_state: bool = False


_KEY = Data(noun="encryption key")
_CLUSTER = Data(noun="database", name="clusterIdentifier")
_RANDOM = Data(noun="random value", in_state=True)
# The worst loss first. Beside these, whatever is protected counts: somebody has said that it must stay.
TYPES: Mapping[str, Data] = {
    "aws:rds/instance:Instance": Data(noun="database", name="identifier"),
    "aws:rds/cluster:Cluster": _CLUSTER,
    "aws:docdb/cluster:Cluster": _CLUSTER,
    "aws:neptune/cluster:Cluster": _CLUSTER,
    "aws:redshift/cluster:Cluster": _CLUSTER,
    "aws:dynamodb/table:Table": Data(noun="table", name="name"),
    "aws:s3/bucket:Bucket": Data(noun="bucket", name="bucket"),
    # The name of version 6 of pulumi-aws, which version 7 still takes.
    "aws:s3/bucketV2:BucketV2": Data(noun="bucket", name="bucket"),
    "aws:s3/directoryBucket:DirectoryBucket": Data(noun="bucket", name="bucket"),
    "aws:efs/fileSystem:FileSystem": Data(noun="file system"),
    "aws:ebs/volume:Volume": Data(noun="volume"),
    "aws:backup/vault:Vault": Data(noun="backup vault", name="name"),
    # Without the key nobody reads what it has encrypted, nor trusts what it will sign.
    "aws:kms/key:Key": _KEY,
    "aws:kms/externalKey:ExternalKey": _KEY,
    "aws:kms/replicaKey:ReplicaKey": _KEY,
    "aws:kms/replicaExternalKey:ReplicaExternalKey": _KEY,
    "vault:index/mount:Mount": Data(noun="Vault engine", name="path"),
    "vault:index/namespace:Namespace": Data(noun="Vault namespace", name="path"),
    "vault:transit/secretBackendKey:SecretBackendKey": Data(noun="signing key", name="name"),
    "aws:ecr/repository:Repository": Data(noun="image repository", name="name"),
    "kubernetes:core/v1:PersistentVolumeClaim": Data(noun="volume", name="metadata.name"),
    "kubernetes:apps/v1:StatefulSet": Data(
        noun="stateful set", name="metadata.name", only_with="spec.volumeClaimTemplates"
    ),
    # With everything in it.
    "kubernetes:core/v1:Namespace": Data(noun="namespace", name="metadata.name"),
    # A server that was set up with the old one refuses the new one.
    "random:index/randomPassword:RandomPassword": Data(noun="password", in_state=True),
    "random:index/randomBytes:RandomBytes": Data(noun="random key", in_state=True),
    "tls:index/privateKey:PrivateKey": Data(noun="private key", in_state=True),
    # Passwords, tokens and names are made of these, too.
    "random:index/randomId:RandomId": _RANDOM,
    "random:index/randomInteger:RandomInteger": _RANDOM,
    "random:index/randomPet:RandomPet": _RANDOM,
    "random:index/randomShuffle:RandomShuffle": _RANDOM,
    "random:index/randomString:RandomString": _RANDOM,
    "random:index/randomUuid:RandomUuid": _RANDOM,
    "random:index/randomUuid4:RandomUuid4": _RANDOM,
    "random:index/randomUuid7:RandomUuid7": _RANDOM,
}
_RANKS = {type_: rank for rank, type_ in enumerate(TYPES)}
_DESTROYING = (Action.REPLACE, Action.DELETE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Loss:
    """Data that a step would take away, in words such as "the database: aegis-prod"."""

    step: Step
    words: str


def losses(preview: Preview) -> tuple[Loss, ...]:
    """Return what would be lost, the worst first."""
    found = [Loss(step=step, words=_words(step)) for step in preview.steps if _destroys(step)]
    lost = [each for each in found if each.words]
    return tuple(sorted(lost, key=lambda each: _RANKS.get(_alike(each.step.type), len(_RANKS))))


def _destroys(step: Step) -> bool:
    kind = TYPES.get(_alike(step.type))
    kept = step.old.retained and not (kind is not None and kind.in_state)
    return step.action in _DESTROYING and not kept


def _alike(type_: str) -> str:
    """Return the type in `TYPES` that this is a list or another version of: `apps/v1beta2:StatefulSet` is such."""
    package, _, kind = type_.partition(":")
    group, _, version = kind.partition("/")
    if package != "kubernetes" or not version:
        return type_
    return f"kubernetes:{group}/v1:{version.rpartition(':')[2].removesuffix('List')}"


def _words(step: Step) -> str:
    kind = TYPES.get(_alike(step.type))
    if kind is not None and _holds_data(step, kind):
        return f"the {kind.noun}: {_name(step, kind)}"
    if step.old.protected:
        return f"the protected {step.type.rpartition(':')[2]}: {step.name}"
    return ""


def _holds_data(step: Step, kind: Data) -> bool:
    # Without a state nobody can tell, nor of a whole list.
    unknown = not (kind.only_with and step.old.inputs) or "items" in step.old.inputs
    return unknown or bool(values.at(step.old.inputs, kind.only_with))


def _name(step: Step, kind: Data) -> str:
    found = kind.name and (values.at(step.old.inputs, kind.name) or values.at(step.old.outputs, kind.name))
    return values.shown(found) if found else step.name
