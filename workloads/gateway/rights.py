"""Who may read which model: MLflow decides, and its yes counts for a few seconds."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from workloads.gateway.caller import Caller
from workloads.gateway.errors import GatewayError

# Seconds that a yes counts without another question: MLflow takes longer to answer than many a model.
_REMEMBERED: Final = 3.0
# Seconds that a yes counts while MLflow doesn't answer: an outage of MLflow stops no prediction.
_TRUSTED_IN_AN_OUTAGE: Final = 3600.0
_MOST_REMEMBERED: Final = 10_000
_REFUSALS: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)

# Who wants to read which model.
_Wish = tuple[Caller, str]


class Rights:
    """Asks MLflow who may read which model. Requests of one caller that come meanwhile share the question."""

    def __init__(self) -> None:
        self._questions: dict[_Wish, asyncio.Task[bool]] = {}
        self._allowed: dict[_Wish, float] = {}

    async def may_read(self, caller: Caller, model: str, ask: Callable[[], Awaitable[object]]) -> bool:
        """Return whether `ask`, which reads the model for the caller, succeeds.

        Raises:
            GatewayError: MLflow asks for a login, or doesn't answer.
        """
        wish = (caller, model)
        if self._seconds_since(wish) < _REMEMBERED:
            return True
        if wish not in self._questions:
            self._questions[wish] = asyncio.create_task(self._ask(wish, ask))
            self._questions[wish].add_done_callback(lambda _: self._asked(wish))
        # The question belongs to others, too: it goes on when this request ends.
        return await asyncio.shield(self._questions[wish])

    async def _ask(self, wish: _Wish, ask: Callable[[], Awaitable[object]]) -> bool:
        now = asyncio.get_running_loop().time()
        try:
            await ask()
        except GatewayError as error:
            if error.status in _REFUSALS:
                self._allowed.pop(wish, None)
            if error.status in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
                return False
            is_outage = error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
            if is_outage and self._seconds_since(wish) < _TRUSTED_IN_AN_OUTAGE:
                return True
            raise
        if len(self._allowed) >= _MOST_REMEMBERED:
            self._allowed.clear()
        self._allowed[wish] = now
        return True

    def _seconds_since(self, wish: _Wish) -> float:
        return asyncio.get_running_loop().time() - self._allowed.get(wish, -math.inf)

    def _asked(self, wish: _Wish) -> None:
        done = self._questions.pop(wish)
        if not done.cancelled():
            # Read, because the requests that wanted to know may have ended.
            done.exception()
