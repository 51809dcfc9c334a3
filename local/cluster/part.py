"""A part of the cluster: one process, its addresses, and the check that it is ready.

The other files of this package define the parts; `lifecycle` starts and stops them.
"""

import hashlib
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.cluster import pki
from local.processes import write_whole

Check = Callable[[], str | None]


def alive() -> str | None:
    """Pass as soon as the process runs, for a part without a health endpoint."""
    return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One process of the cluster.

    `ready` returns why the part is not ready yet, or None. `after` names the parts that must be ready before it
    starts. `listens` are its addresses, `host:port`. `files` returns its configuration, which is written before it
    starts, and `reads` names other files that it reads at its start: a part whose program, arguments, environment
    variables or files have changed is restarted. `env` is added to the environment variables of all parts. `remedy`
    continues the advice "stop it" for the case that another process uses one of its addresses.
    """

    name: str
    argv: tuple[str, ...]
    ready: Check = alive
    after: tuple[str, ...] = ()
    listens: tuple[str, ...] = ()
    files: Callable[[], Mapping[Path, str]] = dict
    reads: tuple[Path, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    remedy: str = "and run `make up` again"

    def write_files(self) -> None:
        """Write the configuration files, readable only by their owner because they may contain keys."""
        for path, text in self.files().items():
            write_whole(path, text, 0o600)

    def fingerprint(self) -> str:
        """Return a digest of everything that the process is started with."""
        program = Path(self.argv[0]).stat()
        started_with = {
            "program": [program.st_size, program.st_mtime_ns],
            "argv": self.argv,
            "env": dict(self.env),
            "files": {str(path): text for path, text in self.files().items()},
            "reads": {str(path): path.read_text() for path in self.reads},
        }
        return hashlib.sha256(json.dumps(started_with, sort_keys=True).encode()).hexdigest()


def answers(url: str, *, certificate: str | None = None, authority: str = pki.CLUSTER_CA) -> Check:
    """Return a check that `url` answers with 200; `certificate` names the client certificate of the request."""

    def check() -> str | None:
        context = None
        if url.startswith("https:"):
            context = ssl.create_default_context(cafile=str(pki.certificate(authority)))
            if certificate:
                context.load_cert_chain(pki.certificate(certificate), pki.key(certificate))
        handlers = [urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)]
        try:
            urllib.request.build_opener(*handlers).open(url, timeout=3).close()
        except urllib.error.HTTPError as error:
            return f"{url} answers {error.code}: {error.read(200).decode(errors='replace').strip()}"
        except OSError as error:
            return f"{url}: {getattr(error, 'reason', error)}"
        return None

    return check


def passed(*checks: Check) -> Check:
    """Return a check that passes if all `checks` pass, and returns the first reason otherwise."""
    return lambda: next((reason for check in checks if (reason := check())), None)


def flags(**options: object) -> tuple[str, ...]:
    """Return `--some-name=value` for each option; underscores in a name become dashes."""
    return tuple(
        f"--{name.replace('_', '-')}={str(value).lower() if isinstance(value, bool) else value}"
        for name, value in options.items()
    )
