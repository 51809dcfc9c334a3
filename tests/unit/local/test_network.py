"""Removing the cluster's firewall rules leaves every other rule in place."""

import re

from hypothesis import given
from hypothesis import strategies as st

from local.cluster.network import removal

SAVED = """\
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:DOCKER-USER - [0:0]
:KUBE-FORWARD - [0:0]
:KUBE-POD-FW-ABC - [0:0]
:AEGIS-FORWARD - [0:0]
-A INPUT -p tcp --dport 22 -j ACCEPT
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A FORWARD -j DOCKER-USER
-A FORWARD -j AEGIS-FORWARD
-A KUBE-FORWARD -d 10.213.0.5/32 -g KUBE-POD-FW-ABC
-A AEGIS-FORWARD -s 10.213.0.0/20 -j ACCEPT
COMMIT
"""


def test_own_chains_and_the_jumps_to_them_are_removed() -> None:
    lines = removal(SAVED, "filter").splitlines()
    assert lines[0] == "*filter"
    assert lines[-1] == "COMMIT"
    assert '-D FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD' in lines
    assert "-D FORWARD -j AEGIS-FORWARD" in lines
    assert [line for line in lines if line.startswith("-X")] == [
        "-X KUBE-FORWARD",
        "-X KUBE-POD-FW-ABC",
        "-X AEGIS-FORWARD",
    ]


def test_each_chain_is_flushed_before_any_is_deleted() -> None:
    lines = removal(SAVED, "filter").splitlines()
    flushes = [index for index, line in enumerate(lines) if line.startswith(":")]
    assert max(flushes) < min(index for index, line in enumerate(lines) if line.startswith("-X"))


def test_other_rules_are_not_touched() -> None:
    script = removal(SAVED, "filter")
    assert "DOCKER-USER" not in script
    assert "dport 22" not in script
    assert "INPUT" not in script


def test_a_table_without_our_chains_needs_no_change() -> None:
    assert removal("*nat\n:PREROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n-A PREROUTING -j DOCKER\nCOMMIT\n", "nat") == ""


@given(st.lists(st.from_regex(r"[A-Z]{1,8}-[A-Z]{1,8}", fullmatch=True), unique=True))
def test_only_own_chains_are_deleted(chains: list[str]) -> None:
    saved = "\n".join(["*nat", *(f":{chain} - [0:0]" for chain in chains), "COMMIT"])
    deleted = re.findall(r"^-X (\S+)$", removal(saved, "nat"), re.MULTILINE)
    assert deleted == [chain for chain in chains if chain.startswith(("KUBE-", "AEGIS-"))]
