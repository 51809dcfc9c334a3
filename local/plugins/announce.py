"""How an embedded plugin tells that it is one."""

from local.plugins.provider import Log, Provider


def announce(log: Log, provider: Provider) -> None:
    """Say once per process that the official plugin is being stood in for."""
    log.info(
        f"The embedded plugin serves {provider.name!r} in place of the official {provider.name} {provider.version}, "
        "which is neither on PATH nor installed."
    )
