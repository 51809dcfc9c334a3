"""Start the Pulumi program quickly: importing its SDKs takes a preview longer than planning its resources."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pulumi import log

from infra.startup import lazy_packages

# The engine tells a program neither of `--debug` nor of any other option (RunRequest in Pulumi's
# proto/pulumi/language.proto), but the program inherits this variable, which is the same as the option to the CLI.
DEBUG_ENV: Final = "PULUMI_OPTION_DEBUG"
# What Go's strconv.ParseBool, and so the CLI, takes for true.
_TRUE: Final = ("1", "t", "T", "TRUE", "true", "True")


@contextmanager
def quick_start() -> Iterator[None]:
    """Import SDKs inside this context, which skips their hidden work: a third of the time of a preview of `prod`.

    The SDK sends the engine several debug messages for each resource, one blocking call each, that only
    `pulumi --debug` shows: they are dropped unless `PULUMI_OPTION_DEBUG` is true. The garbage collector is off
    meanwhile: it would scan the SDKs' classes again and again, and find no garbage.

    Raises:
        pulumi.RunError: `AEGIS_LAZY_IMPORTS` is neither 0 nor 1.
    """
    if lazy_packages.enabled(os.environ):
        lazy_packages.install()
    if os.environ.get(DEBUG_ENV) not in _TRUE:
        log.debug = _drop
    gc.disable()
    try:
        yield
    finally:
        # Exempts the SDKs' classes from later collections. Only the first time: a process that runs several programs,
        # as the tests do, would otherwise never free what each of them leaves.
        if not gc.get_freeze_count():
            gc.freeze()
        gc.enable()


def _drop(*_args: object, **_kwargs: object) -> None:
    pass
