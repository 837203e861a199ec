"""msgspec's msgpack on structs of the same fields: another format, and the limit of what a C extension reaches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from benchmarks.codec.peers.serving import attributes, serve


class Task(msgspec.Struct, omit_defaults=True):
    task_id: str = ""
    execution_id: str = ""
    workflow_module: str = ""
    step_name: str = ""
    step_inputs: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    created_at: datetime | None = None


class TaskResult(msgspec.Struct, omit_defaults=True):
    task_id: str = ""
    execution_id: str = ""
    worker_id: str = ""
    status: int = 0
    result: dict[str, Any] | None = None
    completed_at: datetime | None = None


class Flat(msgspec.Struct, omit_defaults=True):
    a: int = 0
    b: int = 0
    c: int = 0
    d: int = 0
    e: int = 0
    f: int = 0
    g: float = 0.0
    h: float = 0.0
    i: bool = False
    j: str = ""
    k: bytes = b""
    l: str = ""  # noqa: E741  # the field's name in flat.proto


def offer(message: str, values: dict[str, Any]) -> Mapping[str, Callable[[], object]]:
    kind = {"Task": Task, "TaskResult": TaskResult, "Flat": Flat}[message]
    names = tuple(values)
    fields = attributes(names)
    encoder, decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(kind)

    def read(found: Any) -> dict[str, object]:
        return {name: getattr(found, name) for name in names}

    built = kind(**values)
    data = encoder.encode(built)
    return {
        "encode_dict": lambda: encoder.encode(kind(**values)),
        "decode_dict": lambda: read(decoder.decode(data)),
        "encode_object": lambda: encoder.encode(built),
        "decode_object": lambda: decoder.decode(data),
        "decode_read": lambda: fields(decoder.decode(data)),
    }


if __name__ == "__main__":
    serve(offer)
