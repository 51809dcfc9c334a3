"""A machine for the toolchain's tests: folders of its own, and a `go` that records its calls and makes executables."""

from dataclasses import dataclass
from pathlib import Path

GO = """#!{python}
import os, pathlib, sys, time
folder = pathlib.Path({folder!r})
with (folder / "calls").open("a") as calls:
    print(*sys.argv[1:], file=calls)
if sys.argv[1:] == ["env", "GOVERSION"]:
    print((folder / "version").read_text())
elif sys.argv[1] == "list" and "-m" in sys.argv:
    print(folder / "sources")
elif sys.argv[1] == "list":
    pathlib.Path(os.environ["GOMODCACHE"], "downloaded").mkdir(parents=True, exist_ok=True)
    if (folder / "offline").exists():
        print((folder / "offline").read_text(), file=sys.stderr)
        sys.exit(1)
elif sys.argv[1] == "build":
    time.sleep(0.2)
    if (folder / "broken").exists():
        print("main.go:3:1: syntax error", file=sys.stderr)
        sys.exit(1)
    target = pathlib.Path(sys.argv[sys.argv.index("-o") + 1])
    for package in sys.argv[sys.argv.index("-o") + 2 :]:
        name = package.removesuffix("/v3").rpartition("/")[2]
        (target / name).write_text("#!/bin/sh\\necho built\\n")
"""


def write_program(file: Path, text: str) -> None:
    """Write an executable."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o755)


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """The folders of a test's machine; `programs` is its PATH."""

    cache: Path
    programs: Path
    go: Path

    def calls(self, verb: str) -> list[str]:
        """Return the calls of `go` with this verb."""
        file = self.go / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        return [line for line in lines if line.startswith(f"{verb} ")]

    def say(self, file: str, text: str = "") -> None:
        """Set one of the stand-in's switches: `version`, `offline`, `broken`."""
        (self.go / file).write_text(text)

    def has(self, name: str, output: str) -> Path:
        """Put a program on PATH that prints `output`."""
        write_program(self.programs / name, f"#!/bin/sh\necho '{output}'\n")
        return self.programs / name
