"""The dashboard of the model registry: what is registered, what is signed, and what an alias leads to."""

from typing import Final

from infra.capabilities.monitoring.dashboards.panel import Dashboard, Unit, lines, number


def _versions(signed: str = "") -> str:
    selector = f'{{signed="{signed}"}}' if signed else ""
    return f"sum(max by (signed) (aegis_model_versions{selector}))"


_UNSIGNED_ALIASES: Final = 'sum(max by (alias) (aegis_alias_versions{signed="false"})) or vector(0)'

DASHBOARD: Final = Dashboard(
    uid="aegis-registry",
    title="Aegis: registry",
    description="Registered models, their signatures, and what their aliases lead to.",
    panels=(
        number("Models", Unit.NUMBER, "max(aegis_registered_models)"),
        number("Versions", Unit.NUMBER, _versions()),
        number(
            "Unsigned under an alias",
            Unit.NUMBER,
            _UNSIGNED_ALIASES,
            description="Versions that don't verify, at an alias by which somebody may load them.",
            bad_from=1,
        ),
        number(
            "Vault",
            Unit.NUMBER,
            "min(vault_core_unsealed)",
            description="1 if Vault is unsealed; otherwise nothing can be signed.",
            bad_below=1,
        ),
        lines("Versions by signature", Unit.NUMBER, {"signed: {{signed}}": "max by (signed) (aegis_model_versions)"}),
        lines("Registered models", Unit.NUMBER, {"models": "max(aegis_registered_models)"}),
        lines(
            "Aliases",
            Unit.NUMBER,
            {"{{alias}}, signed: {{signed}}": "max by (alias, signed) (aegis_alias_versions)"},
            description="The models that have each alias, by whether its version verifies.",
        ),
        lines("Share of signed versions", Unit.SHARE, {"signed": f"{_versions('true')} / {_versions()}"}),
    ),
)
