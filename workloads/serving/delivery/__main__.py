"""`python -m workloads.serving.delivery`: bring a verified model version to a folder."""

import json
from collections.abc import Sequence
from typing import Final

from contracts import Env, Exit
from workloads import cli
from workloads.serving.server import requirements

_EPILOG: Final = f"""\
Downloads the version from MLflow at {Env.TRACKING_URI}, and waits some two minutes if MLflow isn't there yet. It must
be signed by a key of {Env.TRUSTED_KEYS}, and have exactly the signed files; otherwise nothing appears in
FOLDER, and the command exits with {int(Exit.NOT_VERIFIED)}. It also stops if a package that the model requires isn't
installed, or has another major version.

written to FOLDER:
  model                  the files of the model
  evidence/version.json  the signed manifest, for `python -m workloads.serving.server.check FOLDER/model`

A second run checks what is there. A run that was killed leaves nothing that a check accepts, and can be repeated.

exit codes: {int(Exit.NOT_VERIFIED)} not verified, {int(Exit.MLFLOW)} MLflow, {int(Exit.OBJECT_STORE)} artifact store,
{int(Exit.CONFLICT)} another delivery to FOLDER is running

example:
  python -m workloads.serving.delivery digits 3 --to ./served
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Deliver, and print what was delivered."""
    parser = cli.parser("workloads.serving.delivery", "Bring a verified model version to a folder.", _EPILOG)
    parser.add_argument("name", metavar="NAME", help="the registered model")
    parser.add_argument("version", metavar="VERSION", help="the number of its version")
    parser.add_argument("--to", metavar="FOLDER", type=cli.file_path, required=True, help="the folder, new or existing")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    requirements.add_option(parser)
    args = parser.parse_args(argv)
    # MLflow takes seconds to import, and a mistake in the arguments should be told at once.
    from aegis.registry import Reference  # noqa: PLC0415
    from workloads.backup.interruption import clean_up_when_told_to_stop  # noqa: PLC0415
    from workloads.mlflow_client import Tracking  # noqa: PLC0415
    from workloads.serving.delivery.delivery import deliver  # noqa: PLC0415
    from workloads.signing import keys  # noqa: PLC0415

    clean_up_when_told_to_stop()
    trusted = keys.trusted([])
    tracking = Tracking(cli.require_env(Env.TRACKING_URI, "the address of MLflow, such as http://127.0.0.1:5000"))
    reference = Reference(name=args.name, version=args.version)
    done = deliver(reference, args.to, tracking, trusted, ignore_requirements=args.ignore_requirements)
    manifest = done.signed.signed.manifest
    result = {
        "model": args.name,
        "version": str(done.signed.registered.version),
        "folder": str(done.model),
        "files": len(manifest.files),
        "size": sum(file.size for file in manifest.files),
        "content_sha256": manifest.content_sha256,
        "key": done.signed.signed.key.name,
        "downloaded": done.downloaded,
    }
    verb = "is delivered to" if done.downloaded else "was delivered, and is checked again, in"
    print(json.dumps(result) if args.json else f"{args.name} version {args.version} {verb} {done.model}")
    return Exit.OK


if __name__ == "__main__":
    cli.run(main)
