"""The commands of the README and the guides: each is claimed, and each of our own takes what it is given there.

Most are then run as they are written, by tests/platform/test_documented_commands.py.
"""

import argparse
import contextlib
import importlib
import importlib.util
import io
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support import documents
from tests.support.document_claims import Elsewhere, claims_on
from tests.support.documents import ROOT, Command

COMMANDS = [command for document in documents.documents() for command in documents.commands(document)]
_FOLDERS = "workloads|laptop|local|infra|review|benchmarks"
OWN = re.compile(
    rf"(?:[A-Z_]+=\S+ +)*(?:python|torchrun [^|;&]*?) -m (?P<module>(?:{_FOLDERS})[\w.]*)(?P<rest>[^|;&>]*)"
)
# Each module with a command line of its own that a user types.
PROGRAMS = sorted(
    ".".join(file.relative_to(ROOT).with_suffix("").parts)
    for folder in ("workloads", "laptop", "local", "review")
    for file in (ROOT / folder).rglob("*.py")
    if "cli.run(main)" in file.read_text() or file.match("review/__main__.py")
)


class _ParsedError(Exception):
    """The arguments were taken; nothing is to be done with them."""


@pytest.fixture
def only_parsing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each command stop when it has taken its arguments."""
    depth = 0

    def outermost(parse: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: argparse.ArgumentParser, *arguments: Any) -> Any:
            nonlocal depth
            depth += 1
            try:
                taken = parse(self, *arguments)
            finally:
                depth -= 1
            if depth == 0:
                raise _ParsedError
            return taken

        return call

    for method in ("parse_args", "parse_known_args"):
        monkeypatch.setattr(argparse.ArgumentParser, method, outermost(getattr(argparse.ArgumentParser, method)))


def main_of(module: str) -> Callable[[list[str]], int]:
    spec = importlib.util.find_spec(module)
    assert spec is not None, f"there is no {module}"
    package = spec.submodule_search_locations is not None
    return importlib.import_module(f"{module}.__main__" if package else module).main


def refusal(text: str) -> str:
    """Return what one of our commands says against the arguments that it is given; nothing if it takes them."""
    own = OWN.match(text)
    if own is None or not own["rest"].strip():
        return ""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            main_of(own["module"])(shlex.split(own["rest"], comments=True))
    except _ParsedError:
        return ""
    except SystemExit as exit_:
        return said.getvalue() if exit_.code else ""
    return "took no arguments"


def test_each_command_in_the_documents_is_run_or_says_why_not_in_one_place_only() -> None:
    wrong = {command.place: claims for command in COMMANDS if len(claims := claims_on(command)) != 1}
    assert not wrong, "claim them in tests/support/document_claims.py"


def test_bash_understands_each_command_in_the_documents() -> None:
    assert [command.place for command in COMMANDS if not documents.complete(command.text)] == []


@pytest.mark.usefixtures("only_parsing")
def test_our_own_commands_take_the_arguments_that_the_documents_give_them() -> None:
    assert {command.place: said for command in COMMANDS if (said := refusal(command.key))} == {}


@pytest.mark.usefixtures("only_parsing")
@pytest.mark.parametrize("program", PROGRAMS)
def test_our_own_commands_take_the_arguments_that_their_help_gives_them(
    program: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        importlib.import_module(program).main(["--help"])
    shown = re.sub(r" \\\n\s*", " ", capsys.readouterr().out)
    # What an example does is told beside it, in a column of its own.
    lines = [re.split(r"\s{2,}", line.strip())[0] for line in shown.splitlines()]
    assert {line: said for line in lines if (said := refusal(line))} == {}


def targets() -> Iterator[tuple[Command, list[str]]]:
    """Yield each call of make with the arguments that its target gives to Python."""
    for command in COMMANDS:
        words = shlex.split(command.key, comments=True)
        if words[0] == "make" and all(re.fullmatch(r"[a-z-]+|(STACK|ENV)=\w+", word) for word in words[1:]):
            shown = subprocess.run(
                ["make", "--dry-run", "--no-print-directory", "--old-file=.venv/.ready", *words[1:]],
                cwd=ROOT,
                # The tests may be run by make, which tells those that it starts so.
                env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
                capture_output=True,
                text=True,
                check=False,
            )
            assert shown.returncode == 0, f"{command.place}: {shown.stderr}"
            yield command, shlex.split(shown.stdout.splitlines()[-1])[1:]


def test_what_the_documents_say_to_make_is_a_target_of_the_makefile_with_arguments_that_its_command_takes(
    only_parsing: None,
) -> None:
    assert {
        command.place: said for command, argv in targets() if (said := refusal(shlex.join(["python", *argv])))
    } == {}


def test_a_command_that_is_said_to_run_in_another_test_runs_there() -> None:
    ran_by_make = {command.key: argv for command, argv in targets()}
    for command in COMMANDS:
        for claim in claims_on(command):
            if isinstance(claim, Elsewhere):
                argv = ran_by_make.get(command.key, [])
                default = argv[:-2] if argv[-2:] == ["--stack", "local"] else argv
                listed = ", ".join(f'"{word}"' for word in default)
                text = (ROOT / claim.file).read_text()
                assert command.key in text or (listed and listed in text), f"{command.place}: not in {claim.file}"


@pytest.mark.parametrize(
    "text",
    ["```sh\nmake coffee\n```", "```\npython -m workloads.serving.run\n```", "Then `kubectl delete namespace mlflow`."],
)
def test_a_new_kind_of_command_is_claimed_by_nobody(text: str) -> None:
    (command,) = documents.commands_of(text, "new.md")
    assert claims_on(command) == []


def test_statements_are_found_with_their_lines_and_without_what_is_no_command() -> None:
    text = """# Title

```sh
make up   # everything

kubectl get pods |
  head -1
echo 'two
lines' \\
  and more
```

```
Aegis is up
  MLflow  http://localhost:5000
```

```console
$ make status
etcd running
```

Type `make down`, not `down`; `pulumi preview
--json` and `vault.address` are words.

```yaml
make: up
```
"""
    found = [(command.line, command.key, command.in_text) for command in documents.commands_of(text, "new.md")]
    assert found == [
        (4, "make up", False),
        (6, "kubectl get pods | head -1", False),
        (8, "echo 'two lines' and more", False),
        (19, "make status", False),
        (23, "make down", True),
        (23, "pulumi preview --json", True),
    ]


@pytest.mark.parametrize(("words", "name"), [((), "dev"), (("ENV=prod",), "prod")])
def test_make_takes_the_environment_from_its_arguments_only(words: tuple[str, ...], name: str) -> None:
    shown = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", "--old-file=.venv/.ready", "train-model", *words],
        cwd=ROOT,
        # A POSIX shell's own variable of this name is the file that it reads first.
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")} | {"ENV": "/etc/shrc"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shlex.split(shown.stdout.splitlines()[-1])[1:] == ["-m", "laptop.train", "--env", name]
