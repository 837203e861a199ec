"""Between exact payloads and `Struct`, for clients that have no payloads.

The one place where the Core looks into a payload. What a Struct cannot hold exactly is shown as text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from cerebelum_codegen.runtime import JsonValue
from cerebelum_proto.types.v1.types_pb import Failure, Payload

_EXACT = 1 << 53


def payload_of(value: JsonValue) -> Payload:
    """A JSON value as payload. Numbers without a fraction are written as integers."""
    text = json.dumps(_whole(value), ensure_ascii=False, separators=(",", ":"))
    return Payload(encoding="json", data=text.encode())


def value_of(payload: Payload | None) -> JsonValue:
    """A payload's value as far as a Struct can show it; of another encoding than JSON, what it is."""
    if payload is None or not payload.data:
        return None
    if not payload.encoding.startswith("json"):
        return f"{len(payload.data)} bytes of {payload.encoding}"
    try:
        return _shown(json.loads(payload.data))
    except (ValueError, RecursionError):
        return f"{len(payload.data)} bytes that are no {payload.encoding}"


def struct_of(payload: Payload | None) -> Mapping[str, JsonValue]:
    """A payload as a Struct: a mapping as it is, anything else under `value`, as deployed clients do."""
    value = value_of(payload)
    if isinstance(value, Mapping):
        return value
    return {} if value is None else {"value": value}


def unwrapped(result: Mapping[str, JsonValue]) -> Payload | Failure:
    """The result of a step in the deployed convention: `{"ok": v}` is v, `{"error": e}` a decision, else itself."""
    if "ok" in result:
        return payload_of(result["ok"])
    if "error" in result:
        reason = result["error"]
        return Failure(
            kind="error",
            message=reason if isinstance(reason, str) else json.dumps(_whole(reason), ensure_ascii=False),
            error=payload_of(reason),
        )
    return payload_of(result)


def _whole(value: JsonValue) -> JsonValue:
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= _EXACT else value
    if isinstance(value, Mapping):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return value


def _shown(value: JsonValue) -> JsonValue:
    if isinstance(value, int) and abs(value) > _EXACT:
        return str(value)
    if isinstance(value, dict):
        return {key: _shown(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shown(item) for item in value]
    return value
