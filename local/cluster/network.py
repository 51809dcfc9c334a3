"""The machine's side of the cluster's network: the node's address, routing, and the firewall of NetworkPolicies.

`remove` finds everything by name and removes it: one link, and the chains and sets of the cluster's parts.
"""

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from local.cluster import kubeconfigs
from local.cluster.layout import NODE_LINK, NODE_NAME, Layout
from local.cluster.part import Part, flags
from local.errors import LocalError

FORWARD_CHAIN = "AEGIS-FORWARD"
LEAVING_CHAIN = "AEGIS-LEAVING"
# Chains of kube-proxy and the kubelet (KUBE-), kube-router (KUBE-, with sets of the same names) and our own.
OWN_CHAIN = re.compile(r"^(KUBE-|AEGIS-)")
OWN_SET = re.compile(r"^(inet6:)?(KUBE-|kube-router-)")


def kube_router(layout: Layout, tools: Mapping[str, Path]) -> Part:
    """Return the part that enforces NetworkPolicies; other parts handle routes and Services."""
    kubeconfig = kubeconfigs.path("kube-router")
    return Part(
        name="kube-router",
        argv=(
            str(tools["kube-router"]),
            *flags(
                kubeconfig=kubeconfig,
                hostname_override=NODE_NAME,
                run_firewall=True,
                run_router=False,
                run_service_proxy=False,
                run_loadbalancer=False,
                service_cluster_ip_range=layout.services,
                health_port=0,
                metrics_port=0,
            ),
        ),
        files=lambda: {kubeconfig: kubeconfigs.text(layout, "kube-router")},
        after=("kube-apiserver", "kubelet"),
        ready=_policies_are_enforced,
    )


def _policies_are_enforced() -> str | None:
    if "-N KUBE-ROUTER-FORWARD" in _run("iptables", "-S"):
        return None
    return "its chain KUBE-ROUTER-FORWARD is not in iptables yet"


def check() -> None:
    """Refuse a machine that runs another Kubernetes: both would write the same firewall chains.

    Raises:
        LocalError: The chains exist without our link.
    """
    if not _link() and "-N KUBE-SERVICES" in _run("iptables", "-t", "nat", "-S"):
        raise LocalError(
            "Another Kubernetes runs on this machine (iptables has the chain KUBE-SERVICES): "
            "stop it, or use it with AEGIS_CONTEXT=<its kube context>."
        )


def ensure(layout: Layout) -> None:
    """Create the node's link, the route to Services and the rules that let pods through, where they are missing.

    The link is a bridge without ports: every kernel supports it, and it can have an address that is not loopback.
    """
    link = _link()
    if not link:
        _run("ip", "link", "add", NODE_LINK, "type", "bridge")
    if layout.node_ip not in link:
        _run("ip", "address", "flush", "dev", NODE_LINK)
        _run("ip", "address", "add", f"{layout.node_ip}/32", "dev", NODE_LINK)
    _run("ip", "link", "set", NODE_LINK, "up")
    # A machine without a default route could not reach a Service otherwise.
    _run("ip", "route", "replace", str(layout.services), "dev", NODE_LINK, "src", layout.node_ip)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    pods, block = str(layout.pods), str(layout.block)
    _rules("filter", "FORWARD", FORWARD_CHAIN, [["-s", pods, "-j", "ACCEPT"], ["-d", pods, "-j", "ACCEPT"]])
    _rules("nat", "POSTROUTING", LEAVING_CHAIN, [["-s", pods, "!", "-d", block, "-j", "MASQUERADE"]])


def remove() -> None:
    """Remove the link and every chain and set of the cluster's parts."""
    for family in ("iptables", "ip6tables"):
        for table in ("filter", "nat", "mangle"):
            saved = _run(f"{family}-save", "-t", table)
            if script := removal(saved, table):
                _run(f"{family}-restore", "--noflush", stdin=script)
    for name in _run("ipset", "list", "-n").split():
        if OWN_SET.match(name):
            _run("ipset", "flush", name)
    for name in _run("ipset", "list", "-n").split():
        if OWN_SET.match(name):
            _run("ipset", "destroy", name)
    if _link():
        _run("ip", "link", "delete", NODE_LINK)


def removal(saved: str, table: str) -> str:
    """Return the `iptables-restore --noflush` script that removes our chains, and the jumps to them, from a table.

    `saved` is the output of `iptables-save`. The script is empty if the table has no chain of ours.
    """
    chains = [line[1:].split()[0] for line in saved.splitlines() if line.startswith(":")]
    own = [chain for chain in chains if OWN_CHAIN.match(chain)]
    if not own:
        return ""
    jumps = [
        line.replace("-A ", "-D ", 1)
        for line in saved.splitlines()
        if (found := re.match(r"-A (\S+) .*-[jg] (\S+)", line)) and found[1] not in own and found[2] in own
    ]
    flushes = [f":{chain} - [0:0]" for chain in own]
    deletions = [f"-X {chain}" for chain in own]
    return "\n".join([f"*{table}", *flushes, *jumps, *deletions, "COMMIT", ""])


def _rules(table: str, hook: str, chain: str, rules: Sequence[Sequence[str]]) -> None:
    """Set the rules of `chain` to `rules`, and add a jump to it at the end of `hook` if it is missing."""
    script = [f"*{table}", f":{chain} - [0:0]", *(" ".join(["-A", chain, *rule]) for rule in rules), "COMMIT", ""]
    _run("iptables-restore", "--noflush", stdin="\n".join(script))
    if f"-A {hook} -j {chain}" not in _run("iptables", "-t", table, "-S", hook):
        _run("iptables", "-w", "-t", table, "-A", hook, "-j", chain)


def _link() -> list[str]:
    """Return the name and addresses of the node's link; empty if the link does not exist."""
    links = json.loads(_run("ip", "-json", "address") or "[]")
    return [
        part
        for link in links
        if link.get("ifname") == NODE_LINK
        for part in (NODE_LINK, *(address["local"] for address in link["addr_info"]))
    ]


def _run(*argv: str, stdin: str | None = None) -> str:
    result = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
    if result.returncode:
        raise LocalError(f"`{' '.join(argv)}` failed: {result.stderr.strip()}")
    return result.stdout
