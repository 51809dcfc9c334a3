"""Settings of the monitoring."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

import contracts
from infra.capabilities.monitoring import alerts
from infra.capabilities.monitoring.grants import WORKLOAD
from infra.limits.alerts import RUNBOOKS, Alert
from infra.limits.flows import (
    ALERTMANAGER,
    ALERTMANAGER_PODS,
    API_SERVER,
    EXPORTER,
    EXPORTER_PODS,
    POSTGRES_EXPORTER,
    POSTGRES_EXPORTER_PODS,
    PROMETHEUS,
    PROMETHEUS_PODS,
    STATE_METRICS,
    STATE_METRICS_PODS,
    Flow,
    Pods,
    Server,
    outside,
)
from infra.limits.grants import Workload
from infra.limits.scraping import Target
from infra.limits.slo import BOUNDS, Objective
from infra.settings.capability import Capability, aws_flows, only_with
from infra.settings.section import (
    VOLUME_SIZES,
    Host,
    Label,
    NodeLabel,
    NodeLabelValue,
    Section,
    Subdomain,
    VolumeSize,
    WebAddress,
)

if TYPE_CHECKING:
    from infra.settings.model import Settings

_SLACK: Final = "https://hooks.slack.com"
_PAGERDUTY: Final = "https://events.pagerduty.com"
# What an address without a port means.
_HTTP_PORT: Final = 80
# https://kubernetes.io/docs/concepts/configuration/secret/ limits a key to these characters.
_KEY: Final = r"^[-._a-zA-Z0-9]{1,253}$"
_SECRET: Final = "the name of a Secret in the namespace monitoring, which the stack doesn't create"  # noqa: S105 - a text
# Of some 300 figures, those that alerts and dashboards ask for.
_POSTGRES: Final = (
    "pg_(up|settings_max_connections|stat_activity_count|stat_activity_max_tx_duration|database_size_bytes|locks_count"
    "|stat_database_(numbackends|xact_commit|xact_rollback|blks_hit|blks_read|tup_returned|tup_fetched|tup_inserted|tup_updated"
    "|tup_deleted|deadlocks|temp_bytes))"
)
_IN_CLUSTER_ONLY: Final = ("storage", "retention_days", "receivers", "client_namespaces")
_OPERATOR_ONLY: Final = ("prometheus_namespace", "labels")

Key = Annotated[str, Field(pattern=_KEY)]
EmailAddress = Annotated[str, Field(pattern=r"^[^\s@<>,;\"]{1,64}@[^\s@<>,;\"]{1,253}$")]


def _bound(value: float) -> float:
    if value not in BOUNDS:
        raise ValueError("not a bound of the histogram")
    return value


class Receiver(Section):
    """A receiver of alerts."""

    severities: list[Literal["page", "ticket"]] = Field(
        default=["page", "ticket"],
        min_length=1,
        description="a list of page (wakes someone up) and ticket (waits until the morning): the alerts that it gets",
    )

    @property
    def address(self) -> str:
        """The URL of the server that Alertmanager calls."""
        raise NotImplementedError

    @property
    def reference(self) -> tuple[str, str] | None:
        """The name of a Secret and the key in it, None without a secret."""
        raise NotImplementedError


class Webhook(Receiver):
    """Any server that accepts Alertmanager's webhook."""

    url: WebAddress = Field(
        description="an http or https URL without a user, such as https://alerts.example.com/aegis; what is secret "
        "about it belongs in the Secret"
    )
    secret: Subdomain | None = Field(default=None, description=f"{_SECRET}: it holds a bearer token; default: none")
    key: Key = Field(default="token", description="the key of the Secret with the token")

    @property
    def address(self) -> str:
        """The URL of the server that Alertmanager calls."""
        return self.url

    @property
    def reference(self) -> tuple[str, str] | None:
        """The name of a Secret and the key in it, None without a secret."""
        return None if self.secret is None else (self.secret, self.key)


class Slack(Receiver):
    """A channel of Slack."""

    secret: Subdomain = Field(description=f"{_SECRET}: it holds the URL of an incoming webhook")
    key: Key = Field(default="url", description="the key of the Secret with the URL")
    channel: str | None = Field(
        default=None, pattern=r"^[#@][^\s]{1,80}$", description="a channel such as #ml-alerts; default: the webhook's"
    )

    @property
    def address(self) -> str:
        """The URL of the server that Alertmanager calls."""
        return _SLACK

    @property
    def reference(self) -> tuple[str, str]:
        """The name of a Secret and the key in it."""
        return self.secret, self.key


class PagerDuty(Receiver):
    """A service of PagerDuty."""

    secret: Subdomain = Field(description=f"{_SECRET}: it holds an integration key of the Events API v2")
    key: Key = Field(default="routing-key", description="the key of the Secret with the integration key")

    @property
    def address(self) -> str:
        """The URL of the server that Alertmanager calls."""
        return _PAGERDUTY

    @property
    def reference(self) -> tuple[str, str]:
        """The name of a Secret and the key in it."""
        return self.secret, self.key


