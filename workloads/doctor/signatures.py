"""Print, for each alias in MLflow's registry, whether its version verifies; the files are listed, not read."""

import json
import os
from collections.abc import Callable
from itertools import islice
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities.model_registry import RegisteredModel

import aegis
from contracts import MLFLOW_PORT, Env

# More would take too long; the answer says if there are more.
_MOST = 50


def guarded() -> frozenset[str]:
    """Return the aliases that only versions that verify may get."""
    return frozenset(name.lower() for name in os.environ.get(Env.GUARDED_ALIASES, "").split(",") if name)


def facts(models: list[RegisteredModel], verify: Callable[[str], object]) -> dict[str, Any]:
    """Return each alias with the reason why its version doesn't verify; None if it does."""
    aliased = [(model.name, alias, str(of)) for model in models for alias, of in sorted(model.aliases.items())]
    checked = [
        {
            "model": name,
            "alias": alias,
            "version": version,
            "guarded": alias.lower() in guarded(),
            "reason": _reason(verify, f"models:/{name}/{version}"),
        }
        for name, alias, version in islice(aliased, _MOST)
    ]
    return {"aliases": checked, "unchecked": len(aliased) - len(checked)}


def _reason(verify: Callable[[str], object], uri: str) -> str | None:
    try:
        verify(uri)
    except aegis.NotVerifiedError as reason:
        return str(reason)
    return None


def main() -> None:
    """Print the facts."""
    mlflow.set_tracking_uri(f"http://127.0.0.1:{MLFLOW_PORT}")
    models = list(MlflowClient().search_registered_models(max_results=1000))
    print(json.dumps(facts(models, lambda uri: aegis.verify(uri, deep=False))))


if __name__ == "__main__":
    main()
