"""Experiments, and the beginning and end of their runs."""

from typing import Annotated
from urllib.parse import quote

from fastapi import Body, Request, Response

from workloads.gateway import tags
from workloads.gateway.api import bodies, forms
from workloads.gateway.api.documentation import answers, holding, listed
from workloads.gateway.api.request import PREFIX, REPLAYED, asked, created, key_of, passed_on, router

routes = router("experiments")

_EXPERIMENT = {"experiment_id": "1", "name": "digits", "lifecycle_stage": "active", "tags": []}
_INFO = {
    "run_id": "5d1cb0d2ba4c4f5aa0c0f4d6a8e4d0b1",
    "run_name": "baseline",
    "experiment_id": "1",
    "status": "RUNNING",
}
RUN = {"info": _INFO, "data": {"metrics": [], "params": [], "tags": []}}


@routes.get(
    "/experiments",
    summary="List experiments",
    responses=answers(
        description="A page of experiments, newest first.",
        schema=listed("experiments"),
        example={"experiments": [_EXPERIMENT]},
    ),
)
async def list_experiments(
    request: Request, max_results: forms.MaxResults = 100, page_token: forms.PageToken = None
) -> Response:
    """List the experiments that the caller may read."""
    found = await asked(request).experiments.search(max_results=max_results, page_token=page_token)
    return passed_on(found)


@routes.post(
    "/experiments/create",
    status_code=201,
    summary="Create an experiment",
    responses=answers(
        201,
        description="The experiment was created.",
        schema=holding("experiment_id", "name"),
        example={"experiment_id": "1", "name": "digits"},
        also=(409,),
    ),
)
async def create_experiment(request: Request, body: bodies.NewExperiment) -> Response:
    """Create an experiment; its name must be new."""
    made = await asked(request).create_experiment(body.name, description=body.description, tags=body.tags)
    return created({"experiment_id": made, "name": body.name}, f"{PREFIX}/experiments/{made}")


@routes.get(
    "/experiments/{experiment_id}",
    summary="Read an experiment",
    responses=answers(description="The experiment.", schema=holding("experiment"), example={"experiment": _EXPERIMENT}),
)
async def get_experiment(request: Request, experiment_id: forms.ExperimentId) -> Response:
    """Read an experiment."""
    return passed_on(await asked(request).experiments.get(experiment_id))


@routes.post(
    "/experiments/{experiment_id}/runs/start",
    status_code=201,
    summary="Start a run",
    responses=answers(
        201,
        description="The run was started.",
        schema=holding("run_id", "run"),
        example={"run_id": _INFO["run_id"], "run": RUN},
        headers=REPLAYED,
        also=(409,),
    ),
)
async def start_run(
    request: Request,
    experiment_id: forms.ExperimentId,
    body: Annotated[bodies.NewRun | None, Body()] = None,
    idempotency_key: forms.IdempotencyKey = None,
) -> Response:
    """Start a run of an experiment."""
    new = body or bodies.NewRun()
    view = asked(request)
    key = key_of(idempotency_key, view.caller, f"start {experiment_id}", new.model_dump())
    started = await view.experiments.start_run(
        experiment_id, name=new.run_name, tags_=tags.described(new.tags or {}, new.description), key=key
    )
    location = f"{PREFIX}/runs/{quote(started.run_id)}"
    return created({"run_id": started.run_id, "run": started.run}, location, replayed=started.replayed)


@routes.post(
    "/experiments/{experiment_id}/runs/{run_id}/end",
    summary="End a run",
    responses=answers(
        description="The run ended.",
        schema=holding("run_info"),
        example={"run_info": _INFO | {"status": "FINISHED"}},
        also=(409,),
    ),
)
async def end_run(
    request: Request,
    experiment_id: forms.ExperimentId,
    run_id: forms.RunId,
    body: Annotated[bodies.End | None, Body()] = None,
) -> Response:
    """End a run of an experiment."""
    status = (body or bodies.End()).status
    return passed_on(await asked(request).experiments.end_run(run_id, status=status, experiment_id=experiment_id))
