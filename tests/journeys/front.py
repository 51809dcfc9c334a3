"""The outside of the cluster: a TLS proxy at public names, like an ingress, and a host that reaches only the proxy."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local import env, stacks
from tests.journeys.places import PUBLIC_NAMES, Host, run
from tests.support.tls import self_signed

# Addresses of a documentation network (RFC 5737), which exists nowhere.
PROXY = "198.51.100.1"
OUTSIDER = "198.51.100.2"
NAMESPACE = "aegis-journey"
LINK = "aegis-journey0"
_CONFIGURATION = """
daemon off;
user root;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  client_max_body_size 0;
{servers}}}
"""
_SERVER = """
  server {{
    listen {address}:443 ssl;
    server_name {name};
    ssl_certificate {folder}/authority.pem;
    ssl_certificate_key {folder}/server.key;
    location / {{
      proxy_pass http://127.0.0.1:{port};
      proxy_http_version 1.1;
      proxy_request_buffering off;
      proxy_read_timeout 300s;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-Proto https;
    }}
  }}
"""


@contextmanager
def outside(folder: Path) -> Iterator[Host]:
    """Start the proxy and return a host that reaches nothing else."""
    authority, _ = self_signed(folder, *PUBLIC_NAMES.values())
    ports = stacks.read(env.STACK).ports
    servers = [
        _SERVER.format(folder=folder, address=PROXY, name=name, port=ports[server])
        for server, name in PUBLIC_NAMES.items()
    ]
    configuration = folder / "nginx.conf"
    configuration.write_text(_CONFIGURATION.format(folder=folder, servers="".join(servers)))
    argv = ["nginx", "-p", str(folder), "-e", f"{folder}/error.log", "-c", str(configuration)]
    with _network(), subprocess.Popen(argv) as nginx:
        try:
            host = Host(
                addresses={server: f"https://{name}" for server, name in PUBLIC_NAMES.items()},
                prefix=("ip", "netns", "exec", NAMESPACE),
                authority=authority,
            )
            _wait(host)
            yield host
        finally:
            nginx.terminate()


def _wait(host: Host) -> None:
    for _ in range(50):
        if not host.ask(f"{host.addresses['mlflow']}/health").startswith("unreachable"):
            return
        time.sleep(0.2)
    raise AssertionError("the proxy accepts no connection")


@contextmanager
def _network() -> Iterator[None]:
    """Create the other host, which reaches only the proxy and resolves only the names in its own hosts file."""
    files = Path("/etc/netns") / NAMESPACE
    _remove(files)
    files.mkdir(parents=True)
    (files / "hosts").write_text(f"127.0.0.1 localhost\n{PROXY} {' '.join(PUBLIC_NAMES.values())}\n")
    (files / "resolv.conf").write_text(f"nameserver {PROXY}\noptions timeout:1 attempts:1\n")
    steps = (
        f"netns add {NAMESPACE}",
        f"link add {LINK} type veth peer name outside netns {NAMESPACE}",
        f"address add {PROXY}/30 dev {LINK}",
        f"link set {LINK} up",
        f"-n {NAMESPACE} address add {OUTSIDER}/30 dev outside",
        f"-n {NAMESPACE} link set outside up",
        f"-n {NAMESPACE} link set lo up",
    )
    try:
        for step in steps:
            done = run(["ip", *step.split()])
            assert done.returncode == 0, f"ip {step}: {done.stderr}"
        yield
    finally:
        _remove(files)


def _remove(files: Path) -> None:
    run(["ip", "netns", "delete", NAMESPACE])
    run(["ip", "link", "delete", LINK])
    for name in ("hosts", "resolv.conf"):
        (files / name).unlink(missing_ok=True)
    if files.exists():
        files.rmdir()
