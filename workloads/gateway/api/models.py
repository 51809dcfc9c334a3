"""Registered models and their versions."""

from urllib.parse import quote

from fastapi import Request, Response

from workloads.gateway.api import bodies, forms
from workloads.gateway.api.documentation import answers, holding, listed
from workloads.gateway.api.request import PREFIX, REPLAYED, asked, created, key_of, passed_on, router

routes = router("models")

_VERSION = {"name": "digits", "version": "1", "current_stage": "None", "status": "READY"}
_MODEL = {"name": "digits", "description": "Recognises digits", "latest_versions": [_VERSION]}


@routes.get(
    "/models",
    summary="List models",
    responses=answers(
        description="A page of models, by name.",
        schema=listed("registered_models"),
        example={"registered_models": [_MODEL]},
    ),
)
async def list_models(
    request: Request, max_results: forms.MaxResults = 100, page_token: forms.PageToken = None
) -> Response:
    """List the models that the caller may read."""
    return passed_on(await asked(request).models.search(max_results=max_results, page_token=page_token))


@routes.post(
    "/models/register",
    status_code=201,
    summary="Register a model or a version",
    responses=answers(
        201,
        description="The model was registered; with a `source`, the answer is its new version.",
        example={"registered_model": _MODEL},
        headers=REPLAYED,
        also=(409,),
    ),
)
async def register_model(
    request: Request, body: bodies.NewModel, idempotency_key: forms.IdempotencyKey = None
) -> Response:
    """Register a model, or the next version of a model if the body has a `source`."""
    view = asked(request)
    key = key_of(idempotency_key, view.caller, "register", body.model_dump())
    registered = await view.models.register(body.registration(), key)
    location = f"{PREFIX}/models/{quote(body.name)}"
    return created(dict(registered.document), location, replayed=registered.replayed)


@routes.get(
    "/models/{name}",
    summary="Read a model",
    responses=answers(
        description="The model.", schema=holding("registered_model"), example={"registered_model": _MODEL}
    ),
)
async def get_model(request: Request, name: forms.ModelNameInPath) -> Response:
    """Read a model with its aliases and the latest version of each stage."""
    return passed_on(await asked(request).models.get(name))


@routes.get(
    "/models/{name}/versions",
    summary="List the versions of a model",
    responses=answers(
        description="A page of versions, newest first.",
        schema=listed("model_versions"),
        example={"model_versions": [_VERSION]},
    ),
)
async def list_versions(
    request: Request,
    name: forms.ModelNameInPath,
    max_results: forms.MaxResults = 100,
    page_token: forms.PageToken = None,
) -> Response:
    """List the versions of a model."""
    return passed_on(await asked(request).models.versions(name, max_results=max_results, page_token=page_token))


@routes.post(
    "/models/{name}/versions/{version}/stage",
    summary="Move a version to a stage",
    responses=answers(
        description="The version in its stage.",
        schema=holding("model_version"),
        example={"model_version": _VERSION | {"current_stage": "Production"}},
        also=(409,),
    ),
)
async def set_stage(
    request: Request, name: forms.ModelNameInPath, version: forms.VersionInPath, body: bodies.NewStage
) -> Response:
    """Move a version to a stage. Stages that the platform guards are only given to versions that verify."""
    moved = await asked(request).models.set_stage(
        name, version, body.stage, archive_existing=body.archive_existing_versions
    )
    return passed_on(moved)
