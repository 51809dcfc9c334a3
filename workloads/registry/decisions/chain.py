"""The chain of a model's records, and the conditional write that decides which of two decisions counts."""

import shlex
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Generic

from aegis.errors import NotVerifiedError
from aegis.keys import PublicKey
from workloads.registry.decisions import record
from workloads.registry.decisions.record import E, Kind, Record
from workloads.release.store import ReleaseStore

# The tag of the registered model with the last record's mark.
HEAD_TAG: Final = "aegis.decisions.head"
_DIGITS: Final = 8
_SUFFIX: Final = ".json"
# As many as the connections of an S3 client.
_AT_A_TIME: Final = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """The number and digest of a record, as tags name it."""

    number: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.number} {self.sha256}"


def mark_of(found: Record[E]) -> Mark:
    """Return the mark of a record."""
    return Mark(number=found.number, sha256=found.sha256)


def parse_mark(text: str | None) -> Mark | None:
    """Return the mark in a tag, or None if there is none, or what anybody else wrote there."""
    number, _, sha256 = (text or "").partition(" ")
    if not (number.isascii() and number.isdecimal() and len(number) <= _DIGITS and int(number) and sha256):
        return None
    return Mark(number=int(number), sha256=sha256)


@dataclass(frozen=True, kw_only=True, slots=True)
class Chain(Generic[E]):
    """The records of one `kind` about `model` in `store`.

    A record is good if a `trusted` key signed it, or if a good record follows it: each names the digest of the one
    before it, so a record outlives its key. A last record with a revoked key is good only if a person has `accepted`
    its digest, and no trusted key signed the one before it: keys are revoked from the oldest on.
    """

    kind: Kind[E]
    store: ReleaseStore
    model: str
    trusted: Sequence[PublicKey]
    accepted: str | None = None

    @property
    def folder(self) -> str:
        """The folder of the records, beside those of the model's releases, which are named by digests."""
        return f"{self.model}/{self.kind.folder}"

    def name(self, number: int) -> str:
        """Return the name of a record's file."""
        return f"{number:0{_DIGITS}}{_SUFFIX}"

    def number(self, name: str) -> int | None:
        """Return the number of the record in the file `name`, or None if it isn't a record's."""
        digits = name.removesuffix(_SUFFIX)
        if not (digits.isascii() and digits.isdecimal()) or not int(digits) or name != self.name(int(digits)):
            return None
        return int(digits)

    def uri(self, number: int) -> str:
        """Return the address of a record."""
        return self.store.uri(self.folder, self.name(number))

    def create(self, number: int, content: bytes) -> bool:
        """Write a record unless one has its number; return whether this call wrote it.

        Raises:
            NotVerifiedError: The object store overwrites objects in spite of the condition.
        """
        created = self.store.create(self.folder, self.name(number), content)
        if created and number == 1 and self.store.create(self.folder, self.name(number), content + b"\n"):
            raise NotVerifiedError(
                f"the object store of {self.uri(number)} ignores `If-None-Match: *`: it can't keep decisions"
            )
        return created

    def read(self, number: int) -> Record[E] | None:
        """Return a record that a trusted key signed, or None if there is none of that number.

        Raises:
            NotVerifiedError: It isn't the record that was signed, or its key isn't trusted.
        """
        content = self.content(number)
        return None if content is None else record.verify(content, number, self.model, self.trusted, self.kind)

    def before(self, found: Record[E]) -> Record[E] | None:
        """Return the record before a good one, or None if it is the first.

        Raises:
            NotVerifiedError: It is missing, or isn't the one whose digest `found` names.
        """
        if found.number == 1:
            return None
        earlier = self._stored(found.number - 1)
        if problem := follows(found, earlier):
            raise NotVerifiedError(problem)
        return earlier

    def content(self, number: int) -> bytes | None:
        """Return the file of a record, or None if there is none of that number."""
        return self.store.read(self.folder, self.name(number), record.LARGEST + 1)

    def head(self, hint: Mark | None) -> Record[E] | None:
        """Return the last record, or None if there is none; `hint` names one that was written before.

        The records after `hint` are verified. Those before it are verified by `history`.

        Raises:
            NotVerifiedError: A record was changed, or the one that `hint` names is missing.
        """
        if hint is None:
            return self.last(None)
        content = self.content(hint.number)
        if content is None:
            raise NotVerifiedError(
                f"{self.uri(hint.number)} is missing, and the tag {HEAD_TAG} of the model {self.model!r} names it. "
                f"{self._tag_remedy()}"
            )
        found = record.read(content, hint.number, self.model, self.trusted, self.kind)
        if found.sha256 != hint.sha256:
            raise NotVerifiedError(
                f"record {hint.number} of {self.model!r} is not the one that the model's tag {HEAD_TAG} names. "
                f"{self._tag_remedy()}"
            )
        last = self.last(found)
        if last == found and not self._is_signed(found):
            raise self._retired(found, last=True)
        return last

    def last(self, start: Record[E] | None) -> Record[E] | None:
        """Return the last record, from `start` on.

        Raises:
            NotVerifiedError: A record was changed, or is missing.
        """
        return next(reversed(self.since(start)), start)

    def since(self, start: Record[E] | None) -> list[Record[E]]:
        """Return the records after `start`.

        Raises:
            NotVerifiedError: A record was changed, or is missing.
        """
        numbers = self.numbers(after=start.number if start else 0)
        first = start.number + 1 if start else 1
        expected = range(first, first + len(numbers))
        if numbers != list(expected):
            missing = next(number for number, found in zip(expected, numbers, strict=True) if number != found)
            raise NotVerifiedError(f"record {missing} of {self.model!r} is missing")
        records: list[Record[E]] = []
        found_records = list(self.all(numbers))
        # The last error explains those before it: records that no good one follows.
        for error in reversed(found_records):
            if isinstance(error, NotVerifiedError):
                raise error
        for found in (each for each in found_records if isinstance(each, Record)):
            if problem := follows(found, start):
                raise NotVerifiedError(problem)
            records.append(start := found)
        return records

    def numbers(self, after: int = 0) -> list[int]:
        """Return the numbers of the stored records that follow `after`.

        Raises:
            NotVerifiedError: The folder has a file that isn't a record.
        """
        numbers = []
        for name in self.store.names(self.folder, self.name(after)):
            number = self.number(name)
            if number is None:
                raise NotVerifiedError(f"{self.store.uri(self.folder, name)} is not a record")
            numbers.append(number)
        return numbers

    def all(self, numbers: Sequence[int]) -> list[Record[E] | NotVerifiedError]:
        """Read and verify records up to the last one, several at a time; return the error of one that isn't good."""
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            found = list(pool.map(self._tried, numbers))
        following: Record[E] | None = None
        for index in reversed(range(len(found))):
            each = found[index]
            if isinstance(each, Record) and not self._is_signed(each) and not _vouches(following, each):
                each = self._retired(each, last=index == len(found) - 1)
            found[index] = each
            following = each if isinstance(each, Record) else None
        return found

    def _tag_remedy(self) -> str:
        return (
            f"Look at `python -m workloads.registry history {shlex.quote(self.model)}`. If the record was removed or "
            "replaced, put it back from a copy of the bucket. If only the tag was changed, delete it with MLflow's "
            "client"
        )

    def _tried(self, number: int) -> Record[E] | NotVerifiedError:
        try:
            return self._stored(number)
        except NotVerifiedError as error:
            return error

    def _stored(self, number: int) -> Record[E]:
        """Return a record, which may have no trusted key."""
        content = self.content(number)
        if content is None:
            raise NotVerifiedError(f"record {number} of {self.model!r} is missing")
        return record.read(content, number, self.model, self.trusted, self.kind)

    def _is_signed(self, found: Record[E]) -> bool:
        return found.key is not None or (found.sha256 == self.accepted and self._can_be_accepted(found))

    def _can_be_accepted(self, found: Record[E]) -> bool:
        try:
            earlier = self.before(found)
        except NotVerifiedError:
            return False
        return earlier is None or earlier.key is None

    def _retired(self, found: Record[E], *, last: bool) -> NotVerifiedError:
        """Return the error about a record without a trusted key; for the last one, with the way to accept it."""
        error = record.untrusted(found.number, self.trusted)
        if not last or not self._can_be_accepted(found):
            return error
        return NotVerifiedError(
            f"{error}. If its key was revoked, look at {self.uri(found.number)}, then accept it with "
            f"`python -m workloads.registry history {shlex.quote(self.model)} --accept-head {found.sha256}`"
        )


def _vouches(following: Record[E] | None, found: Record[E]) -> bool:
    """Return whether a good record names the digest of the record before it."""
    return following is not None and follows(following, found) is None


def follows(found: Record[E], previous: Record[E] | None) -> str | None:
    """Return why a record doesn't follow the one before it, or None if it does."""
    if found.decision.previous != (previous.sha256 if previous else None):
        return f"record {found.number} doesn't follow the record before it: one of them was replaced"
    return None
