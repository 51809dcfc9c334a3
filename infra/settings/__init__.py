"""The settings of a stack: typed, checked before any resource, and the only place that reads `pulumi.Config`.

`model.Settings` is all of them, `load.load()` reads and checks them. Each capability's section is in its own folder.
`docs/settings.md` is made from the types.
"""
