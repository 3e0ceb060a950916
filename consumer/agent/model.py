"""The library's client of OpenAI's wire, put on the budgeted transport; imported in a thread, for it takes a second."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx2

from consumer.agent.wire import BudgetedTransport, Spending

if TYPE_CHECKING:
    from pydantic_ai.models import Model


@asynccontextmanager
async def chat_model(spending: Spending) -> "AsyncIterator[Model]":
    """Open the model of one run. Its client repeats nothing, reads no environment, and sends by our transport alone."""
    client = httpx2.AsyncClient(transport=BudgetedTransport(spending), trust_env=False)
    try:
        yield await asyncio.to_thread(_build, spending, client)
    finally:
        await client.aclose()


def _build(spending: Spending, client: httpx2.AsyncClient) -> "Model":
    from openai import AsyncOpenAI  # noqa: PLC0415 - an extra, and a second of imports
    from pydantic_ai.models.openai import OpenAIChatModel  # noqa: PLC0415
    from pydantic_ai.providers.openai import OpenAIProvider  # noqa: PLC0415

    # The transport sends the headers of the catalog, and no key of the client's.
    api = AsyncOpenAI(api_key="none", base_url=spending.model.api, max_retries=0, http_client=client)
    return OpenAIChatModel(spending.model.model, provider=OpenAIProvider(openai_client=api))
