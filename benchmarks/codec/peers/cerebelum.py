"""Ours, plain or compiled: which one is a matter of the environment that it runs in."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from benchmarks.codec.peers.serving import attributes, serve
from cerebelum_codegen.runtime import Timestamp
from cerebelum_proto.worker import worker_service_pb as worker

_INSTANTS = ("created_at", "completed_at")


def main() -> None:
    sys.path.insert(0, sys.argv[1])
    flat = import_module("flat_pb")

    def offer(message: str, values: dict[str, object]) -> Mapping[str, Callable[[], object]]:
        if "status" in values:
            values = values | {"status": worker.TaskStatus(values["status"])}
        return operations(getattr(flat if message == "Flat" else worker, message), values)

    serve(offer)


def operations(kind: Any, values: dict[str, Any]) -> Mapping[str, Callable[[], object]]:
    instants = tuple(name for name in _INSTANTS if name in values)
    plain = {name: value for name, value in values.items() if name not in instants}
    fields = attributes(values)

    def build() -> Any:
        given = dict(values)
        for name in instants:
            given[name] = Timestamp.from_datetime(values[name])
        return kind(**given)

    def read(message: Any) -> dict[str, object]:
        found = {name: getattr(message, name) for name in plain}
        for name in instants:
            found[name] = getattr(message, name).to_datetime()
        return found

    built = build()
    data = built.to_bytes()
    return {
        "encode_dict": lambda: build().to_bytes(),
        "decode_dict": lambda: read(kind.from_bytes(data)),
        "encode_object": built.to_bytes,
        "decode_object": lambda: kind.from_bytes(data),
        "decode_read": lambda: fields(kind.from_bytes(data)),
    }


if __name__ == "__main__":
    main()
