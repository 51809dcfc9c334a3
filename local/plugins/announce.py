"""How an embedded plugin tells that it is one."""

from local.plugins.provider import Host, Provider


def announce(host: Host, provider: Provider) -> None:
    """Say that the official plugin is being stood in for."""
    official = f"{provider.name} {provider.version}"
    message = f"An embedded plugin stands in for the official {official}, which is neither on PATH nor installed."
    host.info(message)
