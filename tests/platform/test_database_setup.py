"""The set-up of a managed database on a real PostgreSQL server, whose administrator isn't a superuser, as on RDS.

Like RDS, the server rejects passwords of direct and indirect members of `rds_iam`.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from contracts import Exit
from tests.platform import backup_servers as servers
from workloads.cli import WorkloadError
from workloads.database import ownership
from workloads.database.address import Address
from workloads.database.login import Auth
from workloads.database.ownership import Ownership

PASSWORD = "owner's password"
BY_PASSWORD = Ownership(owner="mlflow", database="mlflow_data", auth=Auth.PASSWORD, password=PASSWORD)
BY_TOKEN = Ownership(owner="mlflow", database="mlflow_data", auth=Auth.IAM)


@pytest.fixture(scope="module")
def superuser() -> Iterator[psycopg.Connection]:
    with (
        servers.postgres("rdsadmin") as variables,
        psycopg.connect(servers.dsn(variables | {"PGDATABASE": "postgres"}), autocommit=True) as connection,
    ):
        rules = Path(setting(connection, "hba_file"))
        rules.write_text("host all +rds_iam all reject\n" + rules.read_text())
        connection.execute("ALTER SYSTEM SET log_statement = 'all'")
        connection.execute("SELECT pg_reload_conf()")
        yield connection


@pytest.fixture
def administrator(superuser: psycopg.Connection) -> Iterator[Address]:
    """Create an administrator as RDS does, on a server with only RDS's role."""
    superuser.execute("CREATE ROLE rds_iam NOLOGIN")
    superuser.execute("CREATE ROLE administrator LOGIN CREATEDB CREATEROLE PASSWORD 'administrator'")
    yield login(superuser, "administrator", "administrator")
    for database in ("mlflow_data", "restored"):
        superuser.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
    superuser.execute("DROP ROLE IF EXISTS mlflow, other, administrator, rds_iam")


def setting(connection: psycopg.Connection, name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
    assert row is not None
    return row[0]


def login(superuser: psycopg.Connection, user: str, password: str, name: str = "postgres") -> Address:
    info = superuser.info
    return Address(host=info.host, port=info.port, user=user, name=name, password=lambda: password)


def establish(administrator: Address, requested: Ownership) -> list[str]:
    with administrator.connect(attempts=1) as connection:
        return ownership.establish(connection, requested)


def refused(address: Address) -> str:
    with pytest.raises(WorkloadError) as error, address.connect(attempts=1):
        pass
    return str(error.value)


def test_the_owner_logs_in_by_its_password_and_owns_its_database(
    superuser: psycopg.Connection, administrator: Address
) -> None:
    establish(administrator, BY_PASSWORD)
    with login(superuser, "mlflow", PASSWORD, "mlflow_data").connect(attempts=1) as connection:
        connection.execute("CREATE TABLE runs (id int)")
        connection.execute("CREATE DATABASE restored")


def test_a_second_run_changes_nothing(administrator: Address) -> None:
    assert establish(administrator, BY_TOKEN) != []
    assert establish(administrator, BY_TOKEN) == []


def test_the_administrator_keeps_no_membership_and_its_own_login(
    superuser: psycopg.Connection, administrator: Address
) -> None:
    establish(administrator, BY_TOKEN)
    members = "SELECT member::regrole::text FROM pg_auth_members WHERE roleid = 'mlflow'::regrole"
    assert superuser.execute(members).fetchall() == []
    with administrator.connect(attempts=1):
        pass


def test_other_roles_cannot_connect_to_the_database(superuser: psycopg.Connection, administrator: Address) -> None:
    establish(administrator, BY_PASSWORD)
    superuser.execute("CREATE ROLE other LOGIN PASSWORD 'other'")
    assert "permission denied for database" in refused(login(superuser, "other", "other", "mlflow_data"))
    assert "permission denied for database" in refused(replace(administrator, name="mlflow_data"))


def test_a_switch_to_tokens_disables_the_password_and_a_switch_back_enables_it(
    superuser: psycopg.Connection, administrator: Address
) -> None:
    owner = login(superuser, "mlflow", PASSWORD, "mlflow_data")
    establish(administrator, BY_PASSWORD)
    establish(administrator, BY_TOKEN)
    assert "rejects connection" in refused(owner)
    establish(administrator, BY_PASSWORD)
    with owner.connect(attempts=1):
        pass


def test_the_database_of_a_killed_set_up_is_completed(superuser: psycopg.Connection, administrator: Address) -> None:
    with administrator.connect(attempts=1) as connection:
        connection.execute("CREATE DATABASE mlflow_data")
    establish(administrator, BY_PASSWORD)
    owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'mlflow_data'"
    assert superuser.execute(owner).fetchone() == ("mlflow",)


def test_an_administrator_that_would_lose_its_login_is_refused(
    superuser: psycopg.Connection, administrator: Address
) -> None:
    establish(administrator, BY_PASSWORD)
    superuser.execute("GRANT mlflow TO administrator")
    with pytest.raises(WorkloadError, match=r"administrator is a member of mlflow: .* could no longer log in") as error:
        establish(administrator, BY_TOKEN)
    assert error.value.code == Exit.DATABASE
    with administrator.connect(attempts=1):
        pass


def test_a_server_without_iam_authentication_is_refused(superuser: psycopg.Connection, administrator: Address) -> None:
    superuser.execute("DROP ROLE rds_iam")
    with pytest.raises(WorkloadError, match="no role rds_iam"):
        establish(administrator, BY_TOKEN)


def test_no_password_is_in_the_log_of_the_server(superuser: psycopg.Connection, administrator: Address) -> None:
    establish(administrator, BY_PASSWORD)
    log = (Path(setting(superuser, "data_directory")).parent / "log").read_text()
    assert 'ALTER ROLE "mlflow" PASSWORD' in log
    assert PASSWORD.replace("'", "''") not in log
    assert PASSWORD not in log
