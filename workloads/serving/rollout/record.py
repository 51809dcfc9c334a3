"""A step of a rollout as a signed record, in a chain beside that of the model's decisions.

The form is that of decisions (`workloads.registry.decisions.record`): an in-toto statement in a DSSE envelope.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, get_args

from aegis.manifest import SigningKey
from aegis.strict import to_json
from workloads.registry.decisions.record import Kind, sha256_in
from workloads.serving.rollout.memory import Action
from workloads.signing import dsse

PREDICATE_TYPE: Final = "urn:aegis:model-rollout:v1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rollout:
    """The `number`th step of the served model `model`, after the record with the digest `previous`.

    `to_version` is what the step is about, `from_version` what was served before it. `content_sha256` is the digest of
    the version's signed files, unless it isn't signed. `source` is who wants the model to be served: `stack`, `cli` or
    `tag`. `identity` is who signed in to Vault. `time` is in UTC, ISO 8601.
    """

    model: str
    number: int
    previous: str | None
    action: Action
    from_version: str | None
    to_version: str | None
    alias: str | None
    source: str | None
    content_sha256: str | None
    reason: str | None
    time: str
    identity: Mapping[str, Any]

    def statement(self, key: SigningKey) -> bytes:
        """Return the in-toto statement of the step, to be signed by `key`."""
        predicate = asdict(self) | {"key": asdict(key)}
        content = predicate.pop("content_sha256")
        version = self.to_version or self.from_version
        return to_json(
            {
                "_type": dsse.STATEMENT_TYPE,
                "subject": [
                    {
                        "name": f"models:/{self.model}/{version}",
                        **({"digest": {"sha256": content}} if content else {}),
                    }
                ],
                "predicateType": PREDICATE_TYPE,
                "predicate": predicate,
            }
        )


def _parsed(statement: Mapping[str, Any]) -> Rollout:
    predicate = dict(statement["predicate"])
    [subject] = statement["subject"]
    content = subject["digest"]["sha256"] if "digest" in subject else None
    del predicate["key"]
    rollout = Rollout(**predicate, content_sha256=content and sha256_in(content))
    if rollout.action not in get_args(Action):
        raise ValueError(f"the action {rollout.action!r}")
    return replace(rollout, previous=rollout.previous and sha256_in(rollout.previous))


ROLLOUTS: Final = Kind(name="step of a rollout", folder="rollouts", parse=_parsed)
