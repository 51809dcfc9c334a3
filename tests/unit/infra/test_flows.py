"""Flows, and the traffic of pods that is made from them."""

import pytest

from infra.limits.flows import (
    MLFLOW,
    MLFLOW_METRICS,
    MLFLOW_PODS,
    RDS,
    S3,
    VAULT,
    Flow,
    Networks,
    Place,
    Pods,
    Server,
    traffic,
    within_vpc,
)

TRAINER = Pods("mlflow", "trainer")
TEAM = Pods("team-vision")
OFFICE = Networks(("10.1.0.0/16",))


def test_a_flow_is_egress_of_its_source_and_ingress_of_its_server() -> None:
    flow = Flow(TRAINER, MLFLOW)
    assert traffic([flow], TRAINER).egress == (flow,)
    assert traffic([flow], MLFLOW_PODS).ingress == (flow,)
    assert traffic([flow], TEAM).ingress == traffic([flow], TEAM).egress == ()


def test_components_come_before_namespaces_and_those_before_networks() -> None:
    flows = [Flow(OFFICE, MLFLOW), Flow(TEAM, MLFLOW), Flow(TRAINER, MLFLOW)]
    assert [flow.source for flow in traffic(flows, MLFLOW_PODS).ingress] == [TRAINER, TEAM, OFFICE]


def test_who_reads_the_measurements_of_mlflow_s_pods_does_not_reach_mlflow_by_that() -> None:
    prometheus = Pods("monitoring", "prometheus")
    allowed = traffic([Flow(TRAINER, MLFLOW), Flow(prometheus, MLFLOW_METRICS)], MLFLOW_PODS).ingress
    assert {(flow.source, flow.server.port) for flow in allowed} == {(TRAINER, 5000), (prometheus, 9464)}


def test_a_flow_that_is_declared_twice_is_one_rule() -> None:
    assert len(traffic([Flow(TRAINER, S3), Flow(TRAINER, S3)], TRAINER).egress) == 1


def test_the_networks_of_the_vpc_are_filled_in() -> None:
    [flow] = within_vpc([Flow(TRAINER, Server(at=Place.VPC, port=5432))], ("10.0.0.0/16",))
    assert flow.server == Server(at=Networks(("10.0.0.0/16",)), port=5432)


def test_an_empty_list_of_networks_is_refused_as_it_would_allow_every_address() -> None:
    with pytest.raises(ValueError, match="networks must not be empty"):
        Networks(())


def test_a_component_has_the_same_address_from_every_namespace() -> None:
    assert (MLFLOW.url, VAULT.url) == ("http://mlflow.mlflow.svc:5000", "http://vault.vault.svc:8200")


def test_a_server_outside_the_cluster_has_no_service() -> None:
    with pytest.raises(TypeError, match="only a component of the platform has a Service"):
        RDS.url  # noqa: B018 - the property raises
