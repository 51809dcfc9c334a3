"""The command that creates MLflow's role and database on a PostgreSQL server that AWS manages."""

import json
from collections.abc import Sequence

from contracts import Env, Exit
from workloads import cli
from workloads.cli import WorkloadError, require_env
from workloads.database import address, administrator, login, ownership
from workloads.database.address import Address
from workloads.database.login import Auth
from workloads.database.ownership import Ownership

EPILOG = f"""Run again, the command changes nothing, except that it sets a new password or another way to log in.
The role owns the database and may create others for a restore; no other role can connect to the database.

environment:
  {Env.DATABASE_ADMIN_SECRET}  ARN of the administrator's secret, JSON with username and password
  PGHOST, PGPORT, PGSSLMODE, PGSSLROOTCERT  the PostgreSQL server, and how its certificate is checked
  {Env.DATABASE_OWNER}, {Env.DATABASE_NAME}  the role and the database to create
  {Env.DATABASE_AUTH}  how the role logs in: "iam", by tokens of an IAM role, or "password"
  {Env.DATABASE_OWNER_PASSWORD}  the role's password, for "password" only

exit codes:
  {Exit.USAGE:d} bad input, {Exit.DATABASE:d} the secret or the server can't be used
"""

# Exists on every RDS server: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_PostgreSQL.html
_MAINTENANCE = "postgres"
# Two minutes with the waits of `retry`: the DNS name of a new server takes time to spread.
_ATTEMPTS = 18


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = cli.parser("workloads.database.prepare", "Create MLflow's role and database on a managed server.", EPILOG)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    args = parser.parse_args(argv)
    host, port = address.server_from_env()
    target = _ownership_from_env()
    admin = administrator.read(require_env(Env.DATABASE_ADMIN_SECRET, "the ARN of the administrator's secret"))
    if admin.user == target.owner:
        raise WorkloadError(f"{Env.DATABASE_OWNER} must not be the administrator, got {admin.user!r}.", Exit.USAGE)
    server = Address(host=host, port=port, user=admin.user, name=_MAINTENANCE, password=lambda: admin.password)
    with server.connect(attempts=_ATTEMPTS) as connection:
        changes = ownership.establish(connection, target)
    if args.json:
        result = {"owner": target.owner, "database": target.database, "auth": target.auth, "changes": changes}
        print(json.dumps(result))
    else:
        print("\n".join(changes) or f"database {target.database} is ready, nothing to do")
    return Exit.OK


def _ownership_from_env() -> Ownership:
    auth = login.auth_from_env()
    address.require_plain(Env.DATABASE_OWNER_PASSWORD)
    return Ownership(
        owner=address.identifier_from_env(Env.DATABASE_OWNER, "the role that is to own the database"),
        database=address.identifier_from_env(Env.DATABASE_NAME, "the database to create"),
        auth=auth,
        password=require_env(Env.DATABASE_OWNER_PASSWORD, "that role's password") if auth is Auth.PASSWORD else None,
    )


if __name__ == "__main__":
    cli.run(main)
