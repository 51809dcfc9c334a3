"""Compare packaging, signing and verifying a model with openssl, tar and cosign, on the same data in one run.

The benchmark checks this promise: packaging and signing weights takes at most 1.5 times as long as `openssl dgst
-sha256` and `tar cf` of the same files together, in under 200 MB of memory.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Measured, Result, measure
from local import toolchain
from local.toolchain.find import locate
from tests.support.dev_vault import dev_vault
from tests.support.fake_vault import TOKEN, fake_vault

MOST_RATIO = 1.5
MOST_RSS = 200_000_000
_UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_WEIGHT_FILES = 4
_BLOCK = 1 << 22
_ROOT = Path(__file__).parent.parent
_EPILOG = f"""\
Needs about three times the size on the disk under DIR, and removes all of it. Uses Vault and cosign if they are built
or installed; without Vault, a small server with a P-256 key takes its place. Exits with 1 if the ratio is above
{MOST_RATIO} or the memory above {MOST_RSS // 10**6} MB.

example:
  python -m benchmarks.bench_signing --size 1GiB --rounds 1 --json
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contender:
    """A command and its name in the report; slow commands run once."""

    name: str
    argv: Sequence[str | Path]
    slow: bool = False


def main(argv: Sequence[str] | None = None) -> int:
    """Run the contenders and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.bench_signing",
        description="Compare packaging, signing and verifying with openssl, tar and cosign.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--size", type=_bytes, default="4GiB", help="bytes of weights (default: %(default)s)")
    parser.add_argument(
        "--dir", type=Path, default=None, help="working folder (default: the folder for temporary files)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="runs of each fast command (default: %(default)s)")
    parser.add_argument("--only-fast", action="store_true", help="leave out tar czf and cosign")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="bench-signing-", dir=args.dir) as temporary:
        work = Path(temporary)
        free = shutil.disk_usage(work).free
        if free < 3 * args.size:
            parser.error(f"--dir needs {3 * args.size >> 20} MiB of free space, {work.parent} has {free >> 20} MiB")
        _say(f"creating {args.size >> 20} MiB of random weights in {work}")
        files = _make_model(work / "model", args.size)
        with _signer(work) as (signer, environment):
            _say(f"signing with {signer}")
            results = _run(work, files, environment, rounds=args.rounds, only_fast=args.only_fast)
    return _report(results, signer, args.size, as_json=args.json)


def _run(
    work: Path, files: Sequence[Path], environment: dict[str, str], *, rounds: int, only_fast: bool
) -> dict[str, Result]:
    contenders = [contender for contender in _contenders(work, files) if not (only_fast and contender.slow)]
    runs: dict[str, list[Measured]] = {contender.name: [] for contender in contenders}
    for number in range(rounds):
        for contender in contenders:
            if number == 0 or not contender.slow:
                for output in (*work.glob("*.tar"), *work.glob("tar.tar.gz")):
                    output.unlink()
                runs[contender.name].append(measure(contender.argv, cwd=work, env=environment))
                _say(f"{contender.name}: {runs[contender.name][-1].wall:.2f} s")
    return {name: Result.of(name, measured) for name, measured in runs.items()}


def _contenders(work: Path, files: Sequence[Path]) -> Iterator[Contender]:
    archive = work / "ours" / "model.tar.gz"
    archive.parent.mkdir(exist_ok=True)
    ours = [sys.executable, "-m"]
    yield Contender(name="openssl dgst -sha256", argv=["openssl", "dgst", "-sha256", *files])
    yield Contender(name="tar cf", argv=["tar", "cf", "tar.tar", "model"])
    yield Contender(
        name="package_and_sign", argv=[*ours, "workloads.signing.package_and_sign", work / "model", archive]
    )
    key = archive.with_name("cosign-v1.pub")
    yield Contender(name="verify", argv=[*ours, "workloads.signing.verify", archive, "--key", key])
    yield Contender(name="tar czf", argv=["tar", "czf", "tar.tar.gz", "model"], slow=True)
    cosign = locate(toolchain.TOOLS["cosign"])
    if cosign and not _fits_memory(files):
        _say("leaving out cosign: its verification reads the whole archive into memory, and there is too little")
    elif cosign:
        generate = [cosign, "generate-key-pair", "--output-key-prefix", "bench"]
        subprocess.run(generate, cwd=work, env=os.environ | {"COSIGN_PASSWORD": ""}, check=True, capture_output=True)
        options = ["--yes", "--key", "bench.key", "--tlog-upload=false", "--bundle", "cosign.json"]
        yield Contender(name="cosign sign-blob", argv=[cosign, "sign-blob", *options, archive], slow=True)
        options = ["--key", key, "--signature", f"{archive}.sig", "--insecure-ignore-tlog=true"]
        yield Contender(name="cosign verify-blob", argv=[cosign, "verify-blob", *options, archive], slow=True)


def _fits_memory(files: Sequence[Path]) -> bool:
    """Tell whether cosign can read the archive: it copies its buffer to a larger one as it grows."""
    available = re.search(r"MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text())
    return available is not None and int(available[1]) << 10 > 3 * sum(file.stat().st_size for file in files)


@contextlib.contextmanager
def _signer(work: Path) -> Iterator[tuple[str, dict[str, str]]]:
    common = {"PYTHONPATH": str(_ROOT), "COSIGN_PASSWORD": "", "TUF_MIRROR": "http://127.0.0.1:1"}
    if binary := locate(toolchain.TOOLS["vault"]):
        with dev_vault(binary, work / "vault.log") as vault:
            yield "Vault", vault.environment() | common
    else:
        with fake_vault() as fake:
            yield "a local P-256 key in place of Vault", {"VAULT_ADDR": fake.address, "VAULT_TOKEN": TOKEN} | common


def _make_model(directory: Path, size: int) -> list[Path]:
    directory.mkdir()
    (directory / "MLmodel").write_text("run_id: benchmark\n")
    (directory / "config.json").write_text(json.dumps({"layers": list(range(1000))}))
    for number in range(_WEIGHT_FILES):
        left = size // _WEIGHT_FILES
        with (directory / f"weights-{number}.bin").open("wb") as stream:
            while left:
                left -= stream.write(os.urandom(min(left, _BLOCK)))
    return sorted(directory.iterdir())


def _report(results: dict[str, Result], signer: str, size: int, *, as_json: bool) -> int:
    baseline = results["openssl dgst -sha256"].wall + results["tar cf"].wall
    ours = results["package_and_sign"]
    ratio = ours.wall / baseline
    passed = ratio <= MOST_RATIO and ours.rss <= MOST_RSS
    if as_json:
        rows = [dataclasses.asdict(result) for result in results.values()]
        print(json.dumps({"size": size, "signer": signer, "ratio": ratio, "kept": passed, "results": rows}))
        return 0 if passed else 1
    print(f"{'command':24} {'wall s':>8} {'CPU s':>8} {'MiB/s':>8} {'RSS MB':>8} {'x openssl + tar':>16}")
    for result in results.values():
        speed, memory = (size >> 20) / result.wall, result.rss / 1e6
        share = result.wall / baseline
        print(f"{result.name:24} {result.wall:8.2f} {result.cpu:8.2f} {speed:8.0f} {memory:8.0f} {share:16.2f}")
    verdict = "kept" if passed else "BROKEN"
    print(
        f"package_and_sign with {signer}: ratio {ratio:.2f} (at most {MOST_RATIO}), {ours.rss / 1e6:.0f} MB: {verdict}"
    )
    return 0 if passed else 1


def _bytes(text: str) -> int:
    match = re.fullmatch(r"(\d+)(|KiB|MiB|GiB)", text)
    if not match or not int(match[1]):
        raise argparse.ArgumentTypeError(f"must be a number of bytes, or a number with KiB, MiB or GiB, got {text!r}")
    return int(match[1]) * _UNITS[match[2]]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
