"""What Google's runner talks to: it reads a message in one format and writes it in another, with our codec.

python testee.py GENERATED_FOLDER
"""

from __future__ import annotations

import importlib
import struct
import sys
from typing import Any

from cerebelum_codegen.runtime import CodecError, Message, class_of

MODULES = ("proto2", "proto3", "proto2_editions", "proto3_editions", "edition2023")


def answer(request: Any, pb: Any) -> Any:
    """The response to one request."""
    kind = class_of(request.message_type)
    if request.requested_output_format not in (pb.WireFormat.PROTOBUF, pb.WireFormat.JSON):
        return pb.ConformanceResponse_Skipped("only the binary format and JSON are offered")
    if kind is None:
        return pb.ConformanceResponse_Skipped(f"{request.message_type} is not generated")
    try:
        message = _read(request, kind, pb)
    except CodecError as error:
        return pb.ConformanceResponse_ParseError(str(error))
    if message is None:
        return pb.ConformanceResponse_Skipped("only the binary format and JSON are offered")
    try:
        if request.requested_output_format is pb.WireFormat.JSON:
            return pb.ConformanceResponse_JsonPayload(message.to_json())
        return pb.ConformanceResponse_ProtobufPayload(message.to_bytes())
    except CodecError as error:
        return pb.ConformanceResponse_SerializeError(str(error))


def _read(request: Any, kind: type[Message], pb: Any) -> Message | None:
    match request.payload:
        case pb.ConformanceRequest_ProtobufPayload(data):
            return kind.from_bytes(data)
        case pb.ConformanceRequest_JsonPayload(text):
            lenient = request.test_category is pb.TestCategory.JSON_IGNORE_UNKNOWN_PARSING_TEST
            return kind.from_json(text, ignore_unknown=lenient)
        case _:
            return None


def main() -> None:
    sys.path.insert(0, sys.argv[1])
    pb = importlib.import_module("conformance.conformance_pb")
    for name in MODULES:
        importlib.import_module(f"conformance.messages.test_messages_{name}_pb")
    while size := sys.stdin.buffer.read(4):
        request = pb.ConformanceRequest.from_bytes(sys.stdin.buffer.read(*struct.unpack("<I", size)))
        try:
            result = answer(request, pb)
        except Exception as error:
            result = pb.ConformanceResponse_RuntimeError(f"{type(error).__name__}: {error}")
        data = pb.ConformanceResponse(result=result).to_bytes()
        sys.stdout.buffer.write(struct.pack("<I", len(data)) + data)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
