"""The settings of a stack: typed, checked before any resource, and the only place that reads `pulumi.Config`.

Every key and its default is explained in `docs/settings.md`, which is made from the types here.
"""

from infra.settings.load import SettingsError, load, parse
from infra.settings.model import Settings

__all__ = ["Settings", "SettingsError", "load", "parse"]
