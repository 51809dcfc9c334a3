"""Verify a model version straight from MLflow's registry: its evidence, and the files that the registry serves."""

import argparse
import contextlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from aegis import folders, registry, version
from aegis.errors import NotVerifiedError
from aegis.keys import PublicKey
from aegis.registry import Reference
from aegis.version import VerifiedVersion
from contracts import Env, Exit
from workloads import cli
from workloads.cli import WorkloadError, file_error
from workloads.mlflow_client import Tracking
from workloads.signing import keys
from workloads.signing.verification import Demand


def run(args: argparse.Namespace) -> int:
    """Run the command `verify` for the version that `args.model` names, and print the result."""
    reference = parse(args.model)
    trusted = keys.trusted(args.key)
    tracking = Tracking(cli.require_env(Env.TRACKING_URI, "the address of MLflow, such as http://127.0.0.1:5000"))
    demand = Demand(model=args.signed_as, run=args.run)
    try:
        verified = verify(reference, trusted, tracking, demand=demand, deep=args.deep, extract_to=args.extract)
    except NotVerifiedError as reason:
        if args.json:
            print(json.dumps({"verified": False, "uri": args.model, "reason": str(reason)}))
        raise
    print(json.dumps({"verified": True, "uri": args.model} | _fields(verified)) if args.json else _line(verified))
    return Exit.OK


def parse(uri: str) -> Reference:
    """Return the reference of an address such as `models:/digits@champion`.

    Raises:
        WorkloadError: It is not the address of a version; exits with `Exit.USAGE`.
    """
    try:
        return registry.parse(uri)
    except ValueError as error:
        raise WorkloadError(str(error), Exit.USAGE) from error


def verify(
    reference: Reference,
    trusted: Sequence[PublicKey],
    tracking: Tracking,
    *,
    demand: Demand,
    deep: bool = False,
    extract_to: Path | None = None,
) -> VerifiedVersion:
    """Verify a version, and download its files to the new or empty directory `extract_to` if given.

    The names and sizes of its files are compared with the signed ones; with `deep` or `extract_to`, all bytes.

    Raises:
        NotVerifiedError: It isn't signed by one of `trusted`, its files aren't those that were signed, or it is not
            what `demand` requires.
        WorkloadError: MLflow or the artifact store is dead or refuses; `extract_to` is not empty or can't be written.
    """
    with _folder(extract_to, deep=deep) as folder:
        signed = tracking.ask(lambda: version.find(tracking.client, reference, trusted))
        with version.naming(signed.registered):
            demand.check(signed.signed.manifest)
        location = f"models:/{signed.registered.name}/{signed.registered.version}"
        repository = tracking.store(signed.listed, location)
        if folder is not None:
            tracking.store(lambda: signed.fetch(repository, folder), location)
    return signed.verified(deep=folder is not None)


@contextlib.contextmanager
def _folder(extract_to: Path | None, *, deep: bool) -> Iterator[Path | None]:
    """Give a new folder for the files that becomes `extract_to`, else one that is removed, else None."""
    if extract_to is not None:
        try:
            with folders.appearing(extract_to) as folder:
                yield folder
        except FileExistsError as error:
            raise WorkloadError(str(error), Exit.USAGE) from error
        except OSError as error:
            raise file_error(extract_to, "written", error) from error
    elif deep:
        with tempfile.TemporaryDirectory(prefix="aegis-") as scratch:
            yield Path(scratch, "files")
    else:
        yield None


def _fields(verified: VerifiedVersion) -> dict[str, Any]:
    manifest = verified.manifest
    return {
        "model": verified.name,
        "version": verified.version,
        "deep": verified.deep,
        "content_sha256": manifest.content_sha256,
        "files": len(manifest.files),
        "source": dict(manifest.source),
        "key": verified.key.name,
        "key_version": verified.signed_by.version,
    }


def _line(verified: VerifiedVersion) -> str:
    compared = "by their contents" if verified.deep else "by their names and sizes"
    key = f"{verified.key.name} (version {verified.signed_by.version} of {verified.signed_by.name})"
    return (
        f"{verified.name} version {verified.version} is verified: {len(verified.manifest.files)} files, compared "
        f"{compared}, signed with {key}"
    )
