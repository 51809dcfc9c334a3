"""Times a preview of the stack `prod` beside what of it isn't this project's: the engine's own time, and its plugins'.

The promise that this checks: `pulumi preview --stack prod` takes at most 1.5 times as long as an empty program on the
same engine and the start of the stack's plugins together.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import contracts
from benchmarks.measure import Measured, measure
from benchmarks.plugin_start import Plugin, start
from benchmarks.preview_world import STACK, World, settings, world
from local import cli

MOST_RATIO = 1.5
EMPTY = "empty program"
# The official plugin asks whose credentials it has as it is configured, the embedded one when it first calls AWS.
_WHO_AM_I = "aws:index/getCallerIdentity:getCallerIdentity"
_CREATED = re.compile(r"^ +\+ (\d+) to create$", re.MULTILINE)
_EPILOG = f"""\
Brings an emulated AWS and an API server without nodes up on loopback, and takes them down again. Exits with 1 if the
ratio is above {MOST_RATIO}. Times of a busy machine mean little; ratios of one run can be compared.

example:
  python -m benchmarks.bench_preview --rounds 5 --teams 1,20 --json
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contender:
    """A preview with the name under which it is shown."""

    name: str
    folder: Path
    stack: str


@dataclass(kw_only=True, slots=True)
class Results:
    """The rounds of each preview, how many resources each has, and the rounds of each plugin's start in seconds."""

    previews: dict[str, list[Measured]]
    resources: dict[str, int]
    plugins: dict[str, list[float]]

    def seconds(self, name: str) -> float:
        """Return the median of a preview's rounds."""
        return statistics.median(each.wall for each in self.previews[name])

    def cpu(self, name: str) -> float:
        """Return the median of what a preview's processes computed."""
        return statistics.median(each.cpu for each in self.previews[name])

    def plugin(self, name: str) -> float:
        """Return the median of a plugin's starts."""
        return statistics.median(self.plugins[name])

    @property
    def all_plugins(self) -> float:
        """The start of all of the stack's plugins, one after another."""
        return sum(self.plugin(name) for name in self.plugins)

    @property
    def ratio(self) -> float:
        """What the preview takes of the engine's and the plugins' own time."""
        return self.seconds(STACK) / (self.seconds(EMPTY) + self.all_plugins)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the contenders and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.bench_preview",
        description=f"Time a preview of the stack {STACK} beside an empty program and the start of the plugins.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=_count, default=3, help="runs of each contender (default: %(default)s)")
    parser.add_argument(
        "--teams", type=_counts, default="1,5,10,20", help="numbers of teams to preview with (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="bench-preview-") as temporary:
        _say("starting the emulated AWS and the API server")
        with world(Path(temporary)) as servers:
            contenders = _contenders(servers, args.teams)
            results = _run(servers, contenders, rounds=args.rounds)
    return _report(results, args.teams, as_json=args.json)


def _contenders(servers: World, teams: Sequence[int]) -> list[Contender]:
    empty = servers.project.with_name("empty")
    empty.mkdir()
    (empty / "Pulumi.yaml").write_text("name: empty\nruntime: python\n")
    (empty / "__main__.py").write_text("import pulumi\n")
    servers.add_stack(STACK)
    contenders = [
        Contender(name=STACK, folder=servers.project, stack=STACK),
        Contender(name=EMPTY, folder=empty, stack=STACK),
    ]
    like = settings()["aegis:teams"][0]
    for count in teams:
        stack = _of_teams(count)
        servers.add_stack(stack, teams=[like | {"name": f"team-{number}"} for number in range(count)])
        contenders.append(Contender(name=stack, folder=servers.project, stack=stack))
    for each in contenders:
        argv = servers.argv("stack", "init", each.stack)
        subprocess.run(argv, cwd=each.folder, env=servers.environment, check=True, capture_output=True)
    return contenders


def _run(servers: World, contenders: Sequence[Contender], *, rounds: int) -> Results:
    plugins = _plugins(servers)
    results = Results(
        previews={each.name: [] for each in contenders},
        resources={},
        plugins={name: [] for name in plugins},
    )
    # The first round compiles the Python, and isn't counted.
    for number in range(rounds + 1):
        for name, plugin in plugins.items():
            seconds = start(plugin, servers.environment)
            results.plugins[name] += [seconds] if number else []
        for each in contenders if number else contenders[:2]:
            argv = servers.argv("preview", "--stack", each.stack, "--suppress-progress")
            measured = measure(argv, cwd=each.folder, env=servers.environment)
            created = _CREATED.search((each.folder / "command.log").read_text())
            results.resources[each.name] = int(created[1]) if created else 0
            results.previews[each.name] += [measured] if number else []
            _say(f"{'round ' + str(number) if number else 'warming up'}: {each.name}: {measured.wall:.2f} s")
    return results


def _plugins(servers: World) -> dict[str, Plugin]:
    """Return what the engine starts a process for: each provider of the stack, by its name there."""
    variables = servers.environment
    aws = {
        "region": variables["AWS_REGION"],
        "endpoints": json.dumps([dict.fromkeys(("sts",), variables[contracts.AWS_ENDPOINT_ENV])]),
    }
    return {
        "aws": Plugin(name="aws", config=aws, function=_WHO_AM_I),
        # A preview of something new calls nothing in the second region.
        "aws-replica": Plugin(name="aws", config=aws),
        "kubernetes": Plugin(name="kubernetes", config={"kubeconfig": variables["KUBECONFIG"]}),
        "random": Plugin(name="random"),
        "vault": Plugin(name="vault", config={"address": "https://vault.example.com:8200", "token": "none"}),
    }


def _report(results: Results, teams: Sequence[int], *, as_json: bool) -> int:
    kept = results.ratio <= MOST_RATIO
    growth = _growth(results, teams)
    if as_json:
        rows = [
            {"name": name, "wall": results.seconds(name), "cpu": results.cpu(name), "resources": count}
            for name, count in results.resources.items()
        ]
        starts = {name: results.plugin(name) for name in results.plugins}
        summary = {"ratio": results.ratio, "most": MOST_RATIO, "kept": kept}
        print(json.dumps(summary | {"previews": rows, "plugins": starts, "per_team": growth}))
        return 0 if kept else 1
    print(f"{'preview':16} {'resources':>10} {'wall s':>8} {'CPU s':>8} {'x base':>8}")
    base = results.seconds(EMPTY) + results.all_plugins
    for name, count in results.resources.items():
        seconds = results.seconds(name)
        print(f"{name:16} {count:10} {seconds:8.2f} {results.cpu(name):8.2f} {seconds / base:8.2f}")
    starts = ", ".join(f"{name} {results.plugin(name):.2f}" for name in results.plugins)
    print(f"start of the plugins: {starts}; {results.all_plugins:.2f} s in all")
    if growth:
        print(f"each team more: {growth['seconds']:.2f} s, {growth['resources']:.1f} resources")
    verdict = "kept" if kept else "BROKEN"
    print(f"{STACK} / ({EMPTY} + plugins): ratio {results.ratio:.2f} (at most {MOST_RATIO}): {verdict}")
    return 0 if kept else 1


def _growth(results: Results, teams: Sequence[int]) -> dict[str, Any]:
    """Return what a team more costs, between the fewest teams and the most."""
    fewest, most = min(teams), max(teams)
    if fewest == most:
        return {}
    small, large = _of_teams(fewest), _of_teams(most)
    more = most - fewest
    return {
        "seconds": (results.seconds(large) - results.seconds(small)) / more,
        "resources": (results.resources[large] - results.resources[small]) / more,
    }


def _of_teams(count: int) -> str:
    return f"teams-{count}"


def _count(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number: give one from 1 on")
    return int(text)


def _counts(text: str) -> list[int]:
    return sorted({_count(part) for part in text.split(",")})


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    cli.run(main)
