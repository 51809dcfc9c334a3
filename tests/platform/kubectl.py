"""kubectl with the administrator's kubeconfig, and pods for tests."""

import json
import subprocess
import time
from collections.abc import Callable
from typing import Any, TypeVar

from local import paths, toolchain

T = TypeVar("T")


class Kubectl:
    """kubectl with the administrator's kubeconfig, in one namespace."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self._program = toolchain.ensure("kubectl")["kubectl"]
        self.image: str = json.loads(paths.images_file().read_text())["base"]

    def __call__(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """Run kubectl and return its output."""
        command = [self._program, f"--kubeconfig={paths.kubeconfig()}", f"--namespace={self.namespace}", *arguments]
        result = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=150)
        assert not check or result.returncode == 0, f"kubectl {arguments}: {result.stdout}{result.stderr}"
        return result.stdout

    def json(self, *arguments: str) -> dict[str, Any]:
        """Run kubectl and return the object in its output."""
        return json.loads(self(*arguments, "--output=json"))

    def apply(self, *objects: dict[str, Any]) -> None:
        """Apply objects in this namespace."""
        self("apply", "--filename=-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))

    def wait(self, name: str) -> None:
        """Wait until a pod is ready."""
        self("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=120s")

    def python(self, pod: str, program: str, *, check: bool = True) -> str:
        """Run a Python program in a pod and return its output."""
        return self("exec", pod, "--", "python3", "-c", program, check=check).strip()

    def pod(self, name: str, program: str = "import time; time.sleep(3600)", **spec: Any) -> dict[str, Any]:
        """Return a pod that runs a Python program under the restricted Pod Security Standard."""
        container = {
            "name": "main",
            "image": self.image,
            "command": ["python3", "-c", program],
            "resources": {"requests": {"cpu": "5m", "memory": "16Mi"}},
            "volumeMounts": spec.pop("volumeMounts", []),
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
        security = {"runAsNonRoot": True, "runAsUser": 10001, "fsGroup": 10001}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {"app": name}},
            "spec": {
                "containers": [container],
                "securityContext": security | {"seccompProfile": {"type": "RuntimeDefault"}},
                "terminationGracePeriodSeconds": 0,
                "automountServiceAccountToken": False,
                **spec,
            },
        }


def eventually(ask: Callable[[], T | None], *, seconds: float = 60) -> T:
    """Call `ask` until its answer is true, return it, and fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"no answer within {seconds} s"
        time.sleep(0.5)
    return answer