class Email(Receiver):
    """People, by e-mail."""

    to: list[EmailAddress] = Field(min_length=1, description="a list of e-mail addresses")
    sender: EmailAddress = Field(description="the e-mail address that sends")
    server: Host = Field(description="the host and port of a mail server with TLS, such as smtp.example.com:587")
    user: str | None = Field(
        default=None, pattern=r"^\S+$", description="the user that logs in to the mail server; default: no login"
    )
    secret: Subdomain | None = Field(default=None, description=f"{_SECRET}: it holds that user's password")
    key: Key = Field(default="password", description="the key of the Secret with the password")

    @property
    def address(self) -> str:
        """The URL of the server that Alertmanager calls."""
        return f"smtp://{self.server}"

    @property
    def reference(self) -> tuple[str, str] | None:
        """The name of a Secret and the key in it, None without a secret."""
        return None if self.secret is None else (self.secret, self.key)


class Receivers(Section):
    """Who gets alerts, at most one of each kind. Without any, alerts are only shown."""

    webhook: Webhook | None = Field(default=None, description="an object")
    slack: Slack | None = Field(default=None, description="an object")
    pagerduty: PagerDuty | None = Field(default=None, description="an object")
    email: Email | None = Field(default=None, description="an object")

    def all(self) -> dict[str, Receiver]:
        """Return the receivers by their kind."""
        kinds: dict[str, Receiver | None] = {
            "webhook": self.webhook,
            "slack": self.slack,
            "pagerduty": self.pagerduty,
            "email": self.email,
        }
        return {kind: receiver for kind, receiver in kinds.items() if receiver is not None}


class Slo(Section):
    """The objective of the tracking server's answers. Alerts say how fast the allowed rest is used up."""

    percent: float = Field(
        default=99.5,
        ge=90,
        le=99.99,
        description="percent of the requests that must be answered in time and without an error of the server, a "
        "number from 90 to 99.99",
    )
    seconds: Annotated[float, AfterValidator(_bound)] = Field(
        default=2.0,
        description=f"seconds in which they must be answered, one of {', '.join(f'{bound:g}' for bound in BOUNDS)}",
    )

    @property
    def objective(self) -> Objective:
        """The objective with which the alerts compute."""
        return Objective(percent=self.percent, seconds=self.seconds)


