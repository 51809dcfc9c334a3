"""What makes the program start quickly: a preview takes longer for its SDKs than for all that it plans."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from pulumi import log

from infra import on_demand


@contextmanager
def quick_start() -> Iterator[None]:
    """Import SDKs inside, and save what they do behind a program's back: a third of the time of a preview of `prod`.

    The SDK tells the engine of each step of each resource, for `pulumi --debug` alone, and waits until it was heard.
    The garbage collector looks through the SDKs' classes again and again, and none is ever garbage.
    """
    on_demand.install()
    log.debug = _unheard
    gc.disable()
    try:
        yield
    finally:
        # Out of the collector's sight for good, once in a process: what the tests leave behind is still collected.
        if not gc.get_freeze_count():
            gc.freeze()
        gc.enable()


def _unheard(*_args: object, **_kwargs: object) -> None:
    pass
