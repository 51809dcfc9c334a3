"""The command that packages a model directory and signs the archive with Vault."""

from collections.abc import Sequence

from contracts import Exit
from workloads import cli
from workloads.signing import console, packing, transit
from workloads.signing.source import source_of

_EPILOG = f"""\
Vault is asked before the packaging starts, and nothing is written unless everything could be signed. Refused, with
nothing changed: an archive that another process is writing, a cosign-vN.pub of another key in the folder, and an
OUT.sig that is not the archive's own.

written beside OUT.tar.gz:
  OUT.tar.gz.sig                base64 signature, for cosign verify-blob --signature and openssl dgst -verify
  OUT.tar.gz.sigstore.json      Sigstore bundle, for cosign verify-blob --bundle
  OUT.tar.gz.manifest.json      digests, run, git commit and key; with a signature of its own, ....json.sig
  OUT.sig                       OpenSSF signature of the directory, for model_signing verify key
  cosign-vN.pub                 the public key of each version N that Vault accepts

environment:
{console.VAULT_ENVIRONMENT}

verified anywhere, and without a network:
  python -m workloads.signing.verify OUT.tar.gz --key cosign-v1.pub
  cosign trusted-root create --out none.json   # for cosign before 3.0.4
  cosign verify-blob --key cosign-v1.pub --bundle OUT.tar.gz.sigstore.json --insecure-ignore-tlog=true \\
    --trusted-root none.json OUT.tar.gz
  base64 -d OUT.tar.gz.sig > sig.der && openssl dgst -sha256 -verify cosign-v1.pub -signature sig.der OUT.tar.gz
  model_signing verify key MODEL_DIR --public_key cosign-v1.pub --signature OUT.sig

example:
  python -m workloads.signing.package_and_sign ./model /tmp/model.tar.gz
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Package a model directory and sign the archive."""
    parser = cli.parser(
        "workloads.signing.package_and_sign", "Package a model directory and sign it with Vault's transit key.", _EPILOG
    )
    console.add_model_arguments(parser)
    console.add_key_options(parser)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    args = parser.parse_args(argv)
    source = source_of(args.model_dir, args.run)
    signer = transit.from_environment(args.key_name, args.mount)
    with console.bar("Packaging") as progress:
        manifest = packing.package_and_sign(args.model_dir, args.out, source, signer, progress)
    console.report(args.out, manifest, as_json=args.json)
    return Exit.OK


if __name__ == "__main__":
    cli.run(main)
