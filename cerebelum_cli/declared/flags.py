"""Flags for the fields of a message: each value is read as the contract says, or refused under its flag's name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, cast

import click

from cerebelum_cli.options import FROM_FILE, read_json
from cerebelum_codegen.runtime import ClosedEnum, DecodeError, Duration, Enum, JsonValue, Message, Timestamp
from cerebelum_codegen.runtime.descriptor import FieldDescriptor, fields_of, names_of
from cerebelum_codegen.runtime.jsonknown import WRAPPERS
from cerebelum_codegen.runtime.jsonreader import JsonReader

if TYPE_CHECKING:
    from cerebelum_codegen.runtime.descriptor import FieldKind

_READER = JsonReader(ignore_unknown=False)
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|_")
_SCALARS = {"string": "TEXT", "bytes": "BASE64", "double": "NUMBER", "float": "NUMBER"}
_PLAIN = ("struct", "value", "list")


def kebab(name: str) -> str:
    """A name of the contract as the command line writes it: `order_id` and `orderId` as `order-id`."""
    return _WORD.sub("-", name).strip("-").lower()


class MessageFlags:
    """The flags of one message, and the flag that takes the whole of it as JSON."""

    def __init__(
        self, kind: type[Message], whole: str, taken: Collection[str], docs: Mapping[str, str] | None = None
    ) -> None:
        """`docs` are the contract's comments on the fields, by their names."""
        self._kind = kind
        self._whole = whole
        self._flags = [_Flag(kind, field, taken, (docs or {}).get(field.name, "")) for field in fields_of(kind)]

    def options(self) -> Iterator[click.Option]:
        """The flags, in the order of the fields."""
        for flag in self._flags:
            yield flag.option()
        yield click.Option(
            [self._whole, "whole"],
            callback=_read_whole,
            metavar="JSON",
            help=f"All of {self._kind.FULL_NAME}; other flags override it; {FROM_FILE}.",
        )

    def message(self, values: Mapping[str, object]) -> Message:
        """The message that the values of the flags make, by the names of their parameters.

        Raises:
            click.UsageError: they make none, each for itself or together, or there are none.
        """
        whole = cast("dict[str, JsonValue] | None", values["whole"])
        # A field goes by either of its names in JSON; the flag's value replaces it.
        given = [flag for flag in self._flags if values[flag.parameter] is not None]
        if whole is None and self._flags and not given:
            raise click.UsageError(
                f"nothing is given of {self._kind.FULL_NAME}: give its flags, or {self._whole} '{{}}' for an empty one"
            )
        replaced = {name for flag in given for name in (flag.field.name, flag.field.json)}
        data = {name: value for name, value in (whole or {}).items() if name not in replaced}
        data |= {flag.field.json: cast("JsonValue", values[flag.parameter]) for flag in given}
        try:
            return self._kind.from_dict(data)
        except DecodeError as error:
            raise click.BadParameter(str(error)) from None


def _read_whole(ctx: click.Context, param: click.Parameter, value: str | None) -> object:
    whole = None if value is None else read_json(ctx, param, value)
    if value is not None and not isinstance(whole, dict):
        raise click.BadParameter("give a JSON object")
    return whole


@dataclass(frozen=True)
class _Flag:
    message: type[Message]
    field: FieldDescriptor
    taken: Collection[str]
    doc: str = ""
    """The contract's comment on it."""

    @property
    def parameter(self) -> str:
        return f"field_{self.field.number}"

    @cached_property
    def kind(self) -> FieldKind:
        """What one value is; a wrapper counts as what it wraps."""
        kind = self.field.kind
        if isinstance(kind, type) and kind in WRAPPERS:
            return fields_of(cast("type[Message]", kind))[0].kind
        return kind

    @property
    def is_json(self) -> bool:
        return self.metavar == "JSON"

    @cached_property
    def metavar(self) -> str:
        if self.field.key:
            return "JSON"
        if self.kind is Timestamp:
            return "TIME"
        if self.kind is Duration:
            return "DURATION"
        if choices := self.choices:
            return "|".join(choices)
        if isinstance(self.kind, str) and self.kind not in _PLAIN:
            return _SCALARS.get(self.kind, "INTEGER")
        return "JSON"

    def option(self) -> click.Option:
        name = kebab(self.field.name)
        flag = f"--field-{name}" if f"--{name}" in self.taken else f"--{name}"
        if self.kind == "bool" and not (self.field.repeated or self.field.key):
            return click.Option([f"{flag}/--no-{flag[2:]}", self.parameter], default=None, help=self._help())
        return click.Option(
            [flag, self.parameter],
            type=click.Choice(self.choices, case_sensitive=False) if self.choices else click.STRING,
            metavar=self.metavar,
            multiple=self.field.repeated,
            callback=self._read,
            help=self._help(),
        )

    @cached_property
    def choices(self) -> list[str]:
        """The values that there are, if they can be counted."""
        if self.field.key:
            return []
        if self.kind == "bool":
            return ["true", "false"]
        kind = self.kind
        return list(names_of(kind)) if isinstance(kind, type) and issubclass(kind, Enum | ClosedEnum) else []

    def _help(self) -> str:
        """The contract's comment, and what cannot be guessed."""
        doc = self.doc.replace("\n", " ")
        return " ".join(filter(None, (doc, "Again for each." if self.field.repeated else "", self._form())))

    def _form(self) -> str:
        if self.metavar == "TIME":
            return "For example 2030-01-31T12:00:00Z."
        if self.metavar == "DURATION":
            return "In seconds, for example 90s."
        if not self.is_json:
            return ""
        kind = self.kind
        held = kind if isinstance(kind, str) else getattr(kind, "FULL_NAME", kind.__name__)
        return f"{f'{held} by {self.field.key}' if self.field.key else held}; {FROM_FILE}."

    def _read(self, ctx: click.Context, param: click.Parameter, value: object) -> JsonValue:
        if value is None or value == ():
            return None
        each = [self._value(ctx, param, item) for item in value] if isinstance(value, tuple) else None
        data = each if each is not None else self._value(ctx, param, value)
        try:
            _READER.message(self.message, {self.field.json: data})
        except DecodeError as error:
            raise click.BadParameter(str(error)) from None
        return data

    def _value(self, ctx: click.Context, param: click.Parameter, value: object) -> JsonValue:
        text = str(value)
        if self.is_json:
            return cast("JsonValue", read_json(ctx, param, text))
        return text == "true" if self.kind == "bool" else text
