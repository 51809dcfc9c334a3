"""The commands in the README and the guides: the statements in their code blocks, and the commands in their text.

A block counts as shell code if it is marked so (```sh), or if it is unmarked and one of its lines is a command. In the
text, a command is a code span that starts with one of `PROGRAMS` and has an argument, as in "`make down` stops it".
"""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PROGRAMS = (
    "make|eval|rm|python|torchrun|pulumi|kubectl|vault|mlflow|model_signing|cosign|openssl|base64|buildah|docker|podman|kind|"
    "apt-get|psql|git|curl|helm|aws"
)

_FENCE = re.compile(r"^ *(```+|~~~+) *(?P<language>\w*)")
_SHELLS = ("sh", "bash", "shell", "console")
_PROMPT = re.compile(r"^\$ ?")
_SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_COMMAND = re.compile(rf"(?:[A-Z_]+=\S+ +)*(?:{PROGRAMS}) +\S")
_COMMENT = re.compile(r"(?:^|\s+)#\s.*$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A command: `text` is as written, `key` is the same on one line and without comments."""

    document: str
    line: int
    text: str
    in_text: bool

    @property
    def key(self) -> str:
        """The command without comments, line breaks and repeated spaces."""
        return " ".join(_COMMENT.sub("", self.text).replace("\\\n", " ").split())

    @property
    def place(self) -> str:
        """The location and the command, for messages."""
        return f"{self.document}:{self.line}: {self.key}"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Block:
    line: int
    language: str
    lines: list[str]


def documents() -> list[Path]:
    """Return the documents in reading order: the README, the guides in its order, and the rest."""
    guides = sorted((ROOT / "docs").rglob("*.md"))
    readme = README.read_text()
    guides.sort(key=lambda guide: position if (position := readme.find(guide.name)) >= 0 else len(readme))
    return [README, *guides, *sorted((ROOT / "workloads").rglob("*.md")), *sorted((ROOT / "benchmarks").rglob("*.md"))]


def commands(document: Path) -> list[Command]:
    """Return the commands in a document, in order."""
    return commands_of(document.read_text(), str(document.relative_to(ROOT)))


def commands_of(text: str, document: str) -> list[Command]:
    """Return the commands in a Markdown text, in order."""
    blocks, rest = _parts(text)
    found = [
        Command(document=document, line=line, text=statement, in_text=False)
        for block in blocks
        for line, statement in _statements(block)
    ]
    for match in _SPAN.finditer(rest):
        span = " ".join(match[1].split())
        if _COMMAND.match(span):
            line = rest.count("\n", 0, match.start()) + 1
            found.append(Command(document=document, line=line, text=span, in_text=True))
    return sorted(found, key=lambda command: command.line)


def complete(statement: str) -> bool:
    """Return whether bash accepts the text as complete statements."""
    return subprocess.run(["bash", "-n"], input=statement.encode(), capture_output=True, check=False).returncode == 0


def _parts(text: str) -> tuple[list[_Block], str]:
    """Return the fenced blocks, and the text with blank lines in their place."""
    blocks: list[_Block] = []
    rest: list[str] = []
    fence = ""
    for number, line in enumerate(text.splitlines(), 1):
        match = _FENCE.match(line)
        if match and not fence:
            fence = match[1]
            blocks.append(_Block(line=number, language=match["language"], lines=[]))
        elif match and match[1] == fence and not match["language"]:
            fence = ""
        elif fence:
            blocks[-1].lines.append(line)
        rest.append("" if match or fence else line)
    return blocks, "\n".join(rest)


def _statements(block: _Block) -> Iterator[tuple[int, str]]:
    """Yield the statements in a shell block, each with its line in the document."""
    if block.language not in _SHELLS and (block.language or not any(map(_COMMAND.match, block.lines))):
        return
    prompted = any(map(_PROMPT.match, block.lines))
    pending: list[str] = []
    for number, line in enumerate(block.lines, block.line + 1):
        if prompted and not pending and not _PROMPT.match(line):
            continue
        pending.append(_PROMPT.sub("", line) if prompted else line)
        statement = "\n".join(pending)
        if line.endswith("\\") or not complete(statement):
            continue
        if _COMMENT.sub("", statement).strip():
            yield number - len(pending) + 1, statement
        pending.clear()
    if pending:
        raise ValueError(f"line {block.line}: the block ends in the middle of a statement: {pending}")
