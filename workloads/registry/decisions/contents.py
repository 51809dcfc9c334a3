"""Compare a version's signed content with the content that was decided about.

A client of MLflow can delete a version and register another signed one under its number. Only the record, which names
the digest of the files, tells them apart.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence

from mlflow.entities.model_registry import ModelVersion

from aegis import evidence
from aegis.errors import NotVerifiedError
from aegis.keys import PublicKey
from workloads.registry.decisions.chain import Chain
from workloads.registry.decisions.record import Record


def decided(newest_first: Iterable[Record], versions: Collection[str]) -> dict[str, Record]:
    """Return the last record that chose each of `versions`; one that no record chose is absent."""
    found: dict[str, Record] = {}
    taken_back = 0
    for record in newest_first:
        decision = record.decision
        if decision.action == "correct":
            taken_back = record.number - 1
        elif decision.action != "accept" and record.number != taken_back and decision.subject.version in versions:
            found.setdefault(decision.subject.version, record)
        if len(found) == len(versions):
            break
    return found


def backwards(chain: Chain, head: Record | None) -> Iterator[Record]:
    """Yield the records from `head` to the first one.

    Raises:
        NotVerifiedError: One is missing or was changed.
    """
    while head is not None:
        yield head
        head = chain.before(head)


def difference(version: ModelVersion, record: Record, trusted: Sequence[PublicKey]) -> str | None:
    """Return how the version differs from the one that `record` chose, or None if it has the same signed content.

    A retired key is no difference: the record vouches for the digest of the files.
    """
    try:
        manifest = evidence.claimed(version)
        if manifest.key is None or manifest.key.fingerprint in {key.fingerprint for key in trusted}:
            evidence.check(version, trusted)
    except NotVerifiedError as error:
        return f"version {version.version} is NOT verified: {error}"
    expected = record.decision.subject.content_sha256
    if manifest.content_sha256 == expected:
        return None
    return (
        f"version {version.version} was replaced: its signed files have the SHA-256 {manifest.content_sha256}, "
        f"record {record.number} chose {expected}"
    )
