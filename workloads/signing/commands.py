"""The signing commands: their options, their help and what they print."""

import argparse
import contextlib
import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from aegis.errors import NotVerifiedError
from aegis.manifest import Manifest
from contracts import KUBERNETES_AUTH_MOUNT, TRANSIT_KEY, TRANSIT_MOUNT, Env, Exit
from workloads import cli, progress
from workloads.commands import Command
from workloads.signing import keys, packing, signer
from workloads.signing.archive import Progress
from workloads.signing.source import source_of
from workloads.signing.verification import Demand, Verified, verify

_VAULT_ENVIRONMENT: Final = f"""\
environment:
  {Env.VAULT_ADDR}, and {Env.VAULT_TOKEN} or {Env.VAULT_ROLE} (the role that the pod's token logs in to)
  {Env.VAULT_AUTH_MOUNT}     where that role is, if not at {KUBERNETES_AUTH_MOUNT}
  {Env.VAULT_TRANSIT_MOUNT}  the transit engine, if not {TRANSIT_MOUNT}
  {Env.VAULT_TRANSIT_KEY}    its key, if not {TRANSIT_KEY}
  {Env.VAULT_CACERT}, {Env.VAULT_NAMESPACE}  Vault's CA certificate, and the namespace of Vault Enterprise
  {Env.SIGNING_KEY_FILE}  instead of Vault: a PEM file with a P-256 private key, of mode 0600"""


def _add_package_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model_dir", metavar="MODEL_DIR", type=cli.file_path, help="directory of the model")
    _add_archive(parser, "archive to write; the other files go beside it")
    parser.add_argument(
        "--run",
        metavar="FILE",
        type=cli.file_path,
        help="JSON of the MLflow run, as `select_best_run --json` prints it, for the manifest "
        "(default: the run that the model's MLmodel file names)",
    )
    _add_json(parser)


def _package(args: argparse.Namespace) -> int:
    source = source_of(args.model_dir, args.run)
    with _bar("Packaging") as advance:
        manifest = packing.package(args.model_dir, args.out, source, advance)
    return _report(args, manifest)


PACKAGE: Final = Command(
    name="package",
    summary="Package a model directory as a reproducible tar.gz.",
    epilog=f"""\
The same files give the same archive, byte for byte. OUT.tar.gz.manifest.json beside it lists each file's digest, the
run and the git commit ({Env.GIT_COMMIT}). Signatures of an earlier archive are removed. The command changes nothing and
fails if another process is writing the archive, or if OUT.sig doesn't belong to the archive.

example:
  python -m workloads.signing package ./model /tmp/model.tar.gz
""",
    add_arguments=_add_package_arguments,
    run=_package,
)


def _add_sign_arguments(parser: argparse.ArgumentParser) -> None:
    _add_archive(parser, "the archive; the signatures go beside it")
    _add_key(parser)
    _add_json(parser)


def _sign(args: argparse.Namespace) -> int:
    return _report(args, packing.sign(args.out, signer.from_environment(args.key_name, args.mount)))


SIGN: Final = Command(
    name="sign",
    summary="Sign an archive that `package` wrote with Vault.",
    epilog=f"""\
Replaces existing signatures with ones by the newest version of the key, and completes what a killed command left. The
archive must be the one that its manifest describes. The command changes nothing and fails if another process is writing
the archive, if a cosign-vN.pub in the folder is another key, or if OUT.sig doesn't belong to the archive.

{_VAULT_ENVIRONMENT}

example:
  python -m workloads.signing sign /tmp/model.tar.gz
""",
    add_arguments=_add_sign_arguments,
    run=_sign,
)


def _add_package_and_sign_arguments(parser: argparse.ArgumentParser) -> None:
    _add_package_arguments(parser)
    _add_key(parser)


def _package_and_sign(args: argparse.Namespace) -> int:
    source = source_of(args.model_dir, args.run)
    key = signer.from_environment(args.key_name, args.mount)
    with _bar("Packaging") as advance:
        manifest = packing.package_and_sign(args.model_dir, args.out, source, key, advance)
    return _report(args, manifest)


PACKAGE_AND_SIGN: Final = Command(
    name="package-and-sign",
    summary="Package a model directory and sign it with Vault's transit key.",
    epilog=f"""\
Asks Vault before it packages, and writes nothing unless everything could be signed. The command changes nothing and
fails if another process is writing the archive, if a cosign-vN.pub in the folder is another key, or if OUT.sig doesn't
belong to the archive.

written beside OUT.tar.gz:
  OUT.tar.gz.sig                base64 signature, for cosign verify-blob --signature and openssl dgst -verify
  OUT.tar.gz.sigstore.json      Sigstore bundle, for cosign verify-blob --bundle
  OUT.tar.gz.manifest.json      digests, run, git commit and key; its own signature is ....json.sig
  OUT.sig                       OpenSSF signature of the directory, for model_signing verify key
  cosign-vN.pub                 the public key of each version N that Vault accepts

{_VAULT_ENVIRONMENT}

verify anywhere, without a network:
  python -m workloads.signing verify OUT.tar.gz --key cosign-v1.pub
  cosign trusted-root create --out none.json   # for cosign before 3.0.4
  cosign verify-blob --key cosign-v1.pub --bundle OUT.tar.gz.sigstore.json --insecure-ignore-tlog=true \\
    --trusted-root none.json OUT.tar.gz
  base64 -d OUT.tar.gz.sig > sig.der && openssl dgst -sha256 -verify cosign-v1.pub -signature sig.der OUT.tar.gz
  model_signing verify key MODEL_DIR --public_key cosign-v1.pub --signature OUT.sig

example:
  python -m workloads.signing package-and-sign ./model /tmp/model.tar.gz
""",
    add_arguments=_add_package_and_sign_arguments,
    run=_package_and_sign,
)


