"""Command: make the role and the database of MLflow on a server that AWS manages."""

import json
from collections.abc import Sequence

from contracts import Env, Exit
from workloads import cli
from workloads.cli import WorkloadError, require_env
from workloads.database import address, administrator, auth, ownership
from workloads.database.address import Address
from workloads.database.auth import Auth
from workloads.database.ownership import Ownership

EPILOG = f"""The same command again changes nothing, but for a new password or another way to log in, which it sets.
The role owns the database, may make others for a restore, and no other role can connect to it.

environment:
  {Env.DATABASE_ADMIN_SECRET}  ARN of the administrator's secret, a JSON with username and password
  PGHOST, PGPORT, PGSSLMODE, PGSSLROOTCERT  the server, and how its certificate is checked
  {Env.DATABASE_OWNER}, {Env.DATABASE_NAME}  the role and the database to make
  {Env.DATABASE_AUTH}  how the role logs in: "iam", by tokens of an AWS role, or "password"
  {Env.DATABASE_OWNER_PASSWORD}  the role's password, for "password" only

exit codes:
  {Exit.USAGE:d} bad input, {Exit.DATABASE:d} the secret or the server can't be used
"""

# Every RDS server has it: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_PostgreSQL.html
_MAINTENANCE = "postgres"
# Two minutes with the waits of `retry`: the name of a new server takes its time to be known.
_ATTEMPTS = 18


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = cli.parser("workloads.database.prepare", "Make MLflow's role and database on a managed server.", EPILOG)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    given = parser.parse_args(argv)
    host, port = address.server_from_env()
    wanted = _wanted()
    admin = administrator.read(require_env(Env.DATABASE_ADMIN_SECRET, "the administrator's secret"))
    if admin.user == wanted.owner:
        raise WorkloadError(f"{Env.DATABASE_OWNER} is the administrator {admin.user!r}: name another.", Exit.USAGE)
    server = Address(host=host, port=port, user=admin.user, name=_MAINTENANCE, password=lambda: admin.password)
    with server.connect(attempts=_ATTEMPTS) as connection:
        changes = ownership.establish(connection, wanted)
    if given.json:
        result = {"owner": wanted.owner, "database": wanted.database, "auth": wanted.auth, "changes": changes}
        print(json.dumps(result))
    else:
        print("\n".join(changes) or f"database {wanted.database} is ready, nothing to do")
    return Exit.OK


def _wanted() -> Ownership:
    way = auth.from_env()
    address.require_plain(Env.DATABASE_OWNER_PASSWORD)
    return Ownership(
        owner=address.identifier_from_env(Env.DATABASE_OWNER, "the role that is to own the database"),
        database=address.identifier_from_env(Env.DATABASE_NAME, "the database to make"),
        auth=way,
        password=require_env(Env.DATABASE_OWNER_PASSWORD, "that role's password") if way is Auth.PASSWORD else None,
    )


if __name__ == "__main__":
    cli.run(main)
