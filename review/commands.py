"""The commands of the review. Each returns its exit code."""

import json
import os
import tempfile
from argparse import Namespace
from pathlib import Path

from review import comment, engine, recording, workflow
from review.exits import Exit, ReviewError
from review.preview import Action, Preview
from review.verdict import LABEL, Verdict, judge

PROJECT = Path(__file__).resolve().parents[1]


def preview(arguments: Namespace) -> Exit:
    """Record a preview of a stack."""
    engine.preview(PROJECT, arguments.stack, arguments.out)
    found = recording.read(arguments.out, arguments.stack)
    verdict = judge(found, allow_data_loss=False)
    print(json.dumps(_facts(found, verdict), indent=2) if arguments.json else verdict.sentence)
    return Exit.FAILED if found.failed else Exit.OK


def show_comment(arguments: Namespace) -> Exit:
    """Print the comment on a recorded preview."""
    found = recording.read(arguments.recording, arguments.stack)
    pull_request = workflow.pull_request(os.environ)
    verdict = judge(found, allow_data_loss=arguments.allow_data_loss or _labelled(pull_request))
    if arguments.json:
        print(json.dumps(_facts(found, verdict), indent=2))
    else:
        print(comment.of_preview(found, verdict), end="")
    return verdict.code


def post(arguments: Namespace) -> Exit:
    """Write the comment to the pull request of the workflow."""
    found = recording.read(arguments.recording, arguments.stack)
    pull_request = workflow.pull_request(os.environ)
    if pull_request is None:
        raise ReviewError("GITHUB_EVENT_PATH must name the event of a pull request, as in its workflow", Exit.USAGE)
    verdict = judge(found, allow_data_loss=_labelled(pull_request))
    body = comment.of_preview(found, verdict, pull_request.commit)
    address = workflow.api(os.environ).write_comment(pull_request.number, comment.marker(found.stack), body)
    workflow.summarize(body)
    if arguments.json:
        print(json.dumps({**_facts(found, verdict), "comment": address}, indent=2))
    else:
        print(f"{verdict.headline.strip('*')}: {address}")
    return verdict.code


def deploy(arguments: Namespace) -> Exit:
    """Preview a stack, judge the preview, and update by its plan if nothing forbids it."""
    with tempfile.TemporaryDirectory() as folder:
        file, plan = Path(folder) / "preview.json", Path(folder) / "plan.json"
        engine.preview(PROJECT, arguments.stack, file, plan)
        found = recording.read(file, arguments.stack)
        allowed = arguments.allow_data_loss or _merged_with_label()
        verdict = judge(found, allow_data_loss=allowed)
        body = comment.of_preview(found, verdict)
        workflow.summarize(body)
        print(body, flush=True)
        if verdict.code is Exit.OK:
            engine.up(PROJECT, arguments.stack, plan)
    return verdict.code


def drift(arguments: Namespace) -> Exit:
    """Report the drift of an environment from its stack."""
    with tempfile.TemporaryDirectory() as folder:
        file = arguments.recording or Path(folder) / "refresh.json"
        if arguments.recording is None:
            engine.refresh(PROJECT, arguments.stack, file)
        found = recording.read(file, arguments.stack)
    body = comment.of_drift(found)
    workflow.summarize(body)
    if arguments.json:
        drifted = [{"urn": step.urn, "properties": sorted(step.differences)} for step in found.steps]
        print(json.dumps({"stack": found.stack, "drifted": drifted, "errors": found.errors}, indent=2))
    else:
        print(body, end="")
    if found.failed:
        return Exit.FAILED
    return Exit.DRIFT if found.steps else Exit.OK


def _labelled(pull_request: workflow.PullRequest | None) -> bool:
    return pull_request is not None and LABEL in pull_request.labels


def _merged_with_label() -> bool:
    """Return whether the deployed commit came from a pull request with the label."""
    commit = os.environ.get("GITHUB_SHA")
    return commit is not None and LABEL in workflow.api(os.environ).labels_of_commit(commit)


def _facts(found: Preview, verdict: Verdict) -> dict[str, object]:
    return {
        "stack": found.stack,
        "verdict": verdict.sentence,
        "exit": int(verdict.code),
        "counts": {str(action): found.count(action) for action in Action} | {"unchanged": found.unchanged},
        "losses": [{"urn": loss.step.urn, "action": loss.step.action, "what": loss.words} for loss in verdict.losses],
        "errors": found.errors,
        "violations": [
            {"policy": violation.policy, "urn": violation.urn, "mandatory": violation.mandatory}
            for violation in found.violations
        ],
    }
