"""What every generated message is."""

from __future__ import annotations

import struct
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, ClassVar, Final, NoReturn, Self

from cerebelum_codegen.runtime.errors import DecodeError, EncodeError, Missing
from cerebelum_codegen.runtime.jsonvalue import JsonValue
from cerebelum_codegen.runtime.wire import MAX_DEPTH, truncated

_OF_ANOTHER_TYPE: Final = (TypeError, AttributeError, struct.error)
"""What Python says of a value that is nothing like its field's type."""


@dataclass(slots=True, kw_only=True)
class Message:
    """Base of generated messages: a dataclass that knows its bytes.

    Fields that this version does not know are kept and written out again.
    """

    FULL_NAME: ClassVar[str]
    """The message's name in the contract, with its package."""

    if TYPE_CHECKING:
        # Each message has a place of its own for it: a compiled class can begin only where its base ends.
        _unknown: bytes | bytearray = field(default=b"", repr=False)

    @abstractmethod
    def to_bytes(self) -> bytes:
        """The message in the binary format, fields in the order of their numbers.

        Raises:
            EncodeError: a field holds what its type cannot carry; it names the field.
        """

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The message that the bytes hold.

        Raises:
            DecodeError: the bytes are not such a message.
        """
        message = cls()
        try:
            message.__merge__(data, 0, len(data), MAX_DEPTH)
        except Exception as error:
            raise message._malformed(error) from None
        return message

    def merge_from_bytes(self, data: bytes) -> None:
        """Read more bytes into this message: single fields are replaced, repeated ones grow, messages merge.

        Raises:
            DecodeError: the bytes are not such a message; what was read before the fault is kept.
        """
        try:
            self.__merge__(data, 0, len(data), MAX_DEPTH)
        except Exception as error:
            raise self._malformed(error) from None

    def to_json(self, *, proto_names: bool = False, defaults: bool = False, indent: int | None = None) -> str:
        """The message as JSON.

        Fields go by their camel-case names, or by those of the contract (`proto_names`). What holds its zero is left
        out, unless it is asked for (`defaults`).

        Raises:
            EncodeError: a field holds what its type cannot carry, or what JSON has no form for; it names the field.
        """
        from cerebelum_codegen.runtime.jsonformat import write

        return write(self, proto_names, defaults, indent)

    @classmethod
    def from_json(cls, text: str | bytes, *, ignore_unknown: bool = False) -> Self:
        """The message that the JSON text holds.

        Raises:
            DecodeError: the text is not JSON, or not of such a message; it names the field. What is not known is an
                error too, unless it is to be ignored.
        """
        from cerebelum_codegen.runtime.jsonformat import read

        return read(cls, text, ignore_unknown)

    def to_dict(self, *, proto_names: bool = False, defaults: bool = False) -> dict[str, JsonValue]:
        """What `to_json` writes, as plain values.

        Raises:
            EncodeError: as `to_json`; also when the message's form in JSON is no object.
        """
        from cerebelum_codegen.runtime.jsonformat import to_object

        return to_object(self, proto_names, defaults)

    @classmethod
    def from_dict(cls, data: Mapping[str, JsonValue], *, ignore_unknown: bool = False) -> Self:
        """The message that the values hold, which are of the form that `to_dict` gives.

        Raises:
            DecodeError: as `from_json`.
        """
        from cerebelum_codegen.runtime.jsonformat import from_object

        return from_object(cls, data, ignore_unknown)

    def merge_from(self, other: Self) -> None:
        """Read another message into this one: what it says single fields of replaces, what it repeats is added.

        Raises:
            EncodeError: the other message cannot be written.
        """
        self.merge_from_bytes(other.to_bytes())

    @abstractmethod
    def __merge__(self, data: bytes, at: int, end: int, depth: int) -> None:
        """Read the fields between `at` and `end`."""

    def _malformed(self, error: Exception) -> Exception:
        """What an error while reading means."""
        match error:
            case UnicodeDecodeError():
                return DecodeError(f"{self.FULL_NAME}: a string is not UTF-8 ({error.reason})")
            case DecodeError():
                return DecodeError(f"{self.FULL_NAME}: {error}")
            case IndexError() | struct.error():
                return DecodeError(f"{self.FULL_NAME}: {truncated()}")
            case _:
                return error

    def _refuse(self, error: Exception) -> NoReturn:
        """Find the field that cannot be written, and say so."""
        from cerebelum_codegen.runtime.descriptor import messages_in

        if isinstance(error, EncodeError):
            raise error
        part = type(self)()
        for each in fields(self):
            # Fields are written in their order: the first that a part of the message cannot be written with is it.
            setattr(part, each.name, getattr(self, each.name))
            if (reason := part._fault(each.type)) is not None:
                if not isinstance(error, RecursionError):
                    for inner in messages_in(part):
                        inner.to_bytes()  # says it more exactly, when the fault is in there
                raise EncodeError(f"{self.FULL_NAME}.{each.name}{reason}") from None
        raise EncodeError(f"{self.FULL_NAME}: {error}") from error

    def _fault(self, annotation: object) -> str | None:
        """What is wrong with the last field of a part, after its name; None when nothing is."""
        try:
            self.__write__(MAX_DEPTH)
        except Missing:
            return None
        except Exception as error:
            text = str(error) or type(error).__name__
            ending = f"; the field takes {annotation}" if isinstance(error, _OF_ANOTHER_TYPE) else ""
            return (text if text.startswith((":", "[")) else f": {text}") + ending
        return None

    @abstractmethod
    def __write__(self, depth: int) -> bytes:
        """The message's bytes, or whatever Python says of a value that has none. So deep may others nest in it."""


def wrong_type(value: object, wanted: type) -> TypeError:
    """The error for a value of another class than its field's."""
    return TypeError(f"{type(value).__name__} is not {wanted.__name__}")
