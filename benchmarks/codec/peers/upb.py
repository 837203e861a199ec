"""Google's protobuf on upb, by its quickest ways: its constructor takes dicts and datetimes; back goes a walk."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from datetime import UTC
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, empty_pb2, message_factory, struct_pb2, timestamp_pb2
from google.protobuf.internal import api_implementation

from benchmarks.codec.peers.serving import attributes, serve

_KNOWN = (empty_pb2, struct_pb2, timestamp_pb2)  # to import them is to make them known
_STRUCTS = ("step_inputs", "result")
_INSTANTS = ("created_at", "completed_at")


def main() -> None:
    assert api_implementation.Type() == "upb"
    files = descriptor_pb2.FileDescriptorSet.FromString(Path(sys.argv[1]).read_bytes())
    pool = descriptor_pool.Default()
    for file in files.file:
        if not file.name.startswith("google/protobuf/"):
            pool.Add(file)

    def offer(message: str, values: dict[str, object]) -> Mapping[str, Callable[[], object]]:
        package = "flat" if message == "Flat" else "cerebelum.worker"
        kind = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{message}"))
        return operations(kind, values)

    serve(offer)


def operations(kind: Any, values: dict[str, object]) -> Mapping[str, Callable[[], object]]:
    structs = tuple(name for name in _STRUCTS if name in values)
    instants = tuple(name for name in _INSTANTS if name in values)
    scalars = {name: value for name, value in values.items() if name not in (*structs, *instants)}
    fields = attributes(values)

    def read(message: Any) -> dict[str, object]:
        found = {name: getattr(message, name) for name in scalars}
        for name in structs:
            found[name] = {key: plain(item) for key, item in getattr(message, name).fields.items()}
        for name in instants:
            found[name] = getattr(message, name).ToDatetime(UTC)
        return found

    built = kind(**values)
    data = built.SerializeToString()
    return {
        "encode_dict": lambda: kind(**values).SerializeToString(),
        "decode_dict": lambda: read(kind.FromString(data)),
        "encode_object": built.SerializeToString,
        "decode_object": lambda: kind.FromString(data),
        "decode_read": lambda: fields(kind.FromString(data)),
    }


def plain(value: Any) -> object:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return {key: plain(item) for key, item in value.struct_value.fields.items()}
    if kind == "list_value":
        return [plain(item) for item in value.list_value.values]
    return None if kind == "null_value" else getattr(value, kind)


if __name__ == "__main__":
    main()
