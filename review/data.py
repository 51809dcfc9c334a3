"""The resources whose replacement or deletion loses data, and the losses in a preview."""

from collections.abc import Mapping
from dataclasses import dataclass

from review import values
from review.preview import Action, Preview, Step


@dataclass(frozen=True, kw_only=True, slots=True)
class Data:
    """A type that holds data: its noun, and the path of the property with the name that people know."""

    noun: str
    name: str = ""
    # The path of the property without which a resource of the type holds no data.
    only_with: str = ""
    # The data exists only in the stack's state, so `retainOnDelete` can't keep it.
    in_state: bool = False


_KEY = Data(noun="encryption key")
_CLUSTER = Data(noun="database", name="clusterIdentifier")
_RANDOM = Data(noun="random value", in_state=True)
# The worst loss first. A protected resource of any other type counts, too.
TYPES: Mapping[str, Data] = {
    "aws:rds/instance:Instance": Data(noun="database", name="identifier"),
    "aws:rds/cluster:Cluster": _CLUSTER,
    "aws:docdb/cluster:Cluster": _CLUSTER,
    "aws:neptune/cluster:Cluster": _CLUSTER,
    "aws:redshift/cluster:Cluster": _CLUSTER,
    "aws:dynamodb/table:Table": Data(noun="table", name="name"),
    "aws:s3/bucket:Bucket": Data(noun="bucket", name="bucket"),
    # Version 6 of pulumi-aws named the type BucketV2. Version 7 still takes that name.
    "aws:s3/bucketV2:BucketV2": Data(noun="bucket", name="bucket"),
    "aws:s3/directoryBucket:DirectoryBucket": Data(noun="bucket", name="bucket"),
    "aws:efs/fileSystem:FileSystem": Data(noun="file system"),
    "aws:ebs/volume:Volume": Data(noun="volume"),
    "aws:backup/vault:Vault": Data(noun="backup vault", name="name"),
    # Without the key, data that it encrypted can't be read, and nothing more can be signed with it.
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
    # Its deletion deletes everything in it.
    "kubernetes:core/v1:Namespace": Data(noun="namespace", name="metadata.name"),
    # A server that was set up with the old value refuses the new one.
    "random:index/randomPassword:RandomPassword": Data(noun="password", in_state=True),
    "random:index/randomBytes:RandomBytes": Data(noun="random key", in_state=True),
    "tls:index/privateKey:PrivateKey": Data(noun="private key", in_state=True),
    # Programs make passwords, tokens and names from these, too.
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
    """Data that a step would lose, in words such as "the database: aegis-prod"."""

    step: Step
    words: str


def losses(preview: Preview) -> tuple[Loss, ...]:
    """Return the losses of a preview, the worst first."""
    found = [Loss(step=step, words=_words(step)) for step in preview.steps if _destroys(step)]
    lost = [loss for loss in found if loss.words]
    return tuple(sorted(lost, key=lambda loss: _RANKS.get(_stable(loss.step.type), len(_RANKS))))


def _destroys(step: Step) -> bool:
    kind = TYPES.get(_stable(step.type))
    retained = step.old.retained and not (kind is not None and kind.in_state)
    return step.action in _DESTROYING and not retained


def _stable(type_: str) -> str:
    """Return the type in `TYPES` for a list or another version of it, such as `apps/v1beta2:StatefulSet`."""
    package, _, kind = type_.partition(":")
    group, _, version = kind.partition("/")
    if package != "kubernetes" or not version:
        return type_
    return f"kubernetes:{group}/v1:{version.rpartition(':')[2].removesuffix('List')}"


def _words(step: Step) -> str:
    kind = TYPES.get(_stable(step.type))
    if kind is not None and _holds_data(step, kind):
        return f"the {kind.noun}: {_name(step, kind)}"
    if step.old.protected:
        return f"the protected {step.type.rpartition(':')[2]}: {step.name}"
    return ""


def _holds_data(step: Step, kind: Data) -> bool:
    # Without a state, and for a list of objects, assume that there is data.
    assumed = not (kind.only_with and step.old.inputs) or "items" in step.old.inputs
    return assumed or bool(values.at(step.old.inputs, kind.only_with))


def _name(step: Step, kind: Data) -> str:
    found = kind.name and (values.at(step.old.inputs, kind.name) or values.at(step.old.outputs, kind.name))
    return values.shown(found) if found else step.name
