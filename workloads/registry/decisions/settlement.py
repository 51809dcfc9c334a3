"""Make MLflow's aliases, stages and tags what the chain's last record demands.

Each step can be repeated, and every process that changed something reads the chain again afterwards: of several
processes, the last one to change anything has seen the last record.
"""

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from aegis.errors import NotVerifiedError
from workloads import messages, services
from workloads.mlflow_client import or_none
from workloads.registry.decisions import ledger as ledgers
from workloads.registry.decisions.chain import HEAD_TAG, mark_of, parse_mark
from workloads.registry.decisions.ledger import Draft, Ledger, Seal
from workloads.registry.decisions.record import Record
from workloads.registry.decisions.state import EXCLUSIVE_STAGES, State

_MISSING: Final = "RESOURCE_DOES_NOT_EXIST"
# Denied, by the gate of the tracking server; or a version that was deleted.
_REFUSALS: Final = {"PERMISSION_DENIED", _MISSING}
_FORBIDDEN: Final = 403
# Two processes inserted the same new alias or tag (`IntegrityError` in mlflow/store/db/utils.py); a retry updates it.
_COLLISION: Final = "BAD_REQUEST"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """The last record, which MLflow follows now, and the numbers and reasons of records that MLflow refused."""

    head: Record
    refused: dict[int, str]


class _RefusedError(Exception):
    """MLflow refuses to move an alias or a stage to the version; the text is the reason."""


def settle(ledger: Ledger, head: Record, seal: Callable[[], Seal]) -> Settled:
    """Make MLflow follow the chain, whose last known record is `head`.

    If MLflow refuses the version, a record with the action `correct` says so, and the aliases stay what they were.
    Only that needs `seal`.

    Raises:
        NotVerifiedError: The chain was changed, or MLflow refuses even the correction.
        WorkloadError: A service is dead. The next decision, or `history --repair`, completes the work.
    """
    refused: dict[int, str] = {}
    while True:
        try:
            _follow(ledger, head)
        except _RefusedError as error:
            later = ledger.chain.since(head)
            if not later and (correction := _correct(ledger, head, seal(), str(error))):
                later = [correction]
        else:
            later = ledger.chain.since(head)
            if not later:
                return Settled(head=head, refused=refused)
        refused |= _taken_back([head, *later])
        head = later[-1] if later else head


def _taken_back(records: Sequence[Record]) -> dict[int, str]:
    """Return the numbers of the records that the next one corrects, even if another process wrote it, and why."""
    return {
        record.number: correction.decision.reason or "a correction followed it"
        for record, correction in pairwise(records)
        if correction.decision.action == "correct"
    }


def _correct(ledger: Ledger, head: Record, seal: Seal, reason: str) -> Record | None:
    """Write the record that takes back `head`; return None if another record follows it already."""
    wrong = head.decision
    if wrong.action == "correct":
        raise NotVerifiedError(f"MLflow refuses to go back to the versions before record {head.number}: {reason}")
    before = ledger.chain.before(head)
    draft = Draft(
        action="correct",
        alias=wrong.alias,
        from_version=wrong.to_version,
        to_version=wrong.from_version,
        subject=wrong.subject,
        after=lambda _: before.decision.state if before else State(),
        reason=reason,
    )
    return ledgers.write(ledger, seal, draft, head)


def _follow(ledger: Ledger, head: Record) -> None:
    """Change what differs in MLflow from what `head` demands: the aliases first, and the mark of the chain last."""
    registered = ledger.registered()
    _set_aliases(ledger, head, {alias: str(version) for alias, version in (registered.aliases or {}).items()})
    for stage, version in head.decision.state.stages.items():
        _set_stage(ledger, stage, version, required=stage == head.decision.stage)
    _tag_version(ledger, head)
    mark, tagged = mark_of(head), parse_mark((registered.tags or {}).get(HEAD_TAG))
    # A higher number is that of a record that another process has written since.
    if tagged is None or (tagged.number <= mark.number and tagged != mark):
        _change(ledger, lambda client: client.set_registered_model_tag(ledger.model, HEAD_TAG, str(mark)))


def _set_aliases(ledger: Ledger, head: Record, current: Mapping[str, str]) -> None:
    # An acceptance moves nothing itself, so MLflow's refusal can't take it back.
    own = head.decision.alias if head.decision.action != "accept" else None
    for alias, version in sorted(head.decision.state.aliases.items(), key=lambda item: item[0] != own):
        if current.get(alias) != version:
            _move(
                ledger,
                lambda client, alias=alias, version=version: client.set_registered_model_alias(
                    ledger.model, alias, version
                ),
                f"the alias {alias} to version {version}",
                required=alias == own,
            )


def _set_stage(ledger: Ledger, stage: str, version: str, *, required: bool) -> None:
    found = _existing(ledger, version)
    if found is None or found.current_stage == stage:
        return

    def move(client: MlflowClient) -> None:
        # MLflow warns of stages at each call; the user has asked for one.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            client.transition_model_version_stage(
                ledger.model, version, stage, archive_existing_versions=stage in EXCLUSIVE_STAGES
            )

    _move(ledger, move, f"version {version} to the stage {stage}", required=required)


def _tag_version(ledger: Ledger, head: Record) -> None:
    """Set the tags that the version of the decision lacks."""
    number = head.decision.subject.version
    version = _existing(ledger, number)
    tags = {ledgers.VERSION_TAG: str(mark_of(head)), ledgers.URI_TAG: ledger.chain.uri(head.number)}
    for key, value in tags.items():
        if version is not None and version.tags.get(key) != value:
            _change(
                ledger,
                lambda client, key=key, value=value: client.set_model_version_tag(ledger.model, number, key, value),
            )


def _move(ledger: Ledger, action: Callable[[MlflowClient], object], what: str, *, required: bool) -> None:
    """Do `action`; if MLflow refuses it, raise if it is `required`, else warn."""
    reason = ledger.tracking.ask(lambda: _refusal(lambda: action(ledger.tracking.client)))
    if reason is None:
        return
    if required:
        raise _RefusedError(reason)
    _log.warning("MLflow refuses to move %s of %s: %s", what, ledger.model, reason)


def _change(ledger: Ledger, action: Callable[[MlflowClient], object]) -> None:
    """Set a tag, unless its version was deleted."""
    if reason := ledger.tracking.ask(lambda: _refusal(lambda: action(ledger.tracking.client))):
        _log.warning("MLflow refuses to set a tag of %s: %s", ledger.model, reason)


def _refusal(action: Callable[[], object]) -> str | None:
    """Return why MLflow refuses `action`, or None after it was done."""
    try:
        action()
    except MlflowException as error:
        if error.error_code == _COLLISION:
            raise services.UnavailableError(str(error)) from error
        if error.error_code not in _REFUSALS and error.get_http_status_code() != _FORBIDDEN:
            raise
        return messages.plain(str(error))
    return None


def _existing(ledger: Ledger, number: str) -> ModelVersion | None:
    """Return a version, or None if it was deleted."""
    return ledger.tracking.ask(lambda: or_none(lambda: ledger.tracking.client.get_model_version(ledger.model, number)))
