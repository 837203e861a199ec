"""The payload converter: Python values to payloads and back, exact.

Plain JSON values travel as JSON, generated messages in their binary form, all else as JSON with tags. Reading takes an
annotation, and gives back what it says where the value allows it: it converts, it does not validate.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cerebelum_client.annotations import EncodedMessage
from cerebelum_client.converters import Converter, Converters
from cerebelum_client.errors import PayloadError
from cerebelum_client.plain import is_plain, text_of, value_of
from cerebelum_client.tagged import fit_as, fitted, read_tagged, write_tagged
from cerebelum_codegen.runtime import Message
from cerebelum_proto.types.v1.types_pb import Payload

_JSON = "json"
_TAGGED = "json+python"
_PROTOBUF = "protobuf:"
_NONE = Converters()


class Payloads:
    """Writes and reads values, with converters of one's own beside what is known to everybody."""

    def __init__(self, converters: Iterable[Converter[Any]] = ()) -> None:  # Any: converters of any types together
        self._converters = Converters(converters)

    def write(self, value: object) -> Payload:
        """Write a value.

        Raises:
            PayloadError: it holds something that cannot travel; the error says where and what.
        """
        if is_plain(value):
            return Payload(encoding=_JSON, data=_encoded(value))
        if isinstance(value, Message) and self._converters.of(value) is None:
            return Payload(encoding=_PROTOBUF + value.FULL_NAME, data=value.to_bytes())
        tagged, written = write_tagged(value, self._converters)
        return Payload(encoding=_TAGGED if tagged else _JSON, data=_encoded(written))

    def read(self, payload: Payload | None, annotation: object = object) -> object:
        """Read a value, as its annotation says where it can be so. No payload, or an empty one, is None.

        Raises:
            PayloadError: the payload is not what its encoding says, or needs an annotation to be read.
        """
        if payload is None or not payload.encoding:
            return None
        if payload.encoding == _JSON:
            value = _parsed(payload)
            return value if annotation is object or type(value) is annotation else fit_as(value, annotation)
        if payload.encoding.startswith(_PROTOBUF):
            return fitted(EncodedMessage(payload.encoding.removeprefix(_PROTOBUF), payload.data), annotation)
        if payload.encoding == _TAGGED:
            return fitted(read_tagged(_parsed(payload), self._converters), annotation)
        raise PayloadError(f"a payload of encoding '{payload.encoding}' cannot be read here")


PLAIN = Payloads()
"""Without converters of one's own."""


def to_payload(value: object) -> Payload:
    """Write a value without converters of one's own; see `Payloads.write`."""
    return PLAIN.write(value)


def from_payload(payload: Payload | None, annotation: object = object) -> object:
    """Read a value without converters of one's own; see `Payloads.read`."""
    return PLAIN.read(payload, annotation)


def _encoded(value: object) -> bytes:
    try:
        return text_of(value).encode()
    except UnicodeEncodeError:
        raise PayloadError("the value holds a string with a lone surrogate, which is no text") from None
    except ValueError:
        write_tagged(value, _NONE)  # which says where it is that it cannot be written
        raise


def _parsed(payload: Payload) -> object:
    try:
        return value_of(payload.data.decode())
    except (ValueError, RecursionError) as error:
        raise PayloadError(f"a payload of encoding '{payload.encoding}' is no JSON: {error}") from None
