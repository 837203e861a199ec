"""The same values for every peer, as plain Python. Nothing here knows a library."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

SIZES = {"Task": ("small", "large"), "TaskResult": ("small", "large"), "Flat": ("flat",)}

Json = bool | float | str | list["Json"] | dict[str, "Json"] | None


def small() -> dict[str, Json]:
    """Nine keys: an order as a step gets it."""
    return {
        "order_id": "ord_7f3a9c21",
        "amount": 1299.5,
        "currency": "EUR",
        "express": True,
        "coupon": None,
        "customer": {"name": "Ada Lovelace", "tier": "gold"},
        "skus": ["A-100", "B-200", "C-300"],
    }


def large() -> dict[str, Json]:
    """231 keys: a head and thirty-two items of seven keys each."""
    items: list[Json] = [
        {
            "sku": f"SKU-{number:05}",
            "title": f"Part number {number}, in a box",
            "price": number * 1.25,
            "quantity": float(number % 7 + 1),
            "in_stock": number % 3 != 0,
            "note": None,
            "tags": ["new", "fragile", f"row-{number}"],
        }
        for number in range(32)
    ]
    return {
        "order_id": "ord_7f3a9c21",
        "amount": 1299.5,
        "currency": "EUR",
        "express": True,
        "coupon": None,
        "customer": "Ada Lovelace",
        "items": items,
    }


def keys(value: Json) -> int:
    """How many keys there are at any depth."""
    if isinstance(value, dict):
        return len(value) + sum(keys(item) for item in value.values())
    return sum(keys(item) for item in value) if isinstance(value, list) else 0


CREATED_AT = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)


def values(message: str, size: str) -> dict[str, object]:
    """The fields of a message, instants as datetimes."""
    if message == "Flat":
        return flat()
    payload = small() if size == "small" else large()
    if message == "Task":
        return {
            "task_id": "0198c1c0-1d2e-7b3f-8a4c-5d6e7f809102/charge/1.1.0",
            "execution_id": "0198c1c0-1d2e-7b3f-8a4c-5d6e7f809102",
            "workflow_module": "shop.orders",
            "step_name": "charge",
            "step_inputs": payload,
            "created_at": CREATED_AT,
        }
    return {
        "task_id": "0198c1c0-1d2e-7b3f-8a4c-5d6e7f809102/charge/1.1.0",
        "execution_id": "0198c1c0-1d2e-7b3f-8a4c-5d6e7f809102",
        "worker_id": "worker-3",
        "status": 1,
        "result": payload,
        "completed_at": CREATED_AT + timedelta(seconds=2),
    }


def flat() -> dict[str, object]:
    return {
        "a": 42,
        "b": 1_234_567_890_123,
        "c": 300,
        "d": 17,
        "e": -77,
        "f": 1 << 40,
        "g": 3.14159,
        "h": 0.5,
        "i": True,
        "j": "a name of some length",
        "k": b"\x00\x01\x02\x03\x04\x05\x06\x07",
        "l": "another",
    }
