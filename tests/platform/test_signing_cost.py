"""The time and memory of packaging and signing, by the benchmark with fewer weights, so that it takes seconds."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# The promise is 1.5 for 4 GiB on an idle machine. With less data, the start of Python weighs more, and other tests may
# run at the same time.
MOST_RATIO = 3
MOST_RSS = 200_000_000


def test_packaging_and_signing_takes_little_time_and_memory(tmp_path: Path) -> None:
    argv = ["--size", "1GiB", "--rounds", "1", "--only-fast", "--json", "--dir", str(tmp_path)]
    result = subprocess.run(
        [sys.executable, "-m", "benchmarks.bench_signing", *argv],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout, result.stderr
    measured = json.loads(result.stdout)
    assert measured["ratio"] < MOST_RATIO
    rows = {row["name"]: row for row in measured["results"]}
    assert rows["package_and_sign"]["rss"] < MOST_RSS
    assert rows["verify"]["rss"] < MOST_RSS
    assert list(tmp_path.iterdir()) == []
