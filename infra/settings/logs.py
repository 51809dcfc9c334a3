"""Settings of the logs of the tracking server and the scheduled jobs."""

from typing import Literal

from pydantic import Field

from contracts import Env
from infra.settings.section import Section


class Logs(Section):
    """The form and the level of the lines that the tracking server and the scheduled jobs log.

    The jobs of an update don't get them: another pod template would run a job again, and train and release once more.
    """

    format: Literal["text", "json"] = Field(
        default="text",
        description="text, or json: each line is a JSON object, one of each request with its route, status, seconds "
        "and run, and one of each backup and promotion; the jobs of an update always log text",
    )
    level: Literal["debug", "info", "warning", "error"] | None = Field(
        default=None,
        description="debug, info, warning or error: the lowest level that is logged; debug has the SQL statements and "
        "the HTTP requests of the tracking server too, without values; default: info for the tracking server, and "
        "warning for backups and promotions; the jobs of an update always log from warning",
    )

    def environment(self) -> dict[str, str]:
        """Return the variables of a container that logs, of what isn't the default."""
        variables = {} if self.format == "text" else {Env.LOGS: self.format}
        return variables if self.level is None else {**variables, Env.LOG_LEVEL: self.level}
