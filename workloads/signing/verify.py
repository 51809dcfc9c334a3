"""The command that verifies a signed archive, offline, and extracts it on request."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contracts import Exit
from workloads import cli
from workloads.signing import console, keys
from workloads.signing.errors import NotVerifiedError
from workloads.signing.verification import Verified, verify

_EPILOG = """\
The archive, its manifest, its bundle and its OpenSSF signature must all be what one of the given keys signed.
No server is asked. Exits with 4 and the reason when they are not, and then nothing is extracted.

examples:
  python -m workloads.signing.verify model.tar.gz --key cosign-v1.pub
  python -m workloads.signing.verify model.tar.gz --key cosign-v1.pub --key cosign-v2.pub --extract ./model --json
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Verify an archive."""
    parser = cli.parser("workloads.signing.verify", "Verify a signed model archive with public keys.", _EPILOG)
    parser.add_argument("archive", metavar="OUT.tar.gz", type=Path, help="the archive; its signatures lie beside it")
    parser.add_argument(
        "--key", metavar="PEM", type=Path, action="append", required=True, help="a trusted public key; may be repeated"
    )
    parser.add_argument("--extract", metavar="DIR", type=Path, help="new directory for the verified files")
    parser.add_argument("--json", action="store_true", help="print the result as JSON, also when it is not verified")
    args = parser.parse_args(argv)
    trusted = [keys.load(path) for path in args.key]
    try:
        with console.bar("Verifying") as progress:
            verified = verify(args.archive, trusted, args.extract, progress)
    except NotVerifiedError as reason:
        if args.json:
            print(json.dumps({"verified": False, "archive": str(args.archive), "reason": str(reason)}))
        raise NotVerifiedError(f"{args.archive} is NOT verified: {reason}") from reason
    print(json.dumps(_result(verified)) if args.json else _line(verified))
    return Exit.OK


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
