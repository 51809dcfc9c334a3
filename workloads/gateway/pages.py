"""Pages of lists."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from workloads.gateway.document import Document
from workloads.gateway.errors import InvalidError, UnprocessableError, UpstreamError

Search = Callable[[Mapping[str, Any]], Awaitable[Document]]


async def page(search: Search, query: Mapping[str, Any], page_token: str | None) -> Document:
    """Return one page of an MLflow search.

    Raises:
        UnprocessableError: No page has this token. MLflow itself answers 400, or 500 to a token that it can't parse.
        GatewayError: MLflow refuses, or doesn't answer.
    """
    if page_token is None:
        return await search(query)
    try:
        return await search({**query, "page_token": page_token})
    except (InvalidError, UpstreamError) as error:
        raise UnprocessableError("There is no page with this page_token.") from error
