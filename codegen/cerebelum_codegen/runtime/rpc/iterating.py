"""Walking through what others give, and closing it behind oneself."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from typing import TypeVar

_Item = TypeVar("_Item")


async def each_of(items: AsyncIterable[_Item] | Iterable[_Item]) -> AsyncGenerator[_Item, None]:
    """The items, one by one. When this generator is closed, a generator behind it is closed as well."""
    if not isinstance(items, AsyncIterable):
        for item in items:
            yield item
        return
    iterator = aiter(items)
    try:
        async for item in iterator:
            yield item
    finally:
        if isinstance(iterator, AsyncGenerator):
            await iterator.aclose()
