"""What the reconciler does to the cluster."""

import asyncio
from dataclasses import replace

from tests.support.fake_kubernetes import FakeKubernetes
from tests.support.reconciled import SITE
from workloads.serving.reconciler.cluster import Cluster
from workloads.serving.rollout import objects
from workloads.serving.rollout.objects import Servers
from workloads.serving.wanted import Resources


def test_servers_from_before_kserve_are_removed_with_those_of_kserve() -> None:
    kubernetes = FakeKubernetes()

    async def run() -> None:
        cluster = Cluster(client=kubernetes.client(), namespace="serving", may_write=lambda: True, kserve=True)
        wanted = Servers(model="digits", version="1", resources=Resources(), replicas=1, track="stable", start=300)
        for kserve in (False, True):
            await cluster.apply(objects.servers(replace(SITE, kserve=kserve), wanted))
        assert len(kubernetes.objects) == 2
        await cluster.remove_servers("digits", "1")

    asyncio.run(run())
    assert kubernetes.objects == {}