class Monitoring(Capability):
    """Metrics, alerts and who gets them."""

    kind: Literal["none", "operator", "in-cluster"] = Field(
        default="none",
        description="none, operator (objects for a Prometheus operator that the cluster has) or in-cluster "
        "(Prometheus and Alertmanager as StatefulSets)",
    )
    storage: VolumeSize = Field(
        default="5Gi", description=f"in-cluster only: {VOLUME_SIZES}, such as 5Gi; can't be changed later"
    )
    retention_days: int = Field(
        default=15, ge=3, le=365, description="in-cluster only: days to keep the figures, an integer from 3 to 365"
    )
    receivers: Receivers = Field(default=Receivers(), description="in-cluster only: an object")
    client_namespaces: list[Label] = Field(
        default=[],
        description="in-cluster only: a list of the namespaces whose pods may reach Prometheus and Alertmanager, such "
        "as Grafana's",
    )
    prometheus_namespace: Label | None = Field(
        default=None, description="operator only: the namespace of the pods of Prometheus; required"
    )
    labels: dict[NodeLabel, NodeLabelValue] = Field(
        default={},
        description="operator only: an object of labels by which Prometheus selects monitors and rules, such as "
        "{release: kube-prometheus-stack}",
    )
    runbooks: WebAddress | None = Field(
        default=None,
        description=f"the URL of the folder {RUNBOOKS}, where alerts link to, such as "
        "https://git.example.com/ml/aegis/blob/main/docs/runbooks; default: the path in the repository",
    )
    certificate_hosts: list[Host] = Field(
        default=[],
        description="a list of host names whose TLS certificates are watched, with the port unless it is 443, such as "
        "mlflow.example.com; pods must reach them",
    )
    slo: Slo = Field(default=Slo(), description="an object")

    @property
    def enabled(self) -> bool:
        """True if a Prometheus reads the platform's figures."""
        return self.kind != "none"

    @property
    def runbook_folder(self) -> str:
        """The folder or site that alerts link to."""
        return self.runbooks or RUNBOOKS

    def asks_postgres(self, settings: "Settings") -> bool:
        """Whether PostgreSQL's exporter runs. It can't log in by the tokens of a role."""
        return self.enabled and settings.database.auth == "password"

    def needs_image(self, settings: "Settings") -> bool:
        """Whether the stack runs a container of the image `monitoring`."""
        return self.kind == "in-cluster" or self.asks_postgres(settings)

    def problems(self, settings: "Settings") -> Iterator[str]:  # noqa: ARG002 - needs only its own section
        """Yield a line for each problem of the monitoring's settings."""
        yield from only_with("monitoring", self, self.kind, "in-cluster", _IN_CLUSTER_ONLY)
        yield from only_with("monitoring", self, self.kind, "operator", _OPERATOR_ONLY)
        if self.kind == "operator" and self.prometheus_namespace is None:
            yield "monitoring.prometheusNamespace: not set; allowed: the namespace of the pods of Prometheus"
        email = self.receivers.email
        if email is not None and (email.user is None) != (email.secret is None):
            yield "monitoring.receivers.email.secret: set without user, or not set with it; allowed: both or neither"
        if email is not None and ":" not in email.server:
            yield f'monitoring.receivers.email.server: got "{email.server}"; allowed: a host and a port'

    def targets(self, settings: "Settings") -> Iterator[Target]:
        """Yield the exporters, and what the monitoring says of itself."""
        if self.enabled:
            yield Target(job="exporter", server=EXPORTER, keep="aegis_.*")
        if self.asks_postgres(settings):
            yield Target(job="postgres", server=POSTGRES_EXPORTER, keep=_POSTGRES)
        if self.kind == "in-cluster":
            yield Target(job="kube-state-metrics", server=STATE_METRICS, own_labels=True)
            yield Target(job="alertmanager", server=ALERTMANAGER, keep="alertmanager_(alerts|notifications.*)")

    def flows(self, settings: "Settings") -> Iterator[Flow]:
        """Yield the flows of Prometheus and of the exporters to what they read, and those of alerts to receivers."""
        if self.enabled:
            yield from self._exporter_flows(settings)
        if self.kind == "operator" and self.prometheus_namespace is not None:
            prometheus = Pods(self.prometheus_namespace)
            yield from (Flow(prometheus, target.server) for target in settings.targets())
        if self.kind != "in-cluster":
            return
        yield from (Flow(PROMETHEUS_PODS, target.server) for target in settings.targets())
        yield Flow(PROMETHEUS_PODS, ALERTMANAGER)
        yield from (Flow(STATE_METRICS_PODS, server) for server in API_SERVER)
        for receiver in self.receivers.all().values():
            yield Flow(ALERTMANAGER_PODS, _server(receiver.address, settings.egress.alerts))
        for namespace in self.client_namespaces:
            yield Flow(Pods(namespace), PROMETHEUS)
            yield Flow(Pods(namespace), ALERTMANAGER)

    def _exporter_flows(self, settings: "Settings") -> Iterator[Flow]:
        yield Flow(EXPORTER_PODS, settings.database.server)
        yield Flow(EXPORTER_PODS, settings.artifact_store.server(settings))
        yield Flow(EXPORTER_PODS, settings.vault.server(settings))
        yield from aws_flows(settings, EXPORTER_PODS, WORKLOAD)
        yield from (Flow(EXPORTER_PODS, outside(f"https://{host}", ())) for host in self.certificate_hosts)
        if self.asks_postgres(settings):
            yield Flow(POSTGRES_EXPORTER_PODS, settings.database.server)

    def identities(self, settings: "Settings") -> Iterator[Workload]:  # noqa: ARG002 - needs only its own section
        """Yield the exporter."""
        if self.enabled:
            yield WORKLOAD

    def alerts(self, settings: "Settings") -> Iterator[Alert]:
        """Yield the alerts that belong to no single capability."""
        namespaces = self._namespaces(settings)
        yield alerts.restarting(namespaces)
        if not self.enabled:
            return
        # That MLflow doesn't answer has an alert of its own.
        yield alerts.unread([target.job for target in settings.targets() if target.job != "mlflow"])
        yield alerts.stale()
        if settings.mlflow.guarded_aliases:
            yield alerts.unsigned(settings.mlflow.guarded_aliases)
        if self.certificate_hosts:
            yield alerts.certificate()
        yield alerts.undelivered() if self.kind == "in-cluster" else alerts.volume_full(namespaces)

    def _namespaces(self, settings: "Settings") -> list[str]:
        """Return the platform's own namespaces."""
        there = {
            contracts.MLFLOW_NAMESPACE: True,
            contracts.VAULT_NAMESPACE: settings.vault.kind == "in-cluster",
            contracts.SERVING_NAMESPACE: settings.serving.enabled,
            contracts.MONITORING_NAMESPACE: self.kind == "in-cluster",
        }
        return [name for name, is_there in there.items() if is_there]


def _server(address: str, networks: Sequence[str]) -> Server:
    """Return the server outside the cluster that an address names."""
    split = urlsplit(address)
    port = f":{_HTTP_PORT}" if split.scheme == "http" and split.port is None else ""
    return outside(f"//{split.netloc}{port}", networks)
