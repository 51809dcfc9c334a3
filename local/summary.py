"""The summary of `make up`: addresses, the released model, and whether its signature was verified."""

import json
import os
import shlex
import subprocess
from collections.abc import Mapping
from typing import Any

import contracts
from local import progress
from local.env import STACK
from local.program import Change

_ADDRESSES = {
    "mlflow_url": "MLflow",
    "gateway_url": "Gateway",
    "s3_url": "S3",
    "s3_console_url": "S3 web page",
    "vault_url": "Vault",
}
# Keys of the release's result; see workloads/release.
_RELEASE_ROWS = (
    ("Run", "{run_id} of experiment {experiment}"),
    ("Metric", "{metric} = {value:.4f}"),
    ("Model version", "{model} version {version}"),
    ("Archive", "{archive}"),
    ("Signature", "{verdict}, by key {key} version {key_version}"),
)


def gather(
    stack: str, env: Mapping[str, str], outputs: Mapping[str, Any], change: Change, seconds: float
) -> dict[str, Any]:
    """Return the summary of a stack that was just brought up."""
    return {
        "stack": stack,
        "changed_resources": change.resources,
        "addresses": {name: outputs[name] for name in _ADDRESSES if name in outputs},
        "release": _release(outputs, env),
        "seconds": round(seconds, 1),
    }


def _release(outputs: Mapping[str, Any], env: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the result in the termination message of the release Job's pod; None if the stack has no release."""
    if "release_job" not in outputs:
        return None
    selector = f"job-name={outputs['release_job']}"
    pods = json.loads(_kubectl(env, outputs["namespace"], "get", "pods", "--selector", selector, "--output", "json"))
    for pod in pods["items"]:
        for container in pod["status"].get("containerStatuses", ()):
            ended = container["state"].get("terminated", {})
            if ended.get("exitCode") == 0 and ended.get("message"):
                return json.loads(ended["message"])
    return None


def text(summary: Mapping[str, Any]) -> str:
    """Return the summary as text."""
    rows = [(_ADDRESSES[name], address) for name, address in summary["addresses"].items()]
    if release := summary["release"]:
        verdict = "verified" if release["verified"] else "NOT VERIFIED"
        rows += [(title, form.format(**release, verdict=verdict)) for title, form in _RELEASE_ROWS]
    changed = summary["changed_resources"]
    rows.append(("Changes", f"{changed} resources" if changed else "none"))
    rows.append(("Time taken", progress.duration(summary["seconds"])))
    width = max(len(title) for title, _ in rows)
    lines = [f"  {title:<{width}}  {value}" for title, value in rows]
    command = "make -s env" if summary["stack"] == STACK else f"make -s env STACK={summary['stack']}"
    if context := os.environ.get(contracts.CONTEXT_ENV):
        command = f"{contracts.CONTEXT_ENV}={shlex.quote(context)} {command}"
    return "\n".join([f"Aegis is up (stack {summary['stack']})", *lines, f'  Next: eval "$({command})"'])


def _kubectl(env: Mapping[str, str], namespace: str, *arguments: str) -> str:
    context = [f"--context={name}"] if (name := os.environ.get(contracts.CONTEXT_ENV)) else []
    command = ["kubectl", *context, f"--namespace={namespace}", *arguments]
    return subprocess.run(command, env=dict(env), capture_output=True, text=True, check=True).stdout