def _add_verify_arguments(parser: argparse.ArgumentParser) -> None:
    path = cli.file_path
    parser.add_argument(
        "model",
        metavar="MODEL",
        type=lambda text: text if text.startswith("models:") else path(text),
        help="a version in MLflow, such as models:/digits@champion, or an archive with its signatures beside it",
    )
    parser.add_argument(
        "--key",
        metavar="PEM",
        type=path,
        action="append",
        default=[],
        help=f"file with trusted public keys, or a folder of them; may be repeated (default: {Env.TRUSTED_KEYS})",
    )
    parser.add_argument(
        "--deep", action="store_true", help="read all files of a version in MLflow; an archive is always read"
    )
    parser.add_argument(
        "--model", metavar="NAME", dest="signed_as", help="the model that must have been signed (default: any)"
    )
    parser.add_argument("--run", metavar="ID", help="the MLflow run that it must come from (default: any)")
    parser.add_argument("--extract", metavar="DIR", type=path, help="new or empty directory for the verified files")
    parser.add_argument("--json", action="store_true", help="print the result as JSON, even if it is not verified")


def _verify(args: argparse.Namespace) -> int:
    if isinstance(args.model, Path):
        return _verify_archive(args)
    # MLflow takes seconds to import, and archives don't need it.
    return import_module("workloads.signing.registered").run(args)


def _verify_archive(args: argparse.Namespace) -> int:
    trusted = keys.trusted(args.key)
    try:
        with _bar("Verifying") as advance:
            demand = Demand(model=args.signed_as, run=args.run)
            verified = verify(args.model, trusted, args.extract, advance, demand)
    except NotVerifiedError as reason:
        if args.json:
            print(json.dumps({"verified": False, "archive": str(args.model), "reason": str(reason)}))
        raise NotVerifiedError(f"{args.model} is NOT verified: {reason}") from reason
    print(json.dumps(_verified_fields(verified)) if args.json else _verified_line(verified))
    return Exit.OK


VERIFY: Final = Command(
    name="verify",
    summary="Verify a signed model with public keys: a version in MLflow, or an archive.",
    epilog=f"""\
A version's manifest is in its tags. It must be signed by one of the trusted keys, for this model and its run, and the
registry must serve exactly the signed files: by default their names and sizes are compared, with --deep or --extract
all bytes. {Env.TRACKING_URI} is the address of MLflow.

An archive, its manifest, its bundle and its OpenSSF signature must all be signed by one of the trusted keys, byte for
byte in the form in which signing writes them. No server is contacted.

Names prove nothing: with --model and --run, the signed manifest must name that model and that run. If anything differs,
the command extracts nothing and exits with {int(Exit.NOT_VERIFIED)} and the reason.

exit codes: {int(Exit.NOT_VERIFIED)} not verified, {int(Exit.MLFLOW)} MLflow, {int(Exit.OBJECT_STORE)} artifact store

examples:
  python -m workloads.signing verify models:/digits@champion --key signing-keys.pem
  python -m workloads.signing verify models:/digits/3 --deep --json
  python -m workloads.signing verify model.tar.gz --key cosign-v1.pub --model digits --run 0123abcd
  python -m workloads.signing verify model.tar.gz --key cosign-v1.pub --key cosign-v2.pub --extract ./model --json
""",
    add_arguments=_add_verify_arguments,
    run=_verify,
)


@contextlib.contextmanager
def _bar(label: str) -> Iterator[Progress]:
    with progress.bar(label) as shown:

        def advance(done: int, total: int) -> None:
            shown.total = total
            shown.update(done - shown.n)

        yield advance


def _add_archive(parser: argparse.ArgumentParser, description: str) -> None:
    parser.add_argument("out", metavar="OUT.tar.gz", type=cli.file_path, help=description)


def _add_key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--key-name", help=f"name of the transit key (default: {Env.VAULT_TRANSIT_KEY}, else {TRANSIT_KEY})"
    )
    parser.add_argument(
        "--mount", help=f"path of the transit engine (default: {Env.VAULT_TRANSIT_MOUNT}, else {TRANSIT_MOUNT})"
    )


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def _report(args: argparse.Namespace, manifest: Manifest) -> int:
    """Print what was written."""
    result: dict[str, object] = {
        "archive": str(args.out),
        "sha256": manifest.archive_sha256,
        "size": manifest.archive_size,
        "files": len(manifest.files),
        "content_sha256": manifest.content_sha256,
    }
    if manifest.key is not None:
        result |= {"key": manifest.key.name, "key_version": manifest.key.version}
    if args.json:
        print(json.dumps(result))
        return Exit.OK
    signed = f"\nsigned by {manifest.key.name} version {manifest.key.version}" if manifest.key else ""
    print(f"{args.out}: {len(manifest.files)} files, {manifest.archive_size} bytes")
    print(f"sha256 {manifest.archive_sha256}{signed}")
    return Exit.OK


def _verified_fields(verified: Verified) -> dict[str, Any]:
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


def _verified_line(verified: Verified) -> str:
    key = f"{verified.key.name} (version {verified.signed_by.version} of {verified.signed_by.name})"
    return f"{verified.archive} is verified: {len(verified.manifest.files)} files, signed with {key}"
