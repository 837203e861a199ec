"""Extensions: fields that one file adds to a message of another.

On the wire an extension is a field like any other, and to the extended message an unknown one. So it stays among the
unknown fields, as bytes, until somebody asks for it by its extension.
"""

from __future__ import annotations

from typing import Generic, TypeVar, cast

from cerebelum_codegen.runtime.message import Message

_M = TypeVar("_M", bound=Message)
_T = TypeVar("_T")


class Extension(Generic[_M, _T]):
    """One field that is added to messages of type `_M` and holds a `_T`.

    `deadline.get(options)` reads it, `deadline.set(options, 5)` sets it, and None or an empty list takes it away.
    """

    __slots__ = ("_attribute", "_holder", "extended")

    def __init__(self, extended: type[_M], holder: type[Message], attribute: str) -> None:
        self.extended = extended
        self._holder = holder
        self._attribute = attribute

    def get(self, message: _M) -> _T:
        """What the message holds here: None, or an empty list, when it holds nothing. A list is a copy.

        Raises:
            DecodeError: the message came with bytes that are no value of this field.
        """
        return cast("_T", getattr(self._held(message), self._attribute))

    def set(self, message: _M, value: _T) -> None:
        """Make the message hold a value here.

        Raises:
            EncodeError: the field cannot carry the value.
        """
        held = self._held(message)
        setattr(held, self._attribute, value)
        message._unknown = held.to_bytes()

    def _held(self, message: _M) -> Message:
        if type(message) is not self.extended:
            raise TypeError(f"{self._attribute} extends {self.extended.__name__}, not {type(message).__name__}")
        return self._holder.from_bytes(bytes(message._unknown))
