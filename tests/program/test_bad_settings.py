"""A stack with invalid settings stops before its first resource and names the key, the value and what is allowed."""

import json
from pathlib import Path

import pulumi
import pytest
import yaml

import contracts
from infra.settings import reference
from infra.settings.model import Settings
from tests.support.engine import ROOT, STACK_FILES, Graph, run_program, stack_config

LOCAL = ROOT / "stacks" / "Pulumi.local.yaml"
# Any PEM file of certificates.
AUTHORITY = "infra/aws/authorities/eu-west-1.pem"

BAD = [
    ("aegis:databse", {}, "aegis:databse: unknown key; did you mean database?"),
    ("aegis:mlflow", {"worker": 2}, "aegis:mlflow.worker: unknown key; did you mean workers? known keys: minReplicas,"),
    ("aegis:mlflow", {"workers": "four"}, 'aegis:mlflow.workers: got "four"; allowed: server processes of'),
    ("aegis:mlflow", {"workers": "2"}, 'aegis:mlflow.workers: got "2"'),
    ("aegis:mlflow", {"workers": 2.5}, "aegis:mlflow.workers: got 2.5"),
    ("aegis:mlflow", {"workers": True}, "aegis:mlflow.workers: got true"),
    ("aegis:mlflow", {"workers": None}, "aegis:mlflow.workers: got null"),
    ("aegis:mlflow", {"workers": 0}, "aegis:mlflow.workers: got 0"),
    ("aegis:mlflow", {"workers": 17}, "aegis:mlflow.workers: got 17"),
    ("aegis:mlflow", {"minReplicas": 11}, "aegis:mlflow.maxReplicas: got 10; allowed: minReplicas (11) to 50"),
    ("aegis:mlflow", {"maxReplicas": 1}, "aegis:mlflow.maxReplicas: got 1; allowed: minReplicas (2) to 50"),
    ("aegis:mlflow", {"maxReplicas": 18}, "got 18, which needs 162 database connections ((18 + 1"),
    ("aegis:mlflow", {"maxReplicas": 18}, "and the database in the cluster accepts 160; allowed: at most 17"),
    ("aegis:mlflow", {"pool": {"size": 5, "overflow": 10}}, "rollout) x 4 workers x (5 + 10)"),
    ("aegis:mlflow", {"pool": {"size": 0, "overflow": 1}}, "aegis:mlflow.pool.size: got 0; allowed: connections"),
    ("aegis:mlflow", {"minAvailable": 2}, "minAvailable: got 2 with minReplicas 2; allowed: 0 to 1, as"),
    ("aegis:mlflow", {"minReplicas": 1}, "aegis:mlflow.minAvailable: got 1 with minReplicas 1; allowed: 0 to 0"),
    ("aegis:mlflow", {"largestArtifact": "2Gi"}, "tmpSize: got 4Gi, but each of 4 workers may stage an artifact of"),
    ("aegis:mlflow", {"clientNetworks": ["0.0.0.0/0"]}, 'clientNetworks[0]: got "0.0.0.0/0"; allowed: a list of IPv4'),
    ("aegis:mlflow", {"clientNetworks": ["10.0.0.1/8"]}, 'aegis:mlflow.clientNetworks[0]: got "10.0.0.1/8"'),
    ("aegis:teams", [{"name": "a b"}], 'aegis:teams[0].name: got "a b"; allowed: 1 to 58 lower-case letters'),
    ("aegis:teams", [{"name": "nlp"}, {"name": "nlp"}], 'aegis:teams: got "nlp" 2 times; allowed: each name once'),
    ("aegis:teams", [{"nam": "nlp"}], "aegis:teams[0].nam: unknown key; did you mean name?"),
    ("aegis:mlflow", {"memoryTarget": 100}, "aegis:mlflow.memoryTarget: got 100; allowed: percent"),
    ("aegis:mlflow", {"publicHosts": "ml.example.com"}, 'aegis:mlflow.publicHosts: got "ml.example.com"; allowed'),
    ("aegis:mlflow", {"publicHosts": ["ml.example.com", "*"]}, 'aegis:mlflow.publicHosts[1]: got "*"; allowed: a list'),
    ("aegis:mlflow", {"clientNamespaces": ["Not A Label"]}, "aegis:mlflow.clientNamespaces[0]: got"),
    ("aegis:mlflow", {"guardedAliases": ["a,b"]}, 'mlflow.guardedAliases[0]: got "a,b"; allowed: a list of the'),
    ("aegis:mlflow", {"guardedAliases": ["Latest"]}, 'aegis:mlflow.guardedAliases[0]: got "Latest"'),
    ("aegis:mlflow", {"guardedAliases": ["v1"]}, 'aegis:mlflow.guardedAliases[0]: got "v1"'),
    ("aegis:mlflow", {"guardedStages": ["None"]}, 'aegis:mlflow.guardedStages[0]: got "None"; allowed: a list of the'),
    ("aegis:vault", {"minKeyVersion": 0}, "aegis:vault.minKeyVersion: got 0; allowed: the oldest version of the"),
    ("aegis:mlflow", [], "aegis:mlflow: got []; allowed: an object"),
    ("aegis:mlflow", "text", 'aegis:mlflow: got "text"; allowed: an object'),
    ("aegis:logs", {"format": "yaml"}, 'aegis:logs.format: got "yaml"; allowed: text, or json'),
    ("aegis:logs", {"level": "loud"}, 'aegis:logs.level: got "loud"; allowed: debug, info, warning or error'),
    ("aegis:localhost", {"mlflow": 80}, "aegis:localhost.mlflow: got 80; allowed: MLflow: an integer from 1024"),
    ("aegis:localhost", {"mlflow": "5000"}, 'aegis:localhost.mlflow: got "5000"'),
    ("aegis:localhost", {"mlflow": 8200}, "localhost.vault: got 8200, the port of mlflow; allowed: a different port"),
    ("aegis:gateway", {"minReplicas": 11}, "aegis:gateway.maxReplicas: got 10; allowed: minReplicas (11) to 50"),
    ("aegis:gateway", {"minAvailable": 2}, "gateway.minAvailable: got 2 with minReplicas 2; allowed: 0 to 1, as"),
    ("aegis:gateway", {"mlflowTimeout": 0}, "aegis:gateway.mlflowTimeout: got 0; allowed: seconds in which MLflow"),
    ("aegis:gateway", {"cpu": "0.5"}, 'aegis:gateway.cpu: got "0.5"; allowed: the CPU request of a pod, such as 250m'),
    ("aegis:gateway", {"bodyLimit": "1MB"}, 'aegis:gateway.bodyLimit: got "1MB"; allowed: a size such as 1Mi'),
    ("aegis:gateway", {"clientNetworks": ["10.0.0.0/8", "10.1.0.0/16"]}, "gateway.clientNetworks: got 10.0.0.0/8 and"),
    ("aegis:localhost", {"gateway": 5000}, "aegis:localhost.gateway: got 5000, the port of mlflow; allowed: a differ"),
    ("aegis:serving", {"model": []}, "aegis:serving.model: unknown key; did you mean models? known keys: enabled,"),
    ("aegis:serving", {"models": [{"alias": "a"}]}, "aegis:serving.models[0].name: not set; allowed: the name of a"),
    ("aegis:serving", {"models": [{"name": "a@b"}]}, 'aegis:serving.models[0].name: got "a@b"; allowed: the name of'),
    (
        "aegis:serving",
        {"models": [{"name": "a", "alias": "live", "version": 3}]},
        'aegis:serving.models[0].version: got 3 with alias "live"; allowed: only one of the two',
    ),
    ("aegis:serving", {"models": [{"name": "a"}, {"name": "a"}]}, 'serving.models: got "a" 2 times; allowed: each'),
    ("aegis:serving", {"models": [{"name": "a", "version": "3"}]}, 'serving.models[0].version: got "3"; allowed: the'),
    ("aegis:serving", {"models": [{"name": "a", "replicas": 0}]}, "models[0].replicas: got 0; allowed: pods, an inte"),
    (
        "aegis:serving",
        {"models": [{"name": "a", "canary": {"percent": 51}}]},
        "aegis:serving.models[0].canary.percent: got 51; allowed: percent of the requests that it answers",
    ),
    ("aegis:monitoring", {"kind": "prometheus"}, 'aegis:monitoring.kind: got "prometheus"; allowed: none, operator'),
    ("aegis:monitoring", {"kind": "operator"}, "aegis:monitoring.prometheusNamespace: not set; allowed: the namespace"),
    ("aegis:monitoring", {"storage": "9Gi"}, "monitoring.storage: set with kind none; allowed only with kind in-clus"),
    ("aegis:monitoring", {"labels": {"a": "b"}}, "monitoring.labels: set with kind none; allowed only with kind oper"),
    ("aegis:monitoring", {"retentionDays": 2}, "aegis:monitoring.retentionDays: got 2; allowed: in-cluster only: da"),
    ("aegis:monitoring", {"runbooks": "docs"}, 'aegis:monitoring.runbooks: got "docs"; allowed: the URL of the folde'),
    ("aegis:monitoring", {"slo": {"percent": 100}}, "aegis:monitoring.slo.percent: got 100; allowed: percent of the"),
    ("aegis:monitoring", {"slo": {"seconds": 3.0}}, "slo.seconds: got 3.0; allowed: seconds in which they must be"),
    (
        "aegis:monitoring",
        {"kind": "in-cluster", "receivers": {"slack": {"channel": "#ml"}}},
        "aegis:monitoring.receivers.slack.secret: not set; allowed: the name of a Secret in the namespace monitoring",
    ),
    (
        "aegis:monitoring",
        {"kind": "in-cluster", "receivers": {"webhook": {"url": "https://user:word@example.com/a"}}},
        "aegis:monitoring.receivers.webhook.url: got",
    ),
    (
        "aegis:monitoring",
        {
            "kind": "in-cluster",
            "receivers": {"email": {"to": ["a@b.c"], "sender": "a@b.c", "server": "smtp.example.com", "user": "a"}},
        },
        "monitoring.receivers.email.secret: set without user, or not set with it; allowed: both or neither",
    ),
    (
        "aegis:monitoring",
        {
            "kind": "in-cluster",
            "receivers": {"email": {"to": ["a@b.c"], "sender": "a@b.c", "server": "smtp.example.com"}},
        },
        'monitoring.receivers.email.server: got "smtp.example.com"; allowed: a host and a port',
    ),
    (
        "aegis:monitoring",
        {"kind": "in-cluster", "receivers": {"slack": {"secret": "a", "severities": []}}},
        "aegis:monitoring.receivers.slack.severities: got []; allowed: a list of page",
    ),
    ("aegis:egress", {"alerts": ["10.0.0.0/8", "10.1.0.0/16"]}, "egress.alerts: got 10.0.0.0/8 and 10.1.0.0/16, whi"),
    ("aegis:serving", {"delivery": "disk"}, 'aegis:serving.delivery: got "disk"; allowed: volume (a Job downloads'),
    ("aegis:serving", {"enabled": True, "delivery": "image"}, "serving.repository: not set, with delivery image; allo"),
    ("aegis:serving", {"repository": "r.io/a"}, "serving.repository: set with delivery volume; allowed only with deli"),
    ("aegis:serving", {"delivery": "image", "storageClass": "a"}, "serving.storageClass: set with delivery image; all"),
    ("aegis:serving", {"repository": "models"}, 'aegis:serving.repository: got "models"; allowed: image only: a repos'),
    ("aegis:serving", {"repository": "r.io/a:1"}, 'aegis:serving.repository: got "r.io/a:1"; allowed: image only: a'),
    ("aegis:serving", {"unverified": "serve"}, 'aegis:serving.unverified: got "serve"; allowed: keep or remove'),
    ("aegis:serving", {"watch": {"psi": 0}}, "aegis:serving.watch.psi: got 0; allowed: the least population stability"),
    ("aegis:serving", {"kserve": True}, "aegis:serving.kserve: got true; allowed: auto (a model is an Inference"),
    ("aegis:localhost", {"s3": 7000, "s3Console": 7000}, "aegis:localhost.s3Console: got 7000, the port of s3;"),
    ("aegis:database", {"kind": "mysql"}, 'aegis:database.kind: got "mysql"; allowed: in-cluster'),
    ("aegis:database", {"kind": "rds"}, "aegis:aws: not set; allowed: an object with accountId"),
    ("aegis:database", {"kind": "rds"}, 'database.kind: got "rds"; allowed only with cluster.eksName'),
    ("aegis:database", {"version": "16"}, 'aegis:database.version: got "16"; allowed: "15", or with RDS one of its'),
    ("aegis:database", {"version": "16"}, "the image of the workloads has pg_dump 15, which can't dump a newer server"),
    ("aegis:database", {"version": "14"}, 'aegis:database.version: got "14"; allowed: "15"'),
    ("aegis:database", {"version": 15}, 'aegis:database.version: got 15; allowed: "15"'),
    ("aegis:database", {"version": "15."}, 'aegis:database.version: got "15."; allowed: "15"'),
    ("aegis:database", {"version": "15.8\n"}, 'aegis:database.version: got "15.8\\n"; allowed: "15"'),
    ("aegis:database", {"version": "15.8"}, "aegis:database.version: set with kind in-cluster; allowed only with kind"),
    ("aegis:database", {"auth": "iam"}, 'aegis:database.auth: got "iam"; allowed only with kind rds'),
    ("aegis:database", {"multiAz": False}, "multiAz: set with kind in-cluster; allowed only with kind rds"),
    ("aegis:artifactStore", {"kind": "s3"}, "aegis:environment: not set; allowed: an object with name, owner"),
    ("aegis:artifactStore", {"coldAfterDays": 90}, "coldAfterDays: set with kind in-cluster; allowed only with kind"),
    ("aegis:vault", {"kind": "external"}, "aegis:vault.address: not set; allowed: the https address of a Vault"),
    ("aegis:vault", {"address": "http://v"}, 'aegis:vault.address: got "http://v"; allowed: external only: the https'),
    ("aegis:vault", {"authorities": "nowhere.pem"}, 'aegis:vault.authorities: got "nowhere.pem"; allowed: external'),
    ("aegis:vault", {"authorities": "README.md"}, 'authorities: got "README.md"; allowed: external only: the path'),
    ("aegis:vault", {"namespace": "ml"}, "vault.namespace: set with kind in-cluster; allowed only with kind external"),
    ("aegis:vault", {"authorities": AUTHORITY}, "vault.authorities: set with kind in-cluster; allowed only with kind"),
    ("aegis:vault", {"namespace": "/ml"}, 'aegis:vault.namespace: got "/ml"; allowed: external only: the namespace of'),
    ("aegis:vault", {"namespace": "ml/"}, 'aegis:vault.namespace: got "ml/"; allowed: external only: the namespace of'),
    ("aegis:database", {"storage": "20G"}, 'aegis:database.storage: got "20G"; allowed: a volume size from 1Gi'),
    ("aegis:database", {"storage": "512Mi"}, 'aegis:database.storage: got "512Mi"'),
    ("aegis:database", {"storage": "17Ti"}, 'aegis:database.storage: got "17Ti"'),
    ("aegis:database", {"storage": 20}, "aegis:database.storage: got 20"),
    ("aegis:artifactStore", {"kind": "minio"}, 'aegis:artifactStore.kind: got "minio"'),
    ("aegis:artifactStore", {"region": ""}, 'aegis:artifactStore.region: got ""'),
    ("aegis:backup", {"schedule": "nightly"}, 'aegis:backup.schedule: got "nightly"; allowed: five cron fields'),
    ("aegis:backup", {"retentionDays": 0}, "aegis:backup.retentionDays: got 0"),
    ("aegis:backup", {"suspended": "yes"}, 'aegis:backup.suspended: got "yes"; allowed: true or false'),
    ("aegis:vault", {"keyDeletionAllowed": 1}, "aegis:vault.keyDeletionAllowed: got 1"),
    ("aegis:release", {"epochs": 0}, "aegis:release.epochs: got 0"),
    ("aegis:release", {"modelName": "a/b"}, 'aegis:release.modelName: got "a/b"'),
    ("aegis:cluster", {"kubeconfig": "/nowhere"}, 'aegis:cluster.kubeconfig: got "/nowhere"; allowed: the path of'),
    ("aegis:cluster", {"storageClass": "fast disks"}, 'aegis:cluster.storageClass: got "fast disks"'),
    ("aegis:cluster", {"dnsNetworks": ["169.254.20.10/16"]}, 'cluster.dnsNetworks[0]: got "169.254.20.10/16"; allowed'),
    ("aegis:cluster", {"dnsNetworks": ["fd00::a/128"]}, 'aegis:cluster.dnsNetworks[0]: got "fd00::a/128"; allowed'),
    ("aegis:images", {"mlflow": "no-tag"}, 'aegis:images.mlflow: got "no-tag"; allowed: the image of the tracking'),
    ("aegis:images", {"mlflow": "mlflow:1"}, "aegis:images.workloads: not set; allowed:"),
    ("aegis:images", {"mlflow": "m:1", "workloads": "w:1"}, "aegis:images.trainer: not set; allowed:"),
    ("aegis:mlflow", {"max_replicas": 3}, "aegis:mlflow.max_replicas: unknown key; did you mean maxReplicas?"),
    ("aegis:mlflow", {"workers": 16}, "accepts 160; allowed: at most 3, or fewer workers, or more database.memory"),
    ("aegis:mlflow", {"clientNetworks": ["10.0.0.0/16", "10.0.1.0/24"]}, "got 10.0.0.0/16 and 10.0.1.0/24, which"),
    ("aegis:mlflow", {"publicHosts": ["ml.example.com:65536"]}, 'publicHosts[0]: got "ml.example.com:65536"; allowed'),
    ("aegis:cluster", {"storageClass": "aegis-gp3"}, 'storageClass: got "aegis-gp3"; allowed only with gp3Class true'),
    ("aegis:cluster", {"domain": "cluster.local:53"}, 'aegis:cluster.domain: got "cluster.local:53"; allowed: the DNS'),
    ("aegis:vault", {"address": "https://v:65536"}, 'aegis:vault.address: got "https://v:65536"; allowed: external'),
    ("aegis:vault", {"address": "https://v:0"}, 'aegis:vault.address: got "https://v:0"; allowed: external only: the'),
    ("aegis:vault", {"address": "https://-.."}, 'aegis:vault.address: got "https://-.."; allowed: external only: the'),
    ("aegis:promotion", {"enabled": True}, "promotion.policy: not set, with enabled true; allowed: the path of"),
    ("aegis:promotion", {"policy": "none.yaml"}, 'aegis:promotion.policy: got "none.yaml"; allowed: the path'),
    ("aegis:promotion", {"policy": "docs"}, 'aegis:promotion.policy: got "docs"; allowed: the path, relative to the'),
    ("aegis:promotion", {"schedule": "daily"}, 'aegis:promotion.schedule: got "daily"; allowed: five cron fields'),
    ("aegis:backup", {"schedule": "0 25 * * *"}, 'aegis:backup.schedule: got "0 25 * * *"; allowed: five cron fields'),
    ("aegis:teams", [{"name": "nlp", "memory": "64Mi"}], 'teams[0].memory: got "64Mi"; allowed: memory that its pods'),
    ("aegis:trainer", {"nodeSelector": {"a b": "c"}}, 'aegis:trainer.nodeSelector.a b: got "a b"; allowed: an object'),
    ("aegis:trainer", {"nodeSelector": {"x.io/my_pool": "a b"}}, 'nodeSelector.x.io/my_pool: got "a b"; allowed: an'),
    ("aegis:trainer", {"registerModels": "yes"}, 'aegis:trainer.registerModels: got "yes"; allowed: true or false'),
    ("aegis:trainer", {"tolerations": [{"key": "a b"}]}, 'tolerations[0].key: got "a b"; allowed: the taint'),
    (
        "aegis:aws",
        {"accountId": "111111111111", "onlyRepositories": True},
        "aegis:aws.onlyRepositories: got true; allowed only with a resource in AWS",
    ),
    (
        "aegis:aws",
        {"accountId": "111111111111", "endpoint": "http://127.0.0.1:65536"},
        'aegis:aws.endpoint: got "http://127.0.0.1:65536"; allowed: the URL of an emulated AWS API',
    ),
    (
        "aegis:aws",
        {"accountId": "111111111111", "endpoint": "http://127.0.0.256:5555"},
        'aegis:aws.endpoint: got "http://127.0.0.256:5555"; allowed: the URL of an emulated AWS API',
    ),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _surroundings(surroundings: None) -> None:
    pass


def refusal(overrides: dict[str, object]) -> str:
    with pytest.raises(pulumi.RunError) as caught:
        run_program(stack_config(LOCAL, overrides))
    return str(caught.value)


@pytest.mark.parametrize(("key", "value", "line"), BAD, ids=[f"{key} {json.dumps(value)}" for key, value, _ in BAD])
def test_a_bad_setting_is_refused_with_its_key_and_what_is_allowed(key: str, value: object, line: str) -> None:
    assert line in refusal({key: value})


def test_all_problems_are_reported_at_once() -> None:
    message = refusal(
        {"aegis:mlflow": {"workers": 0, "cpuTarget": 5}, "aegis:backup": {"schedule": 2}, "aegis:extra": 1}
    )
    assert message.startswith("The settings of stack local have 4 problems:\n")
    assert len(message.splitlines()) == 5


def test_a_missing_setting_hides_no_other_problem() -> None:
    message = refusal({"aegis:vault": {"kind": "external"}, "aegis:mlflow": {"minAvailable": 2, "tmpSize": "1Gi"}})
    for key in ("vault.address", "vault.kind", "egress.vault", "mlflow.minAvailable", "mlflow.tmpSize"):
        assert f"aegis:{key}: " in message


@pytest.mark.parametrize(
    ("release", "line"),
    [
        (
            {"experiment": "team/digits"},
            'aegis:release.experiment: got "team/digits"; allowed with trainer.registerModels',
        ),
        ({"experiment": "e" * 242}, "allowed with trainer.registerModels: the name of a registered model"),
        ({"experiment": "..e"}, 'aegis:release.experiment: got "..e"; allowed with trainer.registerModels'),
        (
            {"experiment": "e", "modelName": "e_model"},
            'aegis:release.modelName: got "e_model"; allowed with trainer.reg',
        ),
    ],
)
def test_a_trainer_that_registers_needs_names_for_its_models(release: dict[str, str], line: str) -> None:
    assert line in refusal({"aegis:trainer": {"registerModels": True}, "aegis:release": release})
    run_program(stack_config(LOCAL, {"aegis:release": release}))


def test_nothing_is_registered_before_the_settings_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    registered: list[str] = []
    monkeypatch.setattr(pulumi.Resource, "__init__", lambda *args, **_: registered.append(args[2]))
    with pytest.raises(pulumi.RunError):
        run_program(stack_config(LOCAL, {"aegis:mlflow": {"workers": 0}}))
    assert [name for name in registered if name != "aegis-local"] == []


def test_without_a_kubeconfig_the_message_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG")
    message = refusal({})
    assert "aegis:cluster.kubeconfig: not set; allowed: the path of an existing kubeconfig" in message
    assert "KUBECONFIG" in message


def test_a_context_without_a_kubeconfig_is_one_of_the_default_kubeconfig(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    default = tmp_path / ".kube" / "config"
    default.parent.mkdir()
    default.write_text("{}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG")
    monkeypatch.setenv(contracts.CONTEXT_ENV, "kind-kind")
    graph = run_program(stack_config(LOCAL))
    provider = next(each for each in graph.resources if each.type == "pulumi:providers:kubernetes")
    assert (provider.inputs["kubeconfig"], provider.inputs["context"]) == (str(default), "kind-kind")


def test_without_images_the_message_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(contracts.IMAGES_FILE_ENV)
    assert "AEGIS_IMAGES" in refusal({})


@pytest.mark.parametrize("content", ["not json", None])
def test_an_unreadable_images_file_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "other.json"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv(contracts.IMAGES_FILE_ENV, str(path))
    assert str(path) in refusal({})


def test_the_stack_file_wins_over_the_environment(tmp_path: Path) -> None:
    other = tmp_path / "other-kubeconfig"
    other.write_text("{}")
    graph: Graph = run_program(stack_config(LOCAL, {"aegis:cluster": {"kubeconfig": str(other)}}))
    provider = next(each for each in graph.resources if each.type == "pulumi:providers:kubernetes")
    assert provider.inputs["kubeconfig"] == str(other)


def test_the_reference_of_the_settings_is_current() -> None:
    assert reference.PATH.read_text() == reference.text(), "run `make settings`"


def test_the_project_declares_exactly_the_sections_of_the_settings() -> None:
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    assert set(declared) == {field.alias or name for name, field in Settings.model_fields.items()}


def test_every_stack_file_keeps_default_providers_off() -> None:
    for path in STACK_FILES:
        assert stack_config(path)["pulumi:disable-default-providers"] == '["*"]', path.name
