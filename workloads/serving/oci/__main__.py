"""`python -m workloads.serving.oci`: make the image of a model version."""

import json
from collections.abc import Sequence

from workloads import cli
from workloads.serving.oci import labels
from workloads.serving.oci.append import append
from workloads.serving.oci.image import Platform
from workloads.serving.oci.layer import Layer
from workloads.serving.oci.reference import Reference, Repository

COMMAND = "workloads.serving.oci"

_EPILOG = """\
FOLDER holds what a delivery writes: the model's files in `model`, and in `evidence` what proves them. The image has
them in /models. The same folder, base and labels always give the same digest; an image that is there isn't sent again.

examples:
  python -m workloads.serving.oci models --base registry.example/aegis/serving@sha256:DIGEST \\
    --to registry.example/aegis/models --name churn --version 3

credentials: config.json in the folder DOCKER_CONFIG (default ~/.docker); for Amazon ECR also those of AWS

exit codes: 0 the image is in the repository; 2 bad arguments, folder or base; 4 the registry's answer isn't what its
digest says; 7 the registry refuses or does not answer"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = cli.parser(
        COMMAND,
        "Add a model version as a layer to an image in a registry, and push the result. Needs no builder.",
        _EPILOG,
    )
    parser.add_argument("folder", metavar="FOLDER", type=cli.file_path, help="the folder with `model` and `evidence`")
    parser.add_argument("--base", metavar="IMAGE", required=True, help="the image to add to: REPOSITORY@sha256:DIGEST")
    parser.add_argument("--to", metavar="REPOSITORY", required=True, help="where the image goes: HOST[:PORT]/PATH")
    parser.add_argument("--name", help="the registered model, for the image's labels and its tag")
    parser.add_argument("--version", help="the version of the model, for the labels and the tag")
    parser.add_argument("--run", help="the ID of the run that logged the model, for the labels")
    parser.add_argument("--manifest", metavar="SHA256", help="the SHA-256 of the signed manifest, for the labels")
    parser.add_argument(
        "--platform",
        metavar="OS/ARCHITECTURE",
        help="the platform of the image (default: linux/amd64 if the base has several)",
    )
    parser.add_argument(
        "--plain-http",
        metavar="HOST[:PORT]",
        action="append",
        default=[],
        help="a registry to reach by http, where anybody on the way reads the credentials; repeatable. "
        "A registry on a loopback address always is",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(argv)
    base, repository = Reference.parse(args.base), Repository.parse(args.to)
    platform = Platform.parse(args.platform) if args.platform is not None else None
    annotations = labels.of_version(model=args.name, version=args.version, run=args.run, manifest=args.manifest)
    layer = Layer.of(args.folder)
    image = append(base, layer, repository, annotations, platform=platform, plain_http=args.plain_http)
    if args.json:
        described = {"digest": layer.blob.digest, "diff_id": layer.diff_id, "bytes": layer.blob.size}
        print(json.dumps({"image": str(image), "base": str(base), "layer": described}, indent=2))
    else:
        print(image)
    return 0


if __name__ == "__main__":
    cli.run(main)
