"""Helpers of the backup tests: run commands and SQL on the two servers, and fill and read MLflow as a team would."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3
import psycopg
from mlflow import MlflowClient
from mlflow.entities import Metric
from psycopg import sql

from tests.platform import backup_servers

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Platform:
    """The PostgreSQL server and the S3 server, and the backup commands, run as the CronJob runs them."""

    variables: dict[str, str]

    def run(self, command: str, *arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", f"workloads.backup.{command}", *arguments],
            env=os.environ | self.variables | changed, cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def start(self, command: str, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", f"workloads.backup.{command}", *arguments],
            env=os.environ | self.variables, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def json(self, command: str, *arguments: str, **changed: str) -> Any:
        done = self.run(command, *arguments, "--json", **changed)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def sql(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        dsn = backup_servers.dsn(self.variables | {"PGDATABASE": database})
        with psycopg.connect(dsn, autocommit=True) as connection:
            cursor = connection.execute(sql.SQL(statement))  # pyright: ignore[reportArgumentType] - our own statements
            return cursor.fetchall() if cursor.description else []

    def databases(self) -> set[str]:
        return {name for (name,) in self.sql("SELECT datname FROM pg_database WHERE NOT datistemplate")}

    def mlflow(self, database: str) -> MlflowClient:
        v = self.variables
        uri = f"postgresql+psycopg://{v['PGUSER']}:{quote(v['PGPASSWORD'])}@{v['PGHOST']}:{v['PGPORT']}/{database}"
        return MlflowClient(tracking_uri=uri, registry_uri=uri)

    def store(self) -> Any:
        return boto3.client(
            "s3", endpoint_url=self.variables["AWS_ENDPOINT_URL_S3"], region_name="us-east-1",
            aws_access_key_id=self.variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.variables["AWS_SECRET_ACCESS_KEY"],
        )  # fmt: skip


def fill(client: MlflowClient) -> None:
    """Log a team's data: experiments, runs, metrics, text that needs escaping, and versions of a model."""
    client.create_registered_model("digits", description="of 10 numbers")
    for name in ("digits", "cifar10"):
        experiment = client.create_experiment(name, tags={"team": "vision"})
        for number in range(3):
            run = client.create_run(experiment, run_name=f"{name}-{number}").info.run_id
            client.log_batch(run, metrics=[Metric("val/accuracy", step / 50, step, step) for step in range(50)])
            client.log_metric(run, "broken", float("nan"))
            client.log_param(run, "note", 'a line\nanother\t\\.\n\\.\nCOPY public.runs FROM stdin;\n"žluťoučký"')
            client.set_terminated(run)
            client.create_model_version("digits", f"s3://artifacts/{run}", run_id=run, tags={"signed": "yes"})
    client.set_registered_model_alias("digits", "champion", "2")


def contents(client: MlflowClient) -> dict[str, Any]:
    """Return everything that a user sees, as comparable values."""
    experiments = client.search_experiments()
    runs = client.search_runs([one.experiment_id for one in experiments])
    return {
        "experiments": sorted((one.experiment_id, one.name, str(one.tags)) for one in experiments),
        "runs": sorted(
            (one.info.run_id, one.info.status, str(one.data.params), str(one.data.metrics), str(one.data.tags))
            for one in runs
        ),
        "history": {
            one.info.run_id: [(m.step, m.value) for m in client.get_metric_history(one.info.run_id, "val/accuracy")]
            for one in runs
        },
        "versions": sorted(
            (one.version, one.source, str(one.tags), str(one.aliases)) for one in client.search_model_versions()
        ),
        "champion": client.get_model_version_by_alias("digits", "champion").version,
    }
