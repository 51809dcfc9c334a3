"""Runs, their parameters and their metrics."""

from fastapi import Request, Response

from workloads.gateway.api import bodies, forms
from workloads.gateway.api.documentation import answers, holding
from workloads.gateway.api.experiments import RUN
from workloads.gateway.api.request import answer, asked, passed_on, router

routes = router("runs")


@routes.get(
    "/runs/{run_id}",
    summary="Read a run",
    responses=answers(description="The run.", schema=holding("run"), example={"run": RUN}),
)
async def get_run(request: Request, run_id: forms.RunId) -> Response:
    """Read a run."""
    return passed_on(await asked(request).experiments.get_run(run_id))


@routes.post(
    "/runs/{run_id}/log-params",
    summary="Log parameters",
    responses=answers(
        description="The parameters were logged.",
        schema=holding("run_id", "logged"),
        example={"run_id": RUN["info"]["run_id"], "logged": 2},
        also=(409,),
    ),
)
async def log_params(request: Request, run_id: forms.RunId, body: bodies.Params) -> Response:
    """Log parameters; one that is logged already can't be changed."""
    params = body.to_dict()
    await asked(request).experiments.log_params(run_id, params)
    return answer({"run_id": run_id, "logged": len(params)})


@routes.post(
    "/runs/{run_id}/log-metrics",
    summary="Log metrics",
    responses=answers(
        description="The metrics were logged.",
        schema=holding("run_id", "logged"),
        example={"run_id": RUN["info"]["run_id"], "logged": 2},
        also=(409,),
    ),
)
async def log_metrics(request: Request, run_id: forms.RunId, body: bodies.Metrics) -> Response:
    """Log metrics. Those of concurrent requests for one run are written together."""
    metrics = body.to_list()
    await asked(request).experiments.log_metrics(run_id, metrics)
    return answer({"run_id": run_id, "logged": len(metrics)})
