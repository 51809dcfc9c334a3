"""The settings of a watcher, from the environment of its model server."""

import os
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.serving.watching.drift import Limits

_PREFIX: Final = "AEGIS_WATCH_"


class Settings(BaseModel):
    """What is watched, and from when on it counts as drift; each field is the variable AEGIS_WATCH_NAME.

    The limits of memory and time hold for each pod: `rows` samples of a request at most, `share` of a processor.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    privacy: Literal["figures", "samples", "off"] = Field(
        default="figures",
        description="figures (counts per bin; no value is kept), samples (also the last 50 inputs, in memory) or off",
    )
    rate: Annotated[float, Field(ge=0, le=1)] = Field(default=1.0, description="the share of requests, from 0 to 1")
    rows: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=64, description="the most samples of a request, from 1 to 10000"
    )
    seconds: Annotated[int, Field(ge=60, le=30 * 86_400)] = Field(
        default=3600, description="the time that is looked back, from 60 to 2592000 seconds"
    )
    share: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.05, description="the most of a processor's time, above 0 and up to 1"
    )
    minimum: Annotated[int, Field(ge=20, le=1_000_000)] = Field(
        default=100, description="the least samples to judge, from 20 to 1000000"
    )
    psi: Annotated[float, Field(gt=0, le=10)] = Field(
        default=0.2, description="the least population stability index of a drift, above 0 and up to 10"
    )

    @property
    def limits(self) -> Limits:
        """The limits of a drift."""
        return Limits(psi=self.psi, samples=self.minimum)

    @classmethod
    def from_environment(cls) -> Self:
        """Return the settings of the environment; a variable that isn't set or is empty has its default.

        Raises:
            WorkloadError: A value is not allowed (`Exit.USAGE`).
        """
        values: dict[str, Any] = {
            name: value for name in cls.model_fields if (value := os.environ.get(f"{_PREFIX}{name.upper()}"))
        }
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            name = str(error.errors()[0]["loc"][0])
            raise WorkloadError(
                f"{_PREFIX}{name.upper()} must be {cls.model_fields[name].description}, got {values[name]!r}.",
                Exit.USAGE,
            ) from error
