"""The settings of a stack: typed, and checked before any resource is created. Only `load` reads `pulumi.Config`.

`load.load()` returns a `model.Settings`. Its sections are those of the capabilities, each in its capability's folder,
and the ones in this package that no single capability owns. `docs/settings.md` is generated from the types.
"""
