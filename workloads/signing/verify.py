"""The command that verifies a signed archive, offline, and extracts it on request."""

import argparse
import json
from collections.abc import Sequence
from typing import Any

from contracts import Exit
from workloads import cli
from workloads.signing import console, keys
from workloads.signing.errors import NotVerifiedError
from workloads.signing.source import Demand
from workloads.signing.verification import Verified, verify

_EPILOG = """\
The archive, its manifest, its bundle and its OpenSSF signature must all be what one of the given keys signed, byte by
byte in the form in which signing writes them. The names of the files prove nothing: with --model and --run, the signed
manifest must name that model and that run. No server is asked. Exits with 4 and the reason when anything differs, and
then nothing is extracted.

examples:
  python -m workloads.signing.verify model.tar.gz --key cosign-v1.pub --model digits --run 0123abcd
  python -m workloads.signing.verify model.tar.gz --key cosign-v1.pub --key cosign-v2.pub --extract ./model --json
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Verify an archive."""
    parser = cli.parser("workloads.signing.verify", "Verify a signed model archive with public keys.", _EPILOG)
    _add_arguments(parser)
    args = parser.parse_args(argv)
    demand = Demand(model=args.model, run=args.run)
    trusted = [keys.load(path) for path in args.key]
    try:
        with console.bar("Verifying") as progress:
            verified = verify(args.out, trusted, args.extract, progress, demand)
    except NotVerifiedError as reason:
        if args.json:
            print(json.dumps({"verified": False, "archive": str(args.out), "reason": str(reason)}))
        raise NotVerifiedError(f"{args.out} is NOT verified: {reason}") from reason
    print(json.dumps(_result(verified)) if args.json else _line(verified))
    return Exit.OK


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    console.add_archive_argument(parser, "the archive; its signatures lie beside it")
    path = cli.file_path
    parser.add_argument(
        "--key", metavar="PEM", type=path, action="append", required=True, help="a trusted public key; may be repeated"
    )
    parser.add_argument("--model", metavar="NAME", help="the model that must have been signed (default: any)")
    parser.add_argument("--run", metavar="ID", help="the MLflow run that it must come from (default: any)")
    parser.add_argument("--extract", metavar="DIR", type=path, help="new or empty directory for the verified files")
    parser.add_argument("--json", action="store_true", help="print the result as JSON, also when it is not verified")


def _result(verified: Verified) -> dict[str, Any]:
    manifest = verified.manifest
    return {
        "verified": True,
        "archive": str(verified.archive),
        "sha256": manifest.archive_sha256,
        "content_sha256": manifest.content_sha256,
        "size": manifest.archive_size,
        "files": len(manifest.files),
        "model": manifest.model,
        "source": dict(manifest.source),
        "key": verified.key.name,
        "key_version": verified.signed_by.version,
        "seconds": round(verified.seconds, 3),
    }


def _line(verified: Verified) -> str:
    key = f"{verified.key.name} (version {verified.signed_by.version} of {verified.signed_by.name})"
    return f"{verified.archive} is verified: {len(verified.manifest.files)} files, signed with {key}"


if __name__ == "__main__":
    cli.run(main)
