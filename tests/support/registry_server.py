"""A real image registry on this machine: distribution's, from the toolchain."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local import toolchain

_START_SECONDS = 30


@contextmanager
def registry_server(**config: Mapping[str, Any]) -> Iterator[str]:
    """Run a registry without TLS and give its address, such as `localhost:5000`; `config` adds to its configuration.

    Raises:
        RuntimeError: It doesn't start; the message has the end of its log.
    """
    program = toolchain.ensure("registry")["registry"]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"localhost:{listener.getsockname()[1]}"
    folder = Path(tempfile.mkdtemp(prefix="aegis-registry-"))
    settings = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": address.replace("localhost", "127.0.0.1")},
        "log": {"level": "error", "accesslog": {"disabled": True}},
        **config,
    }
    (folder / "config.yml").write_text(json.dumps(settings))
    environment = os.environ | {"OTEL_TRACES_EXPORTER": "none"}
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([program, "serve", folder / "config.yml"], stdout=log, stderr=log, env=environment)
    try:
        _wait_for(address, folder / "log")
        yield address
    finally:
        # Not by an interrupt, which a process started in a shell's background ignores; and it has nothing to save.
        server.kill()
        server.wait(timeout=20)
        shutil.rmtree(folder)


def _wait_for(address: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            urllib.request.urlopen(f"http://{address}/v2/", timeout=5).close()
        except urllib.error.HTTPError:
            # It asks for a login.
            return
        except (urllib.error.URLError, ConnectionError) as error:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the registry does not answer: {log.read_text()[-500:]}") from error
            time.sleep(0.1)
        else:
            return
