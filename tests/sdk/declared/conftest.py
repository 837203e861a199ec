from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from shop.v1 import orders_workflows as wf

from cerebelum import testing
from cerebelum.testing import TestingCore
from tests.sdk.declared.orders import Orders


@pytest.fixture
def implementation() -> Orders:
    return Orders()


@pytest.fixture
async def core(implementation: Orders) -> AsyncIterator[TestingCore]:
    async with testing.core([implementation]) as core:
        yield core


@pytest.fixture
def orders(core: TestingCore) -> wf.OrderFulfilmentClient:
    return wf.OrderFulfilmentClient(core.core)
