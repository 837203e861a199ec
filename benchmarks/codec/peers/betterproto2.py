"""betterproto2: `from_dict` and `to_dict` of its Struct; instants are datetimes of its own accord."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.codec.peers.serving import attributes, serve

_STRUCTS = ("step_inputs", "result")


def main() -> None:
    generated = Path(sys.argv[1])
    sys.path.insert(0, str(generated.parent))  # its modules import each other relatively, up to a package around them
    worker, flat = import_module("generated.cerebelum.worker"), import_module("generated.flat")
    struct = import_module("generated.google.protobuf").Struct

    def offer(message: str, values: dict[str, object]) -> Mapping[str, Callable[[], object]]:
        if "status" in values:
            values = values | {"status": worker.TaskStatus(values["status"])}
        return operations(getattr(flat if message == "Flat" else worker, message), values, struct)

    serve(offer)


def operations(kind: Any, values: dict[str, Any], struct: Any) -> Mapping[str, Callable[[], object]]:
    structs = tuple(name for name in _STRUCTS if name in values)
    plain = {name: value for name, value in values.items() if name not in structs}
    fields = attributes(values)

    def build() -> Any:
        return kind(**plain, **{name: struct.from_dict(values[name]) for name in structs})

    def read(message: Any) -> dict[str, object]:
        found = {name: getattr(message, name) for name in plain}
        for name in structs:
            found[name] = getattr(message, name).to_dict()
        return found

    built = build()
    data = bytes(built)
    return {
        "encode_dict": lambda: bytes(build()),
        "decode_dict": lambda: read(kind.parse(data)),
        "encode_object": lambda: bytes(built),
        "decode_object": lambda: kind.parse(data),
        "decode_read": lambda: fields(kind.parse(data)),
    }


if __name__ == "__main__":
    main()
