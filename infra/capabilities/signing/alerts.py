"""The alert on Vault."""

from infra.limits.alerts import Alert


def sealed() -> Alert:
    """Return the alert that Vault answers, and is sealed."""
    return Alert(
        name="VaultSealed",
        # Our exporter asks by the Service, to which a sealed pod doesn't belong; Prometheus asks the pod itself.
        expression="max(aegis_vault_unsealed) == 0 or max(vault_core_unsealed) == 0",
        minutes=1,
        severity="page",
        summary="Vault is sealed: nothing is signed, and no model is released or promoted.",
        action="Unseal it, and find out who or what sealed it.",
        runbook="vault-sealed",
    )


def unreachable() -> Alert:
    """Return the alert that Vault doesn't answer."""
    return Alert(
        name="VaultUnreachable",
        expression='time() - aegis_exporter_last_success_timestamp_seconds{part="vault"} > 300',
        minutes=2,
        severity="page",
        summary="Vault hasn't answered for {{ $value | humanizeDuration }}.",
        action="Find out whether it runs, and whether the platform's pods may reach it.",
        runbook="vault-sealed",
    )
