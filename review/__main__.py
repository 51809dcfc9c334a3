"""The command line of the review: `python -m review COMMAND`, or only a recorded preview to print its comment."""

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from review import commands
from review.exits import Exit, ReviewError
from review.verdict import LABEL

EXITS = f"""exit codes:
  {Exit.OK:d}  the change may go on
  {Exit.USAGE:d}  invalid usage or input
  {Exit.FAILED:d}  the preview or the update failed, or violates a mandatory policy
  {Exit.DATA_LOSS:d}  data would be lost, and no label {LABEL} allows it
  {Exit.DRIFT:d}  the environment differs from its stack
  {Exit.GITHUB:d}  GitHub refused or didn't answer
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = argparse.ArgumentParser(
        prog="python -m review",
        description="Review the effect of a change on an environment before the change is made. "
        "Give a recorded preview instead of a command to run `comment` on it.",
        epilog=EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    subparsers = top.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, run: object, description: str) -> argparse.ArgumentParser:
        added = subparsers.add_parser(name, help=description, description=f"{description}.", epilog=EXITS)
        added.formatter_class = argparse.RawDescriptionHelpFormatter
        added.set_defaults(run=run)
        return added

    preview = command("preview", commands.preview, "Record a preview of `pulumi up`, with its policy violations")
    _add_stack(preview)
    preview.add_argument("--out", type=Path, required=True, metavar="FILE", help="the file to write the recording to")

    comment = command("comment", commands.show_comment, "Print a recorded preview as the comment on a pull request")
    _add_recording(comment)
    comment.add_argument("--stack", help="the required stack of the recording; default: any")
    _add_allowance(comment)

    post = command("post", commands.post, "Create or edit that comment on the pull request of the running workflow")
    _add_recording(post)
    post.add_argument("--stack", required=True, help="the required stack of the recording")

    deploy = command("deploy", commands.deploy, "Preview a stack, and update it if the preview allows it")
    _add_stack(deploy)
    _add_allowance(deploy)

    drift = command("drift", commands.drift, "Report how an environment differs from its stack, and change nothing")
    _add_stack(drift)
    drift.add_argument("--recording", type=Path, metavar="FILE", help="read this recording instead of the environment")

    for reporting in (preview, comment, post, drift):
        reporting.add_argument("--json", action="store_true", help="print one JSON object")
    return top


def _add_stack(command: argparse.ArgumentParser) -> None:
    stacks = sorted(file.stem.removeprefix("Pulumi.") for file in (commands.PROJECT / "stacks").glob("Pulumi.*.yaml"))
    command.add_argument("--stack", required=True, choices=stacks, help=f"one of {', '.join(stacks)}", metavar="STACK")


def _add_recording(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "recording",
        type=Path,
        metavar="PREVIEW.json",
        help="the output of `preview` or of `pulumi preview --json`; - for stdin",
    )


def _add_allowance(command: argparse.ArgumentParser) -> None:
    command.add_argument("--allow-data-loss", action="store_true", help=f"allow data loss, as the label {LABEL} does")


def _with_command(argv: Sequence[str]) -> Sequence[str]:
    recorded = bool(argv) and (argv[0] == "-" or Path(argv[0]).is_file())
    return ["comment", *argv] if recorded else argv


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. A `ReviewError` becomes one line on stderr and its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A recording may hold characters that the terminal's encoding lacks, or half of one.
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
