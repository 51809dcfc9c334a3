"""Import the providers' SDKs class by class: EC2's package alone takes a third of a second to import as a whole.

A package of an SDK, such as `pulumi_aws.s3`, imports all of its modules, hundreds of classes, for the few that a
program uses. A lazy package imports a class from the module that is named after it (`BucketPolicy` is in
`bucket_policy`, Kubernetes' `Deployment` in `Deployment`), and falls back to importing the whole package for any name
that isn't found this way.
"""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Final

import pulumi

# The off switch, to tell whether an unexpected import error comes from here: 0 imports whole packages; default: 1.
SWITCH_ENV: Final = "AEGIS_LAZY_IMPORTS"

_PACKAGES: Final = re.compile(r"pulumi_(aws|vault)\.\w+|pulumi_kubernetes\.\w+\.\w+")
# One module of a package defines the nested arguments of all its classes.
_ARGUMENTS_MODULE: Final = "_inputs"
_ARGUMENTS_SUFFIXES: Final = ("Args", "ArgsDict")
_NEXT_WORD: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def enabled(environment: Mapping[str, str]) -> bool:
    """Return the position of the off switch.

    Raises:
        pulumi.RunError: It is neither 0 nor 1.
    """
    value = environment.get(SWITCH_ENV) or "1"
    if value not in ("0", "1"):
        raise pulumi.RunError(f"{SWITCH_ENV} must be 0 (import whole packages) or 1, got {value!r}")
    return value == "1"


def install() -> None:
    """Make the packages of the SDKs lazy that are imported from now on."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Finds the packages that hold classes, and leaves every other module to Python."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,  # noqa: ARG002 - Python passes it to every finder.
    ) -> ModuleSpec | None:
        if not _PACKAGES.fullmatch(fullname):
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None and spec.submodule_search_locations:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(Loader):
    """Makes an empty package that imports a name when it is first used."""

    def __init__(self, whole: Loader) -> None:
        self._whole = whole

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__getattr__"] = self._getter(module)

    def _getter(self, module: ModuleType) -> Callable[[str], Any]:
        def get(name: str) -> Any:  # noqa: ANN401 - a class, a function or a module.
            if name.startswith("__"):
                raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
            source = _module_of(module.__name__, name)
            if source is not None and hasattr(source, name):
                vars(module)[name] = getattr(source, name)
                return vars(module)[name]
            if source is not None and source.__name__.endswith(f".{name}"):
                return source
            # The package's own code defines all of its names.
            del vars(module)["__getattr__"]
            self._whole.exec_module(module)
            return getattr(module, name)

        return get


def _module_of(package: str, name: str) -> ModuleType | None:
    """Return the module of a package in which a name should be defined, None if there is no such module."""
    if name.endswith(_ARGUMENTS_SUFFIXES):
        return import_module(f"{package}.{_ARGUMENTS_MODULE}")
    candidates = (f"{package}.{spelling}" for spelling in (name, _NEXT_WORD.sub("_", name).lower()))
    return next((import_module(each) for each in candidates if find_spec(each)), None)
