"""The command line of the review: `python -m review COMMAND`, or a recorded preview alone for its comment."""

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from review import commands
from review.exits import Exit, ReviewError
from review.verdict import LABEL

EXITS = f"""exit codes:
  {Exit.OK:d}  nothing stands against the change
  {Exit.USAGE:d}  bad usage or input
  {Exit.FAILED:d}  the preview or the update failed, or violates a mandatory policy
  {Exit.DATA_LOSS:d}  data would be replaced or deleted, and no label {LABEL} allows it
  {Exit.DRIFT:d}  the environment has drifted
  {Exit.GITHUB:d}  GitHub refused or didn't answer
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = argparse.ArgumentParser(
        prog="python -m review",
        description="Review what a change would do to an environment, before it is done. "
        "A recorded preview in the place of the command is shown as `comment` does.",
        epilog=EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    subparsers = top.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, run: object, description: str) -> argparse.ArgumentParser:
        added = subparsers.add_parser(name, help=description, description=f"{description}.", epilog=EXITS)
        added.formatter_class = argparse.RawDescriptionHelpFormatter
        added.set_defaults(run=run)
        return added

    preview = command("preview", commands.preview, "Record what `pulumi up` would do, and what the policies say of it")
    _add_stack(preview)
    preview.add_argument("--out", type=Path, required=True, metavar="FILE", help="where the recording goes")

    comment = command("comment", commands.show_comment, "Print a recorded preview as the comment on a pull request")
    _add_recording(comment)
    comment.add_argument("--stack", help="the stack that it must be of; default: the one that it names")
    _add_allowance(comment)

    post = command("post", commands.post, "Write that comment to the pull request of the running workflow, or edit it")
    _add_recording(post)
    post.add_argument("--stack", required=True, help="the stack that it must be of")

    deploy = command("deploy", commands.deploy, "Preview a stack, and update it if nothing stands against that")
    _add_stack(deploy)
    _add_allowance(deploy)

    drift = command("drift", commands.drift, "Report how an environment differs from its stack; nothing is changed")
    _add_stack(drift)
    drift.add_argument("--recording", type=Path, metavar="FILE", help="read this instead of the environment")

    for each in (preview, comment, post, drift):
        each.add_argument("--json", action="store_true", help="print one JSON object")
    return top


def _add_stack(command: argparse.ArgumentParser) -> None:
    stacks = sorted(file.stem.removeprefix("Pulumi.") for file in (commands.PROJECT / "stacks").glob("Pulumi.*.yaml"))
    command.add_argument("--stack", required=True, choices=stacks, help=f"one of {', '.join(stacks)}", metavar="STACK")


def _add_recording(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "recording",
        type=Path,
        metavar="PREVIEW.json",
        help="what `preview`, or `pulumi preview --json`, wrote; - for stdin",
    )


def _add_allowance(command: argparse.ArgumentParser) -> None:
    command.add_argument("--allow-data-loss", action="store_true", help=f"as the label {LABEL} does")


def _with_command(argv: Sequence[str]) -> Sequence[str]:
    recorded = bool(argv) and (argv[0] == "-" or Path(argv[0]).is_file())
    return ["comment", *argv] if recorded else argv


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; a `ReviewError` becomes one line on stderr and its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A recording may hold half of a character, and a terminal may know few.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    arguments = parser().parse_args(_with_command(sys.argv[1:] if argv is None else argv))
    try:
        return arguments.run(arguments)
    except ReviewError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        return 128 + 2


if __name__ == "__main__":
    sys.exit(main())
