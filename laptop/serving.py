"""Fetch a version that verifies, and serve it over HTTP."""

from pathlib import Path

from aegis.version import VerifiedVersion
from laptop.settings import Settings
from workloads.mlflow_client import Tracking
from workloads.serving.server import requirements
from workloads.serving.server import serving as server
from workloads.serving.server.limits import Limits
from workloads.signing import keys, registered
from workloads.signing.verification import Demand


def fetch(uri: str, settings: Settings, folder: Path) -> VerifiedVersion:
    """Download the version at `uri` to `folder`, and verify it with the keys of `AEGIS_TRUSTED_KEYS`.

    Raises:
        NotVerifiedError: It doesn't verify.
        WorkloadError: There is no such version or no trusted key, or MLflow or its artifact store fails.
    """
    reference = registered.parse(uri)
    trusted = keys.trusted([])
    tracking = Tracking(settings.tracking_uri)
    return registered.verify(reference, trusted, tracking, demand=Demand(), extract_to=folder)


def serve(folder: Path, version: VerifiedVersion, port: int) -> None:
    """Serve the version in `folder` on `port` of 127.0.0.1, as the platform does, until a signal.

    Raises:
        WorkloadError: This environment can't run the model.
    """
    requirements.check(folder)
    server.serve(
        server.Version(folder=folder, name=version.name, version=version.version),
        Limits(),
        server.Address(host="127.0.0.1", port=port, drain=0),
    )
