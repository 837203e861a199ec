"""protobuf-py with its native extension: `from_python` and `to_python` of its Struct."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from protobuf.wkt import Struct, Timestamp

from benchmarks.codec.peers.serving import attributes, serve

_STRUCTS = ("step_inputs", "result")
_INSTANTS = ("created_at", "completed_at")


def main() -> None:
    sys.path.insert(0, sys.argv[1])
    worker, flat = import_module("cerebelum.worker.worker_service_pb"), import_module("flat_pb")

    def offer(message: str, values: dict[str, object]) -> Mapping[str, Callable[[], object]]:
        if "status" in values:
            values = values | {"status": worker.TaskStatus(values["status"])}
        return operations(getattr(flat if message == "Flat" else worker, message), values)

    serve(offer)


def operations(kind: Any, values: dict[str, Any]) -> Mapping[str, Callable[[], object]]:
    structs = tuple(name for name in _STRUCTS if name in values)
    instants = tuple(name for name in _INSTANTS if name in values)
    scalars = {name: value for name, value in values.items() if name not in (*structs, *instants)}
    fields = attributes(values)

    def build() -> Any:
        parts = {name: Struct.from_python(values[name]) for name in structs}
        times = {name: Timestamp.from_datetime(values[name]) for name in instants}
        return kind(**scalars, **parts, **times)

    def read(message: Any) -> dict[str, object]:
        found = {name: getattr(message, name) for name in scalars}
        for name in structs:
            found[name] = getattr(message, name).to_python()
        for name in instants:
            found[name] = getattr(message, name).to_datetime()
        return found

    built = build()
    data = built.to_binary()
    return {
        "encode_dict": lambda: build().to_binary(),
        "decode_dict": lambda: read(kind.from_binary(data)),
        "encode_object": built.to_binary,
        "decode_object": lambda: kind.from_binary(data),
        "decode_read": lambda: fields(kind.from_binary(data)),
    }


if __name__ == "__main__":
    main()
