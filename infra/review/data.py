"""Which resources hold data that nothing else holds: replacing or deleting one of them loses it."""

from collections.abc import Mapping
from dataclasses import dataclass

from infra.review import values
from infra.review.preview import Preview
from infra.review.steps import Action, Step


@dataclass(frozen=True, kw_only=True, slots=True)
class Data:
    """What a type is called, the property with the name that people know, and the property it holds data with."""

    noun: str
    name: str = ""
    only_with: str = ""


# The worst loss first. Beside these, whatever is protected counts: somebody has said that it must stay.
TYPES: Mapping[str, Data] = {
    "aws:rds/instance:Instance": Data(noun="database", name="identifier"),
    "aws:rds/cluster:Cluster": Data(noun="database", name="clusterIdentifier"),
    "aws:s3/bucket:Bucket": Data(noun="bucket", name="bucket"),
    # The name of version 6 of pulumi-aws, which version 7 still takes.
    "aws:s3/bucketV2:BucketV2": Data(noun="bucket", name="bucket"),
    # Without the key nobody reads what it has encrypted, nor trusts what it will sign.
    "aws:kms/key:Key": Data(noun="encryption key"),
    "vault:index/mount:Mount": Data(noun="Vault engine", name="path"),
    "vault:transit/secretBackendKey:SecretBackendKey": Data(noun="signing key", name="name"),
    "aws:ecr/repository:Repository": Data(noun="image repository", name="name"),
    "kubernetes:core/v1:PersistentVolumeClaim": Data(noun="volume", name="metadata.name"),
    "kubernetes:apps/v1:StatefulSet": Data(
        noun="stateful set", name="metadata.name", only_with="spec.volumeClaimTemplates"
    ),
    # With everything in it.
    "kubernetes:core/v1:Namespace": Data(noun="namespace", name="metadata.name"),
    # A server that was set up with the old one refuses the new one.
    "random:index/randomPassword:RandomPassword": Data(noun="password"),
    "random:index/randomBytes:RandomBytes": Data(noun="random key"),
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
    return tuple(sorted(lost, key=lambda each: _RANKS.get(each.step.type, len(_RANKS))))


def _destroys(step: Step) -> bool:
    return step.action in _DESTROYING and not step.old.retained


def _words(step: Step) -> str:
    kind = TYPES.get(step.type)
    if kind is not None and _holds_data(step, kind):
        return f"the {kind.noun}: {_name(step, kind)}"
    if step.old.protected:
        return f"the protected {step.type.rpartition(':')[2]}: {step.name}"
    return ""


def _holds_data(step: Step, kind: Data) -> bool:
    # Without a state nobody can tell.
    return not (kind.only_with and step.old.inputs) or bool(values.at(step.old.inputs, kind.only_with))


def _name(step: Step, kind: Data) -> str:
    found = kind.name and (values.at(step.old.inputs, kind.name) or values.at(step.old.outputs, kind.name))
    return values.shown(found) if found else step.name
