"""Writes `cerebelum_codegen/known/`: the messages of `google/protobuf/*.proto`, generated as any others are.

python -m cerebelum_codegen.plugin.known OUTPUT_FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

from google.protobuf import (
    any_pb2,
    api_pb2,
    descriptor_pb2,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    source_context_pb2,
    struct_pb2,
    timestamp_pb2,
    type_pb2,
    wrappers_pb2,
)
from google.protobuf.compiler import plugin_pb2

from cerebelum_codegen.plugin.program import generate

_GENERATED = (
    any_pb2,
    api_pb2,
    descriptor_pb2,
    field_mask_pb2,
    source_context_pb2,
    struct_pb2,
    type_pb2,
    wrappers_pb2,
)
_IN_THE_RUNTIME = (duration_pb2, empty_pb2, timestamp_pb2)


def files() -> dict[str, str]:
    """The generated modules, by path."""
    request = plugin_pb2.CodeGeneratorRequest(parameter="map=google/protobuf:cerebelum_codegen.known")
    for module in (*_IN_THE_RUNTIME, *_GENERATED):
        module.DESCRIPTOR.CopyToProto(request.proto_file.add())
    request.file_to_generate.extend(module.DESCRIPTOR.name for module in _GENERATED)
    response = generate(request)
    if response.error:
        raise SystemExit(response.error)
    return {file.name: file.content for file in response.file if "/known/" in file.name}


def main() -> None:
    folder = Path(sys.argv[1])
    for name, content in files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


if __name__ == "__main__":
    main()
