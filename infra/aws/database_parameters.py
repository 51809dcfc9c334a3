"""What a managed PostgreSQL enforces and logs, as a parameter group of RDS says it.

https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.Parameters.html
"""

from typing import Final

from pulumi_aws.rds import ParameterGroupParameterArgsDict

_SLOW_STATEMENT_MS: Final = 1000

# They are in force from the first start of a server, as its group is made before it. RDS keeps `pending-reboot` for a
# value that is its default, as force_ssl is: with `immediate` every preview would show a change
# (hashicorp/terraform-provider-aws#39252).
_AT_START: Final = {"rds.force_ssl": "1", "rds.accepted_password_auth_method": "scram"}
# `log_statement` stays off: it would write the passwords of CREATE ROLE and ALTER ROLE to the log.
_AT_ONCE: Final = {
    "log_connections": "1",
    "log_disconnections": "1",
    "log_lock_waits": "1",
    "log_min_duration_statement": str(_SLOW_STATEMENT_MS),
}


def parameters() -> list[ParameterGroupParameterArgsDict]:
    """Return the parameters: static ones wait for a restart."""
    return [
        {"name": name, "value": value, "apply_method": method}
        for method, values in (("pending-reboot", _AT_START), ("immediate", _AT_ONCE))
        for name, value in values.items()
    ]
