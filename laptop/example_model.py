"""The PyFunc model that `doctor-client` logs and loads: it doubles numbers."""

from mlflow.models import set_model
from mlflow.pyfunc.utils import pyfunc


@pyfunc
def double(model_input: list[float]) -> list[float]:
    """Return twice each number."""
    return [2 * number for number in model_input]


set_model(double)
