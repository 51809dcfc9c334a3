"""A machine for the toolchain's tests: separate folders, and a `go` that records its calls and creates executables."""

from dataclasses import dataclass
from pathlib import Path

# `go build` writes one executable per package, with the same name as the real one.
GO = """#!/bin/sh
PATH=/usr/bin:/bin
echo "$@" >>{folder}/calls
fail() {{ cat {folder}/$1 >&2; exit 1; }}
case "$1 $2 $3" in
"env GOVERSION "*) cat {folder}/version ;;
"list -mod=readonly -m") echo {folder}/sources ;;
"list "*)
    mkdir -p "$GOMODCACHE/downloaded"
    [ ! -e {folder}/offline ] || fail offline ;;
"build "*)
    [ ! -e {folder}/slow ] || sleep 1
    [ ! -e {folder}/broken ] || fail broken
    while [ "$1" != -o ]; do shift; done
    target=$2
    shift 2
    for package; do
        name=$(basename "${{package%/v3}}")
        printf '#!/bin/sh\\necho built\\n' >"$target$name"
        chmod 755 "$target$name"
    done ;;
esac
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
        """Set one of the stand-in's modes: `version`, `offline`, `broken`, `slow`."""
        (self.go / file).write_text(text)

    def has(self, name: str, output: str) -> Path:
        """Put a program on PATH that prints `output`."""
        write_program(self.programs / name, f"#!/bin/sh\necho '{output}'\n")
        return self.programs / name
