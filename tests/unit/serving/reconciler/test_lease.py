"""One process leads, and stops by itself before another one may."""

import asyncio
from collections.abc import Awaitable, Callable

from tests.support.fake_kubernetes import FakeKubernetes
from workloads.serving.reconciler.lease import DURATION, Leadership


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def with_two(test: Callable[[FakeKubernetes, Leadership, Leadership, Clock], Awaitable[None]]) -> None:
    """Run a test with two processes."""

    async def run() -> None:
        kubernetes, clock = FakeKubernetes(), Clock()
        client = kubernetes.client()
        first, second = (
            Leadership(client=client, namespace="serving", name="lease", identity=name, clock=clock)
            for name in ("first", "second")
        )
        await test(kubernetes, first, second, clock)

    asyncio.run(run())


def test_the_first_one_leads_as_long_as_it_renews() -> None:
    async def test(__: FakeKubernetes, first: Leadership, second: Leadership, clock: Clock) -> None:
        for _ in range(30):
            assert await first.renew()
            assert not await second.renew()
            clock.now += 2

    with_two(test)


def test_one_that_cannot_renew_stops_before_another_one_leads() -> None:
    async def test(kubernetes: FakeKubernetes, first: Leadership, second: Leadership, clock: Clock) -> None:
        await first.renew()
        await second.renew()
        stopped = None
        while not await second.renew():
            clock.now += 1
            kubernetes.refuse = True
            await first.renew()
            kubernetes.refuse = False
            stopped = stopped or (None if first.holds() else clock.now)
        assert stopped is not None
        assert stopped < clock.now
        assert clock.now <= DURATION + 1

    with_two(test)


def test_one_that_ends_hands_over_at_once() -> None:
    async def test(_: FakeKubernetes, first: Leadership, second: Leadership, __: Clock) -> None:
        await first.renew()
        await first.release()
        assert not first.holds()
        assert await second.renew()

    with_two(test)


def test_of_two_that_take_a_free_lease_at_the_same_time_one_leads() -> None:
    async def test(_: FakeKubernetes, first: Leadership, second: Leadership, __: Clock) -> None:
        leads = await asyncio.gather(first.renew(), second.renew())
        assert sorted(leads) == [False, True]

    with_two(test)
