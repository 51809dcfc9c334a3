"""Every check passes on a sound installation, and finds its fault on one that has it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from contracts import RECONCILER_PORT
from local.doctor import runner
from local.doctor.checks import CHECKS
from local.doctor.site import Answer, Certificate
from local.doctor.verdict import NoAnswerError, Result, State
from local.processes import State as ProcessState
from tests.support import fake_site
from tests.support.fake_site import HOST, NOW, FakeSite, stamp

BY_NAME = {check.name: check for check in CHECKS}
ERROR, WARNING, UNKNOWN, ABSENT = State.ERROR, State.WARNING, State.UNKNOWN, State.ABSENT
DEAD = NoAnswerError("refused")


def look(name: str, site: FakeSite) -> Result:
    return runner.judge(BY_NAME[name], site)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_sound_installation_passes(name: str) -> None:
    result = look(name, FakeSite())
    assert (result.state, result.remedy) == (State.OK, None), result


def no_memory(site: FakeSite) -> None:
    site.space = replace(site.space, free=1)


def full_disk(site: FakeSite) -> None:
    site.folders = [replace(site.folders[0], free=1)]


def nearly_full_disk(site: FakeSite) -> None:
    site.folders = [replace(site.folders[0], free=6 * 1024**3)]


def dead_process(site: FakeSite) -> None:
    site.processes = [replace(site.processes[0], state=ProcessState.DEAD)]


def dead_api_server(site: FakeSite) -> None:
    del site.api["/version"]


def empty_cluster(site: FakeSite) -> None:
    site.objects = []


def node_condition(kind: str, status: str) -> Callable[[FakeSite], None]:
    def set_it(site: FakeSite) -> None:
        for condition in site.api["/api/v1/nodes"]["items"][0]["status"]["conditions"]:
            if condition["type"] == kind:
                condition["status"] = status

    return set_it


def broken_off(site: FakeSite) -> None:
    site.state["pending_operations"] = [{"resource": fake_site.resource("Deployment", "mlflow", "mlflow")}]


def left_over(site: FakeSite) -> None:
    site.state["resources"].append(fake_site.resource("Deployment", "mlflow", "old") | {"delete": True})


def deleted_by_hand(site: FakeSite) -> None:
    site.objects.remove(site.named("Deployment", "mlflow"))


def unready(site: FakeSite) -> None:
    site.named("StatefulSet", "postgres")["status"]["readyReplicas"] = 1


def scaled_to_0(site: FakeSite) -> None:
    site.named("Deployment", "gateway")["spec"]["replicas"] = 0


def crashing(site: FakeSite) -> None:
    site.named("Pod", "mlflow-1")["status"]["containerStatuses"][0]["state"] = {
        "waiting": {"reason": "CrashLoopBackOff"}
    }


def unscheduled(site: FakeSite) -> None:
    site.named("Pod", "mlflow-1")["status"] = {"phase": "Pending"}


def restarted(site: FakeSite) -> None:
    last = site.named("Pod", "mlflow-1")["status"]["containerStatuses"][0]["lastState"]
    last["terminated"]["finishedAt"] = stamp(0.5)


def other_image(site: FakeSite) -> None:
    site.named("Deployment", "gateway")["spec"]["template"]["spec"]["containers"][0]["image"] = "other:2"


def failed_update(site: FakeSite) -> None:
    site.named("Job", "upgrade-1")["status"]["conditions"] = [{"type": "Failed", "status": "True"}]


def failed_backup(site: FakeSite) -> None:
    failed_update(site)
    site.named("Job", "upgrade-1")["status"]["startTime"] = stamp(1)
    site.named("Job", "upgrade-1")["metadata"]["ownerReferences"] = [{"kind": "CronJob", "name": "backup"}]


def suspended(site: FakeSite) -> None:
    site.named("CronJob", "backup")["spec"]["suspend"] = True


def unbound(site: FakeSite) -> None:
    site.named("PersistentVolumeClaim", "data-postgres-0")["status"]["phase"] = "Pending"


def volume_left(percent: int) -> Callable[[FakeSite], None]:
    def set_it(site: FakeSite) -> None:
        pods = site.api["/api/v1/nodes/node/proxy/stats/summary"]["pods"]
        pods[0]["volume"][0]["availableBytes"] = percent

    return set_it


def silent_node(site: FakeSite) -> None:
    site.api["/api/v1/nodes/node/proxy/stats/summary"] = DEAD


def no_sizes(site: FakeSite) -> None:
    site.api["/api/v1/nodes/node/proxy/stats/summary"] = {"pods": []}


def no_metrics(site: FakeSite) -> None:
    site.named("HorizontalPodAutoscaler", "mlflow")["status"]["conditions"] = []


def at_maximum(site: FakeSite) -> None:
    site.named("HorizontalPodAutoscaler", "mlflow")["status"]["currentReplicas"] = 3


def blocked(site: FakeSite) -> None:
    site.named("PodDisruptionBudget", "mlflow")["status"]["disruptionsAllowed"] = 0


def open_namespace(site: FakeSite) -> None:
    site.objects.remove(site.named("NetworkPolicy", "default-deny"))


def network(outcome: str) -> Callable[[FakeSite], None]:
    def set_it(site: FakeSite) -> None:
        site.scripts["network"] = lambda _: outcome

    return set_it


def half_known(site: FakeSite) -> None:
    """Let pods reach the gateway, and not know the name of the reconciler."""
    site.objects.append(fake_site.thing("Service", "serving", "serving-reconciler"))
    site.scripts["network"] = lambda target: "open" if target.startswith("gateway") else "unknown name"


def neighbour_down(site: FakeSite) -> None:
    site.named("Deployment", "gateway")["status"]["readyReplicas"] = 0


def answer(url: str, said: Answer | Exception) -> Callable[[FakeSite], None]:
    def set_it(site: FakeSite) -> None:
        assert url in site.answers
        site.answers[url] = said

    return set_it


def no_name(site: FakeSite) -> None:
    site.names = {}


def certificate_days(days: int) -> Callable[[FakeSite], None]:
    def set_it(site: FakeSite) -> None:
        end = site.cluster_certificates["apiserver"] = NOW + timedelta(days=days)
        site.certificates[HOST] = Certificate(end=end)

    return set_it


def refused(reason: str, *, of_another_host: bool) -> Callable[[FakeSite], None]:
    def set_it(site: FakeSite) -> None:
        sound = site.certificates[HOST]
        site.certificates[HOST] = replace(sound, refusal=reason, of_another_host=of_another_host)

    return set_it


def told(script: str, **facts: object) -> Callable[[FakeSite], None]:
    def set_it(site: FakeSite) -> None:
        assert facts.keys() <= site.scripts[script].keys()
        site.scripts[script] |= facts

    return set_it


def silent(script: str) -> Callable[[FakeSite], None]:
    def set_it(site: FakeSite) -> None:
        site.scripts[script] = DEAD

    return set_it


def old_backup(site: FakeSite) -> None:
    site.named("CronJob", "backup")["status"]["lastSuccessfulTime"] = stamp(27)


def scheduled(schedule: str) -> Callable[[FakeSite], None]:
    def set_it(site: FakeSite) -> None:
        site.named("CronJob", "backup")["spec"]["schedule"] = schedule

    return set_it


def never_backed_up(site: FakeSite) -> None:
    site.named("CronJob", "backup")["status"] = {}


def backup_state(state: str) -> Callable[[FakeSite], None]:
    def set_it(site: FakeSite) -> None:
        site.commands["workloads.backup.list"][0]["state"] = state

    return set_it


def backups_deleted(site: FakeSite) -> None:
    site.commands["workloads.backup.list"] = []


def no_token(site: FakeSite) -> None:
    del site.stack_outputs["vault_root_token"]


def other_keys(site: FakeSite) -> None:
    site.named("ConfigMap", "signing-keys")["data"] = {"signing-keys.pem": "another"}


def alias(*, guarded: bool) -> Callable[[FakeSite], None]:
    def set_it(site: FakeSite) -> None:
        site.scripts["signatures"]["aliases"][0] |= {"guarded": guarded, "reason": "it is not signed"}

    return set_it


def served(version: str | None) -> Callable[[FakeSite], None]:
    def set_it(site: FakeSite) -> None:
        site.scripts["served"][0] |= {"served_version": version, "state": "refused", "reason": "it is not signed"}

    return set_it


def unverified(site: FakeSite) -> None:
    site.scripts["served"][0] |= {"verified": False, "reason": "its key isn't trusted"}


MLFLOW, S3, VAULT = fake_site.MLFLOW, fake_site.S3, fake_site.VAULT
KEY, HEALTH = f"{VAULT}/v1/transit/keys/aegis-cosign", f"{VAULT}/v1/sys/health?standbyok=true&perfstandbyok=true"
OBJECT = f"{S3}/mlflow-artifacts/mlflow/0/model%20a.pkl"
EXPERIMENTS = f"{MLFLOW}/api/2.0/mlflow/experiments/search?max_results=1"
EXPORTABLE = '{"data": {"exportable": true, "latest_version": 2, "min_decryption_version": 1}}'

FAULTS: list[tuple[str, Callable[[FakeSite], None], State, str]] = [
    ("memory", no_memory, WARNING, "0.0 GiB of 8.0 GiB"),
    ("disk", full_disk, ERROR, "/root: 0.0 GiB of 60.0 GiB"),
    ("disk", nearly_full_disk, WARNING, "/root: 6.0 GiB of 60.0 GiB"),
    ("processes", dead_process, ERROR, "etcd: dead"),
    ("API server", dead_api_server, ERROR, "nothing answers /version"),
    ("API server", empty_cluster, ERROR, "not installed"),
    ("nodes", node_condition("Ready", "Unknown"), ERROR, "1 of 1 nodes"),
    ("node pressure", node_condition("DiskPressure", "True"), ERROR, "node has DiskPressure"),
    ("pending operations", broken_off, ERROR, "mlflow-server"),
    ("replaced resources", left_over, WARNING, "old-server"),
    ("stack objects", deleted_by_hand, ERROR, "Deployment mlflow/mlflow"),
    ("workloads", unready, ERROR, "mlflow/postgres: 1 of 2 replicas ready"),
    ("workloads", scaled_to_0, WARNING, "scaled to 0 pods (mlflow/gateway)"),
    ("pods", crashing, ERROR, "mlflow/mlflow-1: CrashLoopBackOff"),
    ("pods", unscheduled, ERROR, "mlflow/mlflow-1: Pending"),
    ("restarts", restarted, WARNING, "mlflow/mlflow-1: OOMKilled, 1 restarts"),
    ("images", other_image, WARNING, "mlflow/gateway runs other:2"),
    ("Jobs", failed_update, ERROR, "mlflow/upgrade-1"),
    ("Jobs", failed_backup, WARNING, "mlflow/upgrade-1"),
    ("CronJobs", suspended, WARNING, "mlflow/backup"),
    ("volumes", unbound, ERROR, "mlflow/data-postgres-0"),
    ("volume usage", volume_left(10), WARNING, "mlflow/data-postgres-0: 90%"),
    ("volume usage", volume_left(1), ERROR, "mlflow/data-postgres-0: 99%"),
    ("volume usage", no_sizes, UNKNOWN, "tell no sizes"),
    ("volume usage", silent_node, UNKNOWN, "tell no sizes of the volumes: node: refused"),
    ("autoscaler metrics", no_metrics, WARNING, "mlflow/mlflow"),
    ("autoscaler limits", at_maximum, WARNING, "mlflow/mlflow: 3 pods"),
    ("disruption budgets", blocked, WARNING, "mlflow/mlflow"),
    ("network policies", open_namespace, ERROR, "mlflow"),
    ("policy enforcement", network("open"), ERROR, "reaches gateway.mlflow.svc:8080"),
    ("policy enforcement", half_known, ERROR, "reaches gateway.mlflow.svc:8080"),
    ("policy enforcement", neighbour_down, UNKNOWN, "no server is ready at gateway.mlflow.svc:8080"),
    ("policy enforcement", network("unknown name"), UNKNOWN, "can't look up gateway.mlflow.svc"),
    ("servers inside", network("unknown name"), ERROR, "postgres.mlflow.svc:5432: unknown name"),
    ("MLflow", answer(f"{MLFLOW}/health", DEAD), ERROR, "refused"),
    (
        "MLflow API",
        answer(EXPERIMENTS, Answer(status=503, text="no database")),
        ERROR,
        "answers 503 (no database)",
    ),
    ("MLflow API", answer(EXPERIMENTS, Answer(status=200, text='{"login": "/"}')), ERROR, "answers 200 ({"),
    ("MLflow API", answer(EXPERIMENTS, Answer(status=200, text="<html>{}")), ERROR, "answers 200 (<html>"),
    ("MLflow page", answer(f"{MLFLOW}/", Answer(status=200, text="not built")), ERROR, "not built"),
    ("gateway", answer(f"{fake_site.GATEWAY}/readyz", Answer(status=503)), ERROR, "answers 503"),
    ("public names", no_name, ERROR, HOST),
    ("certificates", certificate_days(20), WARNING, f"{HOST}:443: 2026-12-11"),
    ("certificates", certificate_days(-1), ERROR, "has expired"),
    ("certificates", refused("mismatch", of_another_host=True), ERROR, f"{HOST}:443: mismatch"),
    ("certificates", refused("self-signed", of_another_host=False), WARNING, f"{HOST}:443: self-signed"),
    ("cluster certificates", certificate_days(20), WARNING, "apiserver: 2026-12-11"),
    (
        "clocks",
        told("database", database_clock=NOW.timestamp() - 30),
        WARNING,
        "database against MLflow is 30 s behind",
    ),
    ("clocks", told("store", store_clock=NOW.timestamp() + 3600), ERROR, "store against MLflow is 3600 s ahead"),
    (
        "clocks",
        answer(f"{MLFLOW}/health", Answer(status=200, date=NOW, asked_at=NOW + timedelta(seconds=20))),
        WARNING,
        "MLflow against this machine is 20 s behind",
    ),
    ("database", silent("database"), ERROR, "refused"),
    ("schema", told("database", head="def"), ERROR, "it is at abc, MLflow needs def"),
    ("connections", told("database", connections=130), WARNING, "130 of 160"),
    ("connections", told("database", connections=159), ERROR, "159 of 160"),
    ("connection budget", told("database", most_connections=100), WARNING, "= 154, and it accepts 100"),
    ("backup age", old_backup, ERROR, "27.0 h ago"),
    ("backup age", never_backed_up, ERROR, "none succeeded in the 48.0 h"),
    ("backup age", scheduled("@every 6h"), UNKNOWN, "doesn't know the schedule `@every 6h`"),
    ("backup verified", backup_state("complete"), ERROR, "20261121T020000Z-1a2b3c4d"),
    ("backup verified", backups_deleted, ERROR, "no backup"),
    ("object store", silent("store"), ERROR, "refused"),
    (
        "bucket access",
        answer(f"{S3}/mlflow-backups?list-type=2&max-keys=1", Answer(status=200)),
        ERROR,
        "list or read buckets (mlflow-backups)",
    ),
    ("bucket access", answer(OBJECT, Answer(status=200)), ERROR, "list or read buckets (mlflow-artifacts)"),
    ("bucket access", answer(OBJECT, Answer(status=503)), UNKNOWN, "mlflow-artifacts answers 503"),
    (
        "bucket access",
        answer(f"{S3}/mlflow-releases?list-type=2&max-keys=1", Answer(status=404)),
        UNKNOWN,
        "mlflow-releases answers 404",
    ),
    ("presigned addresses", answer(fake_site.PRESIGNED, DEAD), ERROR, "refused"),
    (
        "presigned addresses",
        answer(fake_site.PRESIGNED, Answer(status=403)),
        ERROR,
        "artifacts.example.com answers 403",
    ),
    ("Vault", answer(HEALTH, Answer(status=503)), ERROR, "it is sealed"),
    ("Vault", answer(HEALTH, DEAD), ERROR, "refused"),
    ("signing key", answer(KEY, Answer(status=404)), ERROR, "transit/aegis-cosign is missing"),
    (
        "signing key",
        answer(KEY, Answer(status=503)),
        UNKNOWN,
        "Vault answers 503 for transit/aegis-cosign: it is sealed",
    ),
    ("signing key", answer(KEY, Answer(status=403)), UNKNOWN, "refuses the stack's token"),
    ("signing key", answer(KEY, Answer(status=500)), UNKNOWN, "the key may be there"),
    ("signing key", answer(KEY, Answer(status=200, text=EXPORTABLE)), ERROR, "can be exported"),
    ("signing key", no_token, UNKNOWN, "no token of Vault"),
    ("published keys", other_keys, ERROR, "mlflow"),
    ("signatures", alias(guarded=True), ERROR, "m@champion: it is not signed"),
    ("signatures", alias(guarded=False), WARNING, "m@champion: it is not signed"),
    ("signatures", told("signatures", unchecked=2), WARNING, "2 of 3 versions under an alias were not checked"),
    ("served models", served("0"), WARNING, "m: refused, it is not signed"),
    ("served models", unverified, WARNING, "m: serving, its key isn't trusted"),
    ("served models", served(None), ERROR, "m: refused, it is not signed"),
]


@pytest.mark.parametrize(("name", "break_it", "state", "words"), FAULTS, ids=[f"{f[0]}-{f[3]}" for f in FAULTS])
def test_a_fault_is_found_with_its_severity_and_evidence(
    name: str, break_it: Callable[[FakeSite], None], state: State, words: str
) -> None:
    site = FakeSite()
    break_it(site)
    result = look(name, site)
    assert result.state is state, result
    assert words in f"{result.detail} ({result.evidence})"


@pytest.mark.parametrize("name", BY_NAME)
def test_every_check_has_a_fault_that_it_finds(name: str) -> None:
    assert [fault for fault in FAULTS if fault[0] == name and fault[2] in (ERROR, WARNING)]


@pytest.mark.parametrize(("name", "break_it", "state", "words"), [f for f in FAULTS if f[2] in (ERROR, WARNING)])
def test_every_problem_has_a_remedy(name: str, break_it: Callable[[FakeSite], None], state: State, words: str) -> None:
    site = FakeSite()
    break_it(site)
    assert look(name, site).remedy


def without(kind: str, name: str) -> Callable[[FakeSite], None]:
    def remove(site: FakeSite) -> None:
        site.objects.remove(site.named(kind, name))

    return remove


def nothing_direct(site: FakeSite) -> None:
    site.scripts["store"]["direct"] = False


def elsewhere(site: FakeSite) -> None:
    site.embedded = False


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("gateway", without("Deployment", "gateway")),
        ("served models", without("Deployment", "serving-reconciler")),
        ("autoscaler metrics", without("HorizontalPodAutoscaler", "mlflow")),
        ("backup age", without("CronJob", "backup")),
        ("presigned addresses", nothing_direct),
        ("memory", elsewhere),
        ("cluster certificates", elsewhere),
    ],
)
def test_what_is_not_installed_is_neither_passed_nor_failed(name: str, change: Callable[[FakeSite], None]) -> None:
    site = FakeSite()
    change(site)
    assert look(name, site).state is ABSENT


@pytest.mark.parametrize(
    ("schedule", "hours"), [("0 2 * * *", 26), ("0 2 * * 0", 170), ("0 2 1 * *", 746), ("@daily", 26), ("@weekly", 170)]
)
def test_a_backup_may_be_as_old_as_its_schedule_allows(schedule: str, hours: int) -> None:
    site = FakeSite()
    cron_job = site.named("CronJob", "backup")
    cron_job["spec"]["schedule"] = schedule
    cron_job["status"]["lastSuccessfulTime"] = stamp(hours - 0.1)
    assert look("backup age", site).state is State.OK
    cron_job["status"]["lastSuccessfulTime"] = stamp(hours + 0.1)
    assert look("backup age", site).state is ERROR


def test_a_container_that_ended_at_an_unknown_time_is_no_recent_restart() -> None:
    site = FakeSite()
    last = site.named("Pod", "mlflow-1")["status"]["containerStatuses"][0]["lastState"]
    last["terminated"] = {"reason": "ContainerStatusUnknown", "finishedAt": None}
    assert look("restarts", site).state is State.OK


def pod_on(node: str) -> dict[str, Any]:
    return fake_site.thing("Pod", "mlflow", f"on-{node}", spec={"nodeName": node}, status={"phase": "Running"})


def test_volumes_are_judged_without_a_node_that_does_not_answer() -> None:
    site = FakeSite()
    site.objects.append(pod_on("gone"))
    result = look("volume usage", site)
    assert result.state is State.OK
    assert result.detail.endswith("no answer of gone: nothing answers /api/v1/nodes/gone/proxy/stats/summary")


def test_only_nodes_with_pods_of_the_platform_are_asked_for_their_volumes() -> None:
    site = FakeSite()
    site.api["/api/v1/nodes"]["items"].append({"metadata": {"name": "of-others"}})
    assert "of-others" not in look("volume usage", site).detail


def test_a_failed_job_is_forgotten_once_its_schedule_succeeds() -> None:
    site = FakeSite()
    failed_backup(site)
    site.named("CronJob", "backup")["status"]["lastSuccessfulTime"] = stamp(0.5)
    assert look("Jobs", site).state is State.OK


def test_only_a_neighbour_that_is_ready_proves_that_policies_are_enforced() -> None:
    site = FakeSite()
    site.objects.append(fake_site.thing("Service", "serving", "serving-reconciler"))
    neighbour_down(site)
    assert look("policy enforcement", site).detail.endswith(f"reach serving-reconciler.serving.svc:{RECONCILER_PORT}")


def test_an_mlflow_without_experiments_answers() -> None:
    site = FakeSite()
    answer(EXPERIMENTS, Answer(status=200, text="{}"))(site)
    assert look("MLflow API", site).state is State.OK


def test_buckets_are_checked_although_mlflow_names_no_object() -> None:
    site = FakeSite()
    silent("store")(site)
    assert look("bucket access", site).state is State.OK


def test_a_team_may_scale_its_own_workloads_to_0() -> None:
    site = FakeSite()
    scaled_to_0(site)
    site.named("Deployment", "gateway")["metadata"]["labels"] = {}
    assert look("workloads", site).state is State.OK


def test_reserved_names_need_no_address() -> None:
    site = FakeSite()
    site.settings["mlflow"]["publicHosts"] = ["mlflow.aegis.test"]
    assert look("public names", site).state is ABSENT


def test_a_model_whose_alias_leads_nowhere_yet_is_not_wanted() -> None:
    site = FakeSite()
    site.scripts["served"][0] |= {
        "wanted_version": None,
        "served_version": None,
        "verified": False,
        "reason": "no alias",
    }
    result = look("served models", site)
    assert (result.state, result.detail) == (State.OK, "m waits: no alias")
