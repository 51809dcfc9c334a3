"""Served models: which there are, deployment, and predictions."""

from urllib.parse import quote

from fastapi import Request, Response

from workloads.cli import WorkloadError
from workloads.gateway.api import bodies, forms
from workloads.gateway.api.documentation import answers, holding
from workloads.gateway.api.request import JSON, PREFIX, answer, asked, created, key_of, router
from workloads.gateway.errors import ConflictError
from workloads.serving.wanted import DEFAULT_ALIAS, VERSION_HEADER, Wanted

routes = router("serving")

_SERVED = {
    "model": "digits",
    "wanted_version": "3",
    "served_version": "3",
    "state": "serving",
    "replicas": 2,
    "ready": 2,
}
_WANTED = Wanted(model="digits", alias=DEFAULT_ALIAS).to_json()
_ANSWERED = {
    "X-Aegis-Model-Version": {"description": "The version that answered.", "schema": {"type": "string"}},
}
_INPUT = {
    "requestBody": {
        "required": True,
        "description": "What the model's /invocations takes; it is passed on as it is.",
        "content": {
            "application/json": {"schema": {}, "example": {"inputs": [[0.0, 0.5, 1.0]]}},
            "text/csv": {"schema": {"type": "string"}},
        },
    }
}


@routes.get(
    "/serving/models",
    summary="List served models",
    responses=answers(
        description="The served models that the caller may read.",
        schema={
            "type": "object",
            "required": ["models"],
            "properties": {"models": {"type": "array", "items": holding("model", "state")}},
        },
        example={"models": [_SERVED]},
    ),
)
async def list_served(request: Request) -> Response:
    """List what is served, and what waits to be."""
    return answer({"models": await asked(request).deployment.served()})


@routes.post(
    "/serving/models/deploy",
    status_code=202,
    summary="Deploy a model",
    responses=answers(
        202,
        description="The deployment is declared; the list of served models shows its progress.",
        schema=holding("model_name", "wanted"),
        example={"model_name": "digits", "wanted": _WANTED},
        also=(409,),
    ),
)
async def deploy_model(
    request: Request, body: bodies.NewDeployment, idempotency_key: forms.IdempotencyKey = None
) -> Response:
    """Declare that a model should be served. Only a version that verifies will be."""
    view = asked(request)
    wanted = _wanted(body)
    await view.deployment.deploy(wanted, key_of(idempotency_key, view.caller, "deploy", body.request()))
    location = f"{PREFIX}/serving/models/{quote(body.model_name)}/predict"
    return created({"model_name": wanted.model, "wanted": wanted.to_json()}, location, status=202)


@routes.post(
    "/serving/models/{name}/predict",
    summary="Predict",
    openapi_extra=_INPUT,
    responses=answers(
        description="The prediction, as the model gives it.",
        example={"predictions": [7]},
        schema={},
        headers=_ANSWERED,
        also=(409,),
    ),
)
async def predict(request: Request, name: forms.ModelNameInPath) -> Response:
    """Ask a served model."""
    settings = request.app.state.settings
    body = await request.body()
    content_type = request.headers.get("content-type", JSON)
    prediction = await asked(request).deployment.predict(name, body, content_type, seconds=settings.predict_seconds)
    version = prediction.headers.get(VERSION_HEADER)
    headers = {} if version is None else {VERSION_HEADER: version}
    return Response(prediction.body, headers=headers, media_type=prediction.headers.get("content-type", JSON))


@routes.delete(
    "/serving/models/{name}",
    status_code=202,
    summary="Stop serving a model",
    responses=answers(
        202,
        description="The model will be removed.",
        schema=holding("model_name", "state"),
        example={"model_name": "digits", "state": "removing"},
        also=(409,),
    ),
)
async def undeploy_model(request: Request, name: forms.ModelNameInPath) -> Response:
    """Declare that a model should not be served any more."""
    await asked(request).deployment.remove(name)
    return answer({"model_name": name, "state": "removing"}, 202)


def _wanted(body: bodies.NewDeployment) -> Wanted:
    """Return what the reconciler is told.

    Raises:
        ConflictError: MLflow has names that a served model can't have.
    """
    try:
        return Wanted.from_json(body.wanted())
    except WorkloadError as error:
        raise ConflictError(f"The model {body.model_name!r} can't be served: {error}") from error
