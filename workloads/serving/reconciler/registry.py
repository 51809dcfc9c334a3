"""What MLflow says about served models: who asks for them by a tag, which versions are wanted, and whether they verify.

Threads ask, so that a dead or slow MLflow never holds up the rest: what it said last counts for a while.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

from aegis import evidence
from aegis import version as versions
from aegis.errors import NotVerifiedError
from aegis.keys import PublicKey
from aegis.version import SignedVersion
from workloads import messages
from workloads.cli import WorkloadError
from workloads.mlflow_client import Tracking
from workloads.services import RefusedError, UnavailableError
from workloads.serving.rollout.situation import Verdict
from workloads.serving.wanted import TAG

_PAGE: Final = 200
_MISSING: Final = ErrorCode.Name(RESOURCE_DOES_NOT_EXIST)
# Kinds of addresses that a delivery can read: it has no credentials of other stores.
_READABLE: Final = ("mlflow-artifacts", "http", "https", "file", "")
# Models that are asked for at the same time: one whose files are listed slowly must not make all answers too old.
_AT_A_TIME: Final = 8

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """Which version of a model is wanted: that of an alias or a fixed one, but `held[1]` instead of `held[0]`.

    `served` is the version that answers now, and `tagged` says that a tag of the model asks for it.
    """

    alias: str | None
    version: str | None
    held: tuple[str, str] | None = None
    served: str | None = None
    tagged: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The verdicts about the wanted version and the served one."""

    question: Question
    wanted: Verdict
    served: Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """What MLflow said: the tags by which models ask to be served, and the answers, by model.

    `unsure` are models whose tags weren't found, though MLflow didn't say that they have none.
    """

    tags: Mapping[str, str] = field(default_factory=dict)
    unsure: frozenset[str] = frozenset()
    answers: Mapping[str, Answer] = field(default_factory=dict)


class Registry:
    """Asks MLflow; a version's files are listed once per evidence and set of trusted keys."""

    def __init__(self, tracking: Tracking, trusted: Callable[[], Sequence[PublicKey]]) -> None:
        self._tracking = tracking
        self._trusted = trusted
        self._listed: set[tuple[str, str, str, frozenset[str]]] = set()

    def look(self, questions: Mapping[str, Question]) -> View:
        """Return what MLflow says now.

        Raises:
            UnavailableError: MLflow doesn't answer.
            WorkloadError: There are no trusted keys.
        """
        trusted = self._trusted()
        tags = dict(self._tags())
        lost = [model for model, each in questions.items() if each.tagged and model not in tags]
        unsure = frozenset(model for model in lost if not self._has_no_tag(model))
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            answers = pool.map(lambda model: self._answer(model, questions[model], trusted), questions)
            return View(tags=tags, unsure=unsure, answers=dict(zip(questions, answers, strict=True)))

    def _tags(self) -> Iterator[tuple[str, str]]:
        token = None
        while True:
            page = self._tracking.once(
                lambda token=token: self._tracking.client.search_registered_models(
                    f"tags.`{TAG}` LIKE '%'", max_results=_PAGE, page_token=token
                )
            )
            for model in page:
                yield model.name, model.tags[TAG]
            token = page.token
            if not token:
                return

    def _has_no_tag(self, model: str) -> bool:
        """Return whether MLflow says so of this model: a search leaves out what its caller may not read, too."""
        try:
            registered = self._tracking.once(lambda: self._tracking.client.get_registered_model(model))
        except UnavailableError:
            return False
        except RefusedError as error:
            cause = error.__cause__
            return isinstance(cause, MlflowException) and cause.error_code == _MISSING
        return TAG not in registered.tags

    def _answer(self, model: str, question: Question, trusted: Sequence[PublicKey]) -> Answer:
        wanted = self._wanted(model, question, trusted)
        served = question.served
        if served is None or served == wanted.version:
            return Answer(question=question, wanted=wanted, served=wanted)
        return Answer(question=question, wanted=wanted, served=self._verdict(model, served, trusted))

    def _wanted(self, model: str, question: Question, trusted: Sequence[PublicKey]) -> Verdict:
        try:
            number = question.version or self._aliased(model, question.alias or "")
        except RefusedError as error:
            return Verdict(finding="missing", reason=messages.plain(str(error)))
        except UnavailableError as error:
            return Verdict(finding="unknown", reason=self._silence(error))
        if number is None:
            return Verdict(finding="missing", reason=f"{model} has no version with the alias {question.alias}")
        if question.held and question.held[0] == number:
            return self._verdict(model, question.held[1], trusted, held_from=number)
        return self._verdict(model, number, trusted)

    def _aliased(self, model: str, alias: str) -> str | None:
        registered: RegisteredModel = self._tracking.once(lambda: self._tracking.client.get_registered_model(model))
        number = (registered.aliases or {}).get(alias)
        return None if number is None else str(number)

    def _verdict(self, model: str, number: str, trusted: Sequence[PublicKey], held_from: str | None = None) -> Verdict:
        try:
            version = self._tracking.once(lambda: self._tracking.client.get_model_version(model, number))
        except RefusedError as error:
            reason = messages.plain(str(error))
            return Verdict(finding="missing", version=number, reason=reason, held_from=held_from)
        except UnavailableError as error:
            return Verdict(finding="unknown", version=number, reason=self._silence(error), held_from=held_from)
        try:
            content = self._verify(version, trusted)
        except NotVerifiedError as reason:
            return Verdict(finding="refused", version=number, reason=messages.plain(str(reason)), held_from=held_from)
        except (UnavailableError, RefusedError) as error:
            reason = f"the artifact store does not answer: {error}"
            return Verdict(finding="unknown", version=number, reason=messages.plain(reason), held_from=held_from)
        return Verdict(finding="verified", version=number, content_sha256=content, held_from=held_from)

    def _verify(self, version: ModelVersion, trusted: Sequence[PublicKey]) -> str:
        with versions.naming(version):
            signed = evidence.check(version, trusted)
        keys = frozenset(key.fingerprint for key in trusted)
        known = (version.name, str(version.version), evidence.digest(version.tags), keys)
        if known not in self._listed:
            self._check_kind(version)
            checked = SignedVersion(registered=version, signed=signed, client=self._tracking.client)
            self._tracking.once(checked.listed)
            self._listed.add(known)
        return signed.manifest.content_sha256

    def _check_kind(self, version: ModelVersion) -> None:
        client, name, number = self._tracking.client, version.name, str(version.version)
        scheme = urlsplit(self._tracking.once(lambda: client.get_model_version_download_uri(name, number))).scheme
        if scheme not in _READABLE:
            raise NotVerifiedError(
                f"{name} version {number} has its files at {scheme}:, where no delivery can read them"
            )

    def _silence(self, error: Exception) -> str:
        return messages.plain(f"{self._tracking.name} does not answer: {error}")


def silent(reason: Exception) -> str:
    """Return what is said of all models while MLflow or the keys can't be read."""
    if not isinstance(reason, WorkloadError | UnavailableError | RefusedError):
        _log.error("MLflow can't be asked", exc_info=reason)
    return messages.plain(f"MLflow can't be asked: {reason}")
