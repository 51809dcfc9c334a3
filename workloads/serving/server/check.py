"""`python -m workloads.serving.server.check`: check a delivered model offline, before its server starts."""

from collections.abc import Sequence
from typing import Final

from aegis.errors import NotVerifiedError
from contracts import Env, Exit
from workloads import cli
from workloads.serving.delivery import delivered
from workloads.signing import keys

_EPILOG: Final = f"""\
FOLDER is the folder `model` of a delivery; the evidence is beside it. A key of {Env.TRUSTED_KEYS} must have signed the
evidence, and FOLDER must have exactly the signed files, byte for byte, without links or special files. Nothing is
asked over a network, and no code of the model runs. Otherwise the command exits with {int(Exit.NOT_VERIFIED)} and the
reason.

Names prove nothing: --name and --content demand that the files were signed as that model, and are those files.

example:
  python -m workloads.serving.server.check /models/model --name digits
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Check, and print what was found."""
    parser = cli.parser("workloads.serving.server.check", "Check a delivered model offline.", _EPILOG)
    parser.add_argument("folder", metavar="FOLDER", type=cli.file_path, help="folder of the model's files")
    parser.add_argument("--name", help="the model that must have been signed (default: any)")
    parser.add_argument("--content", metavar="SHA256", help="the digest of all files that must have been signed")
    args = parser.parse_args(argv)
    trusted = keys.trusted([])
    try:
        signed = delivered.check(args.folder, trusted)
        for what, demanded, found in (
            ("model", args.name, signed.manifest.model),
            ("content", args.content, signed.manifest.content_sha256),
        ):
            if demanded is not None and demanded != found:
                raise NotVerifiedError(f"it was signed as {what} {found!r}, not {demanded!r}")
    except NotVerifiedError as reason:
        raise NotVerifiedError(f"{args.folder} is NOT verified: {reason}") from reason
    count, model = len(signed.manifest.files), signed.manifest.model
    print(f"{args.folder} is verified: {count} files of {model}, signed with {signed.key.name}")
    return Exit.OK


if __name__ == "__main__":
    cli.run(main)
