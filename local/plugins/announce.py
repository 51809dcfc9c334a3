"""The message in which an embedded plugin introduces itself."""

from local.plugins.provider import Host, Provider


def announce(host: Host, provider: Provider) -> None:
    """Tell the user that an embedded plugin replaces the official one."""
    official = f"{provider.name} {provider.version}"
    message = f"Using an embedded plugin: the official {official} is neither on PATH nor installed."
    host.info(message)
