"""AWS's rules for names: the length and characters of each kind of name that this program assigns."""

import re
from dataclasses import dataclass
from typing import Final


class RefusedNameError(ValueError):
    """A name that AWS would refuse; `excess` is the number of characters above the limit, 0 if its form is wrong."""

    def __init__(self, kind: "Kind", name: str) -> None:
        self.kind, self.name = kind, name
        self.excess = max(0, len(name) - kind.longest)
        rule = f"the {kind.what} name must be at most {kind.longest} characters"
        super().__init__(
            f"{rule}, got {len(name)}: {name!r}." if self.excess else f"{rule}, {kind.allowed}, got {name!r}."
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A kind of AWS resource and the rules for its name.

    `allowed` describes `form` and `reserved`, which matches the prefixes and suffixes that AWS reserves.
    """

    what: str
    longest: int
    form: re.Pattern[str]
    allowed: str
    reserved: re.Pattern[str] | None = None

    def checked(self, name: str) -> str:
        """Return `name` unchanged.

        Raises:
            RefusedNameError: AWS would refuse the name.
        """
        if not self.takes(name):
            raise RefusedNameError(self, name)
        return name

    def takes(self, name: str) -> bool:
        """Return whether AWS accepts `name`."""
        if len(name) > self.longest or self.form.fullmatch(name) is None:
            return False
        return self.reserved is None or self.reserved.search(name) is None


# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
BUCKET: Final = Kind(
    what="bucket",
    longest=63,
    form=re.compile(r"[a-z0-9][a-z0-9-]+[a-z0-9]"),
    reserved=re.compile(r"^(xn--|sthree-|amzn-s3-demo-)|(-s3alias|--ol-s3|--x-s3|--table-s3)$"),
    allowed="lower-case letters, digits and inner hyphens, without a prefix or suffix that S3 reserves, such as xn--",
)
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
ROLE: Final = Kind(
    what="role", longest=64, form=re.compile(r"[A-Za-z0-9_+=,.@-]+"), allowed="letters, digits and _+=,.@-"
)
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html#RDS_Limits.Constraints
DATABASE: Final = Kind(
    what="RDS instance",
    longest=63,
    form=re.compile(r"[a-z](-?[a-z0-9])*"),
    allowed="lower-case letters, digits and single inner hyphens, the first a letter",
)
# https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html
REPOSITORY: Final = Kind(
    what="repository",
    longest=256,
    form=re.compile(r"(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*"),
    allowed="in words of lower-case letters and digits with single '.', '_', '-' or '/' between them",
)
# https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateAlias.html
ALIAS: Final = Kind(
    what="KMS alias",
    longest=256,
    form=re.compile(r"alias/[A-Za-z0-9/_-]+"),
    reserved=re.compile(r"^alias/aws/"),
    allowed="letters, digits and /_-, not beginning with alias/aws/",
)
