"""Compare making the image of a model version by appending a layer with buildah, in one run against one registry.

The benchmark checks this promise: appending takes at most half the time of buildah, in under 200 MB of memory. Both
start as a Job does, without a local copy of the base image, and end with an image in the registry.
"""

import argparse
import json
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from benchmarks.measure import Measured, Result, measure
from tests.support.image_builder import ImageBuilder
from tests.support.registry_server import registry_server
from workloads import cli

MOST_RATIO: Final = 0.5
MOST_RSS: Final = 200_000_000
_ROOT: Final = Path(__file__).parent.parent
_MIB: Final = 1 << 20
_EPILOG: Final = f"""\
Needs buildah, root, and about ten times the sizes on the disk under the temporary folder, and removes all of it. Exits
with 1 if appending takes more than {MOST_RATIO} times as long as buildah, or more than {MOST_RSS // 10**6} MB.

example:
  python -m benchmarks.bench_model_image --base-mib 500 --model-mib 100 --rounds 1 --json
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the table, and return 1 if appending takes too long or too much memory."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.bench_model_image",
        description="Compare appending a layer with buildah.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--base-mib", type=int, default=1000, help="size of the base image (default: %(default)s)")
    parser.add_argument("--model-mib", type=int, default=200, help="size of the model (default: %(default)s)")
    parser.add_argument(
        "--rounds", type=int, default=3, help="rounds, of which the median counts (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(argv)
    append, buildah = _compare(args.base_mib * _MIB, args.model_mib * _MIB, args.rounds)
    if args.json:
        print(json.dumps([asdict(append), asdict(buildah)]))
    else:
        _print([append, buildah])
    return 1 if append.wall > MOST_RATIO * buildah.wall or append.rss > MOST_RSS else 0


def _compare(base_bytes: int, model_bytes: int, rounds: int) -> tuple[Result, Result]:
    with tempfile.TemporaryDirectory(prefix="bench-model-image-") as temporary, registry_server() as registry:
        folder = Path(temporary)
        target = f"{registry}/aegis/models"
        base = f"{registry}/aegis/serving@{_push_base(folder / 'builder', f'{registry}/aegis/serving', base_bytes)}"
        times: dict[str, list[Measured]] = {"append": [], "buildah": []}
        for round_ in range(rounds):
            # Another model in each round, so that neither way finds its layer in the registry.
            for name, way in (("append", _append), ("buildah", _buildah)):
                model = _model(folder / f"{name}-{round_}", model_bytes)
                times[name].append(way(model, base, target))
                shutil.rmtree(model)
        return Result.of("append", times["append"]), Result.of("buildah", times["buildah"])


def _push_base(folder: Path, target: str, size: int) -> str:
    builder = ImageBuilder(folder=_made(folder))
    try:
        return builder.push_base(target, filler=size)
    finally:
        shutil.rmtree(folder)


def _append(model: Path, base: str, target: str) -> Measured:
    command = [sys.executable, "-m", "workloads.serving.oci", model, "--base", base, "--to", target]
    return measure(command, cwd=model.parent, env={"PYTHONPATH": str(_ROOT)})


def _buildah(model: Path, base: str, target: str) -> Measured:
    storage = _made(model.with_name("storage"))
    buildah = f"buildah --root {storage}/root --runroot {storage}/run --storage-driver vfs"
    script = (
        f"container=$({buildah} from --tls-verify=false docker://{base}) && "
        f'{buildah} copy --chown 10001:10001 "$container" {shlex.quote(str(model))} /models && '
        f'{buildah} commit "$container" localhost/model && '
        f"{buildah} push --tls-verify=false localhost/model docker://{target}:buildah"
    )
    try:
        return measure(["sh", "-c", script], cwd=model.parent)
    finally:
        shutil.rmtree(storage)


def _model(folder: Path, size: int) -> Path:
    for name in ("model", "evidence"):
        _made(folder / name)
    (folder / "evidence" / "manifest.json").write_text("{}")
    (folder / "model" / "config.json").write_text('{"layers": 18}\n' * 10_000)
    with (folder / "model" / "weights.bin").open("wb") as stream:
        for _ in range(size // _MIB):
            stream.write(os.urandom(_MIB))
    return folder


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _print(results: Sequence[Result]) -> None:
    print(f"{'way':10}{'wall':>8}{'cpu':>8}{'memory':>10}  (s, s, MB)")
    for each in results:
        print(f"{each.name:10}{each.wall:8.1f}{each.cpu:8.1f}{each.rss / 10**6:10.0f}")


if __name__ == "__main__":
    cli.run(main)
