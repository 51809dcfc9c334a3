"""The `Site` of a real installation: asks kubectl, the engine, servers, pods and this machine, each once."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509

import contracts
from local import cluster, env, forwards, paths, program, stacks
from local.aws import embedded as emulated_aws
from local.cluster import Health
from local.doctor import web
from local.doctor.once import Once
from local.doctor.site import Answer, Certificate, Object, Space
from local.doctor.verdict import NoAnswerError
from local.errors import LocalError
from local.stacks import Stack
from secret_forms import without_forms

# Of everything that the platform makes in a namespace, what the checks look at.
KINDS = (
    "pods,deployments,statefulsets,services,configmaps,persistentvolumeclaims,jobs,cronjobs,horizontalpodautoscalers,"
    "poddisruptionbudgets,networkpolicies"
)
_SCRIPTS = paths.REPOSITORY / "workloads" / "doctor"
_MEMORY = Path("/proc/meminfo")
_SECONDS = 15
# A pod that is busy takes long to start Python in.
_COMMAND_SECONDS = 60
# In characters.
_LONGEST_CAUSE = 500
_TRACE = "Traceback (most recent call last):"
# What kubectl adds when a command in a pod fails, and SQLAlchemy's link to its documentation.
_SAYS_NOTHING = re.compile(r"command terminated with exit code|\(Background on this error")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def of(stack_name: str) -> "Platform":
    """Return the installation of a stack.

    Raises:
        LocalError: The stack or the context does not exist, or a stack in AWS was named without a context.
    """
    stack = stacks.read(stack_name)
    context = os.environ.get(contracts.CONTEXT_ENV) or None
    if stack.in_aws and not context:
        raise LocalError(
            f"{stack.name} runs in AWS: set {contracts.CONTEXT_ENV} to the kubeconfig context of its cluster."
        )
    variables = env.engine_environment()
    if stack.in_aws:
        # Its state is where the caller's shell says, not in this machine's folder.
        variables = {name: value for name, value in variables.items() if name not in program.environment()}
        variables |= {name: os.environ[name] for name in program.environment() if name in os.environ}
    return Platform(stack, context, variables)


class Platform:
    """An installation of `stack`, on the cluster of a kubeconfig's `context` or on the embedded one."""

    def __init__(self, stack: Stack, context: str | None, environment: Mapping[str, str]) -> None:
        self.stack = stack
        self.embedded = context is None
        self._context = context
        self._environment = dict(environment)
        self._once = Once()

    def now(self) -> datetime:
        """Return this machine's time."""
        return datetime.now(UTC)

    def config(self, section: str) -> Mapping[str, Any]:
        """Return a section of the stack's file."""
        content = yaml.safe_load(self.stack.file.read_text()) or {}
        return (content.get("config") or {}).get(f"{contracts.PROJECT}:{section}") or {}

    def outputs(self) -> Mapping[str, Any]:
        """Return the stack's outputs, with secrets."""
        return self._once.get("outputs", lambda: self._engine("output", "--json", "--show-secrets"))

    def deployment(self) -> Mapping[str, Any]:
        """Return the engine's state."""
        return self._once.get("deployment", lambda: self._engine("export"))["deployment"]

    def _engine(self, *arguments: str) -> Any:  # noqa: ANN401 - the engine's JSON
        if not self.stack.in_aws and not program.is_up(self.stack.name):
            raise NoAnswerError(f"the stack {self.stack.name} was not brought up from this machine's {paths.home()}")
        return json.loads(
            self._ran(["pulumi", "stack", *arguments, "--stack", self.stack.name, "--non-interactive"], cwd=True)
        )

    def wanted_images(self) -> Mapping[str, str]:
        """Return the images in the stack's file, else those that were delivered from this machine."""
        if images := self.config("images"):
            return images
        if not paths.images_file().exists():
            raise NoAnswerError(f"neither the stack's file nor {paths.images_file()} names the images")
        return json.loads(paths.images_file().read_text())

    def listed(self, kind: str) -> Sequence[Object]:
        """Return the platform's objects of a kind."""
        return [item for item in self._once.get("objects", lambda: list(self._objects())) if item["kind"] == kind]

    def namespaces(self) -> list[str]:
        """Return the platform's namespaces that exist."""
        ours = (contracts.MLFLOW_NAMESPACE, contracts.VAULT_NAMESPACE, contracts.SERVING_NAMESPACE)
        names = [item["metadata"]["name"] for item in self.read("/api/v1/namespaces")["items"]]
        return [name for name in names if name in ours or name.startswith(contracts.TEAM_NAMESPACE_PREFIX)]

    def _objects(self) -> Iterator[Object]:
        for namespace in self.namespaces():
            yield {"kind": "Namespace", "metadata": {"name": namespace}}
            yield from json.loads(self._kubectl("get", KINDS, f"--namespace={namespace}", "--output=json"))["items"]

    def read(self, path: str) -> Any:  # noqa: ANN401 - whatever JSON the API server has there
        """Return the JSON at a path of the API server."""
        return self._once.get(path, lambda: json.loads(self._kubectl("get", f"--raw={path}")))

    def told(self, script: str, workload: str, *arguments: str) -> Any:  # noqa: ANN401 - whatever JSON the script prints
        """Return what a script prints in a pod."""
        return self._once.get((script, workload, arguments), lambda: self._told(script, workload, *arguments))

    def _told(self, script: str, workload: str, *arguments: str) -> Any:  # noqa: ANN401 - as above
        namespace, _, name = workload.partition("/")
        command = ["exec", "--stdin", f"deployment/{name}", f"--namespace={namespace}", "--", "python", "-", *arguments]
        printed = self._kubectl(*command, stdin=(_SCRIPTS / f"{script}.py").read_text(), seconds=_COMMAND_SECONDS)
        # Libraries may print before it.
        return json.loads(printed.splitlines()[-1])

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Return what a server answers to this machine."""
        return web.get(url, headers or {})

    def addresses_of(self, host: str) -> Sequence[str]:
        """Return the addresses of a name."""
        try:
            return sorted({str(found[4][0]) for found in socket.getaddrinfo(host, None)})
        except OSError:
            return ()

    def certificate(self, host: str, port: int) -> Certificate:
        """Return the certificate of a TLS server, whoever issued it."""
        return web.certificate(host, port)

    def own_certificates(self) -> Mapping[str, datetime]:
        """Return when each certificate of the embedded cluster ends."""
        files = sorted(paths.pki().rglob("*.crt"))
        return {file.stem: x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc for file in files}

    def command(self, module: str, *arguments: str) -> Any:  # noqa: ANN401 - whatever JSON the command prints
        """Return what a workload command prints."""
        variables = self._environment | env.clients(self.outputs())
        return json.loads(self._ran([sys.executable, "-m", module, *arguments, "--json"], variables, cwd=True))

    def parts(self) -> Sequence[Health]:
        """Return the platform's processes on this machine."""
        own = [*cluster.health(), *emulated_aws.health()] if self.embedded else []
        return [*own, *forwards.health()]

    def memory(self) -> Space:
        """Return this machine's memory."""
        figures = dict(line.split(":", 1) for line in _MEMORY.read_text().splitlines())
        free, total = (int(figures[name].split()[0]) * 1024 for name in ("MemAvailable", "MemTotal"))
        return Space(what="memory", free=free, total=total)

    def disks(self) -> Sequence[Space]:
        """Return the disks of the platform's folders."""
        folders = {folder.stat().st_dev: folder for folder in (paths.home(), paths.cache()) if folder.exists()}
        used = {folder: shutil.disk_usage(folder) for folder in folders.values()}
        return [Space(what=str(folder), free=usage.free, total=usage.total) for folder, usage in used.items()]

    def _kubectl(self, *arguments: str, stdin: str | None = None, seconds: float = _SECONDS) -> str:
        file = self._environment.get("KUBECONFIG")
        if file and not Path(file).exists():
            # kubectl would ask localhost:8080, where another server may answer.
            raise NoAnswerError(f"the cluster was not started, as there is no {file}")
        options = [f"--request-timeout={seconds:g}s", *([f"--context={self._context}"] if self._context else [])]
        # Options come first, as `exec` passes on what follows `--`.
        return self._ran(["kubectl", *options, *arguments], stdin=stdin, seconds=seconds)

    def _ran(
        self,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        *,
        cwd: bool = False,
        stdin: str | None = None,
        seconds: float = _COMMAND_SECONDS,
    ) -> str:
        """Return what a command prints."""
        name = " ".join(command[:3]) if command[0] != "kubectl" else "kubectl"
        try:
            result = subprocess.run(
                command,
                env=dict(environment or self._environment),
                cwd=paths.REPOSITORY if cwd else None,
                input=stdin,
                stdin=subprocess.DEVNULL if stdin is None else None,
                capture_output=True,
                text=True,
                check=False,
                timeout=seconds,
            )
        except FileNotFoundError:
            raise NoAnswerError(f"{command[0]} is not on PATH") from None
        except subprocess.TimeoutExpired:
            raise NoAnswerError(f"`{name}` took more than {seconds:g} s") from None
        if result.returncode:
            raise NoAnswerError(f"`{name}` failed: {_cause(result.stderr)}")
        return result.stdout


def _cause(stderr: str) -> str:
    """Return the line that says why a command failed, without secrets."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    told = [line for line in lines if not _SAYS_NOTHING.match(line)] or lines or ["it gave no reason"]
    traces = [number for number, line in enumerate(told) if line.startswith(_TRACE)]
    # What an exception says begins at the margin, below the indented stack, and may go on for lines.
    end = [line for line in told[traces[-1] + 1 :] if not line[0].isspace()] if traces else []
    line = _UNPRINTABLE.sub("", without_forms((end or told[-1:])[0], "***")).strip()
    return line if len(line) <= _LONGEST_CAUSE else f"{line[:_LONGEST_CAUSE]}..."
