"""The alerts on served models, from the metrics of the reconciler and of the model servers."""

from typing import Final

from infra.limits.alerts import Alert
from infra.limits.deployment_alerts import too_few_available
from infra.limits.flows import MODEL_PODS, RECONCILER_PODS

# Minutes: far more than a delivery, a canary and a rollout take.
_LONGEST_DRIFT: Final = 10
_MOST_ERRORS: Final = 0.02
# Of one version's answers to requests for predictions, whatever their protocol.
_PREDICTIONS: Final = 'route=~"/invocations|.*/infer"'
_VERSION: Final = "{{ $labels.model }} version {{ $labels.version }}"
_RUNBOOK: Final = "docs/runbooks/model-degraded.md"
# A latency that people don't notice, in seconds, is never too slow.
_UNNOTICED: Final = 0.05
_LOG: Final = f"kubectl -n {RECONCILER_PODS.namespace} logs deployment/{RECONCILER_PODS.component}"


def differs() -> Alert:
    """Return the alert that a model has been served in another version than the wanted one for too long."""
    return Alert(
        name="ServedModelDiffers",
        # Of the reconciler's pods only the leader knows.
        expression="max by (model) (aegis_serving_drift) == 1",
        minutes=_LONGEST_DRIFT,
        severity="ticket",
        summary=f"The wanted version of {{{{ $labels.model }}}} hasn't been served for {_LONGEST_DRIFT} minutes; the "
        "previous one, if any, still answers.",
        action=f"Read the reason in `{_LOG}`: docs/operations.md#a-model-is-not-served.",
        runbook="served-model",
    )


def unanswered() -> Alert:
    """Return the alert that a served model has no server that answers."""
    return Alert(
        name="ServedModelDown",
        expression="max by (model) (aegis_serving_ready_servers) == 0",
        minutes=2,
        severity="page",
        summary="No server of {{ $labels.model }} answers.",
        action=f"Find out what its pods wait for with `kubectl -n {MODEL_PODS.namespace} describe pods -l "
        f"{MODEL_PODS.label}={MODEL_PODS.component}`: docs/operations.md#a-model-is-not-served.",
        runbook="served-model",
    )


def unverified() -> Alert:
    """Return the alert that a served version can't start again, as its key was revoked."""
    return Alert(
        name="ServedModelUnverified",
        expression="max by (model) (aegis_serving_unverified) == 1",
        minutes=5,
        severity="ticket",
        summary="The served version of {{ $labels.model }} doesn't verify any more: its servers answer until they "
        "restart.",
        action="Sign it again as a new version, or promote another one: docs/operations.md#a-model-is-not-served.",
        runbook="served-model",
    )


def leaderless() -> Alert:
    """Return the alert that none of the reconciler's pods acts."""
    return Alert(
        name="ReconcilerWithoutLeader",
        expression="max(aegis_serving_leads) == 0",
        minutes=10,
        severity="ticket",
        summary="No pod of the reconciler leads: models are served, but none is rolled out or rolled back.",
        action=f"Read in `{_LOG} --all-pods` why the Lease {RECONCILER_PODS.component} can't be renewed.",
        runbook="reconciler",
    )


def rolled_back() -> Alert:
    """Return the alert that a new version was taken back."""
    return Alert(
        name="RolloutRolledBack",
        expression='sum by (model) (increase(aegis_serving_rollouts_total{result="rolled_back"}[15m])) > 0',
        minutes=1,
        severity="ticket",
        summary="A new version of {{ $labels.model }} answered worse than the one before, and was taken back.",
        action="Compare the versions and promote another one: docs/operations.md#a-model-is-not-served.",
        runbook="served-model",
    )


def unavailable() -> Alert:
    """Return the alert that nobody rolls out models."""
    return Alert(
        name="ReconcilerUnavailable",
        expression=too_few_available(RECONCILER_PODS, 1),
        minutes=10,
        severity="ticket",
        summary="No pod of the reconciler is available: models are served, but none is rolled out.",
        action=f"Find out what its pods wait for with `kubectl -n {RECONCILER_PODS.namespace} describe pods`.",
        runbook="reconciler",
    )


def failing() -> Alert:
    """Return the alert that too many predictions fail."""
    failed = _rate(f'{_PREDICTIONS},status=~"5.."')
    return Alert(
        name="ModelFailing",
        expression=f"{failed} / {_rate(_PREDICTIONS)} > {_MOST_ERRORS}",
        minutes=5,
        severity="page",
        summary=f"{{{{ $value | humanizePercentage }}}} of the predictions of {_VERSION} fail; more than "
        f"{_MOST_ERRORS:.0%} are too many.",
        action=f"Roll back if the version is new, and look for the cause: {_RUNBOOK}.",
        runbook="model-degraded",
    )


def slow() -> Alert:
    """Return the alert that predictions take twice the time of the day before."""
    return Alert(
        name="ModelSlow",
        expression=f"({_latency('15m')} > 2 * {_latency('1d', ' offset 15m')}) > {_UNNOTICED}",
        minutes=15,
        severity="ticket",
        summary=f"A twentieth of the predictions of {_VERSION} take more than {{{{ $value | humanizeDuration }}}}, "
        "twice as long as in the day before.",
        action=f"Find out what has changed: {_RUNBOOK}.",
        runbook="model-degraded",
    )


def drifted() -> Alert:
    """Return the alert that the inputs of a model differ from those of its training."""
    return Alert(
        name="ModelInputsDrifted",
        expression="max by (model, version) (aegis_model_drifted) > 0",
        minutes=30,
        severity="ticket",
        summary=f"{{{{ $value }}}} features of the inputs of {_VERSION} differ from those of its training.",
        action=f"Write the report of its model servers, and find out who sends what: {_RUNBOOK}.",
        runbook="model-degraded",
    )


def _rate(labels: str) -> str:
    return f"sum by (model, version) (rate(aegis_model_server_requests_total{{{labels}}}[5m]))"


def _latency(window: str, offset: str = "") -> str:
    buckets = f"rate(aegis_model_server_request_seconds_bucket{{{_PREDICTIONS}}}[{window}]{offset})"
    return f"histogram_quantile(0.95, sum by (model, version, le) ({buckets}))"
