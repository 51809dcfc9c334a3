"""The packages of the AWS SDK, class by class: the whole of EC2's alone takes a third of a second to import.

A package of the SDK, such as `pulumi_aws.s3`, imports all of its modules, hundreds of classes, for the few that a
program uses. Here a class brings in the module that is named after it (`BucketPolicy` is in `bucket_policy`), and
everything else the whole package, as without this.
"""

import re
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Final

_PACKAGES: Final = re.compile(r"pulumi_aws\.\w+")
# The dictionaries that describe arguments are in one module for all classes of a package.
_DESCRIPTIONS: Final = "_inputs"
_DESCRIPTION_SUFFIX: Final = "ArgsDict"
_NEXT_WORD: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def install() -> None:
    """Let packages of the SDK that are imported from now on come class by class."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Finds the packages that hold classes; leaves all else to Python."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,  # noqa: ARG002 - Python gives it to every finder.
    ) -> ModuleSpec | None:
        if not _PACKAGES.fullmatch(fullname):
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None and spec.submodule_search_locations:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(Loader):
    """Makes an empty package, which looks for a name when it is asked for it."""

    def __init__(self, whole: Loader) -> None:
        self._whole = whole

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__getattr__"] = self._getter(module)

    def _getter(self, module: ModuleType) -> Callable[[str], Any]:
        def get(name: str) -> Any:  # noqa: ANN401 - whatever the package has by this name.
            if name.startswith("__"):
                raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
            within = _module_of(module.__name__, name)
            if within is not None and hasattr(within, name):
                vars(module)[name] = getattr(within, name)
                return vars(module)[name]
            if within is not None and within.__name__.endswith(f".{name}"):
                return within
            # Its own names take this function's place.
            del vars(module)["__getattr__"]
            self._whole.exec_module(module)
            return getattr(module, name)

        return get


def _module_of(package: str, name: str) -> ModuleType | None:
    """Return the module of a package that holds a name, if it is where such names are."""
    if name.endswith(_DESCRIPTION_SUFFIX):
        return import_module(f"{package}.{_DESCRIPTIONS}")
    full = f"{package}.{_NEXT_WORD.sub('_', name).lower()}"
    return import_module(full) if find_spec(full) else None
