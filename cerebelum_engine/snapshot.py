"""Snapshots: a state as a message and back. What a state is made of is read from its types, so nothing is listed twice.

A snapshot is a cache of `reconstruct`. It names the shape of the states that it was taken of; an engine with other
states, or with another MEANING, folds the history instead.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum, IntEnum
from functools import cache
from typing import get_args, get_type_hints

from cerebelum_codegen.runtime.message import Message
from cerebelum_engine.blueprint import Blueprint
from cerebelum_engine.state import State
from cerebelum_proto.events.v1 import snapshot_pb as pb

MEANING = 1
"""Raise it when `evolve` makes another state of the same events."""


def take(state: State) -> pb.Snapshot:
    """The snapshot of a state."""
    return pb.Snapshot(
        execution_id=state.execution_id,
        version=state.version,
        blueprint_hash=state.blueprint.hash,
        shape=shape(),
        state=_record(state),
    )


def restore(snapshot: pb.Snapshot, blueprint: Blueprint) -> State | None:
    """The state that a snapshot was taken of; None when it is of another shape, and the history must be folded."""
    if snapshot.shape != shape() or snapshot.blueprint_hash != blueprint.hash or snapshot.state is None:
        return None
    restored = _built(State, {"blueprint": blueprint, **_members(snapshot.state)})
    return restored if isinstance(restored, State) else None


@cache
def shape() -> str:
    """What states are made of: every class, its members and their types."""
    lines = [str(MEANING)]
    for name, kind in sorted(_kinds().items()):
        if is_dataclass(kind) and not issubclass(kind, Message):
            lines += [f"{name}.{each.name}: {each.type}" for each in fields(kind)]
        elif issubclass(kind, Enum):
            lines += [f"{name}.{word}" for word in kind.__members__]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


# -- to a message ----------------------------------------------------------------------------


def _record(record: object) -> pb.SnapshotRecord:
    members = {
        each.name: _value(value)
        for each in _stored(type(record))
        if not _is_default(each, value := getattr(record, each.name))
    }
    return pb.SnapshotRecord(kind=type(record).__name__, members=members)


def _value(value: object) -> pb.SnapshotValue:
    return pb.SnapshotValue(value=None if value is None else _content(value))


def _content(value: object) -> pb.SnapshotValue_Value:
    kind = type(value).__name__
    match value:
        case Message():
            return pb.SnapshotMessage(kind=kind, data=value.to_bytes())
        case IntEnum():
            return pb.SnapshotWord(kind=kind, number=value.value)
        case Enum():
            return pb.SnapshotWord(kind=kind, name=value.name)
        case tuple():
            return pb.SnapshotItems(items=[_value(item) for item in value])
        case Mapping():
            entries = [pb.SnapshotEntry(key=_value(key), value=_value(each)) for key, each in value.items()]
            return pb.SnapshotEntries(entries=entries)
        case bool():
            return pb.SnapshotValue_Truth(value)
        case int():
            return pb.SnapshotValue_Number(value)
        case float():
            return pb.SnapshotValue_Fraction(value)
        case str():
            return pb.SnapshotValue_Text(value)
        case bytes():
            return pb.SnapshotValue_Octets(value)
        case _:
            return _record(value)


# -- and back --------------------------------------------------------------------------------


def _members(record: pb.SnapshotRecord) -> dict[str, object]:
    return {name: _restored(value) for name, value in record.members.items()}


def _restored(value: pb.SnapshotValue | None) -> object:
    content = value.value if value is not None else None
    match content:
        case pb.SnapshotMessage(kind=kind, data=data):
            return _message(_kinds()[kind], data)
        case pb.SnapshotWord(kind=kind, name=name, number=number):
            return _word(_kinds()[kind], name, number)
        case pb.SnapshotItems(items=items):
            return tuple(_restored(item) for item in items)
        case pb.SnapshotEntries(entries=entries):
            return {_restored(each.key): _restored(each.value) for each in entries}
        case pb.SnapshotRecord(kind=kind):
            return _built(_kinds()[kind], _members(content))
        case None:
            return None
        case _:
            return content.value


def _built(kind: type, members: Mapping[str, object]) -> object:
    return kind(**members)


def _message(kind: type, data: bytes) -> object:
    if not issubclass(kind, Message):
        raise TypeError(f"{kind.__name__} is no message")
    return kind.from_bytes(data)


def _word(kind: type, name: str, number: int) -> object:
    if not issubclass(kind, Enum):
        raise TypeError(f"{kind.__name__} is no enum")
    return kind[name] if name else kind(number)


# -- what states are made of -----------------------------------------------------------------


def _stored(kind: type) -> tuple[Field[object], ...]:
    """The members that a snapshot keeps: all but the blueprint, which has its own place."""
    return tuple(each for each in fields(kind) if each.name != "blueprint")


def _is_default(member: Field[object], value: object) -> bool:
    if member.default is not MISSING:
        return bool(value == member.default)
    return member.default_factory is not MISSING and bool(value == member.default_factory())


@cache
def _kinds() -> dict[str, type]:
    """Every class that a state can hold, by name."""
    return {kind.__name__: kind for kind in _walk(State, set())}


def _walk(hint: object, seen: set[type]) -> Iterator[type]:
    for each in get_args(hint):
        yield from _walk(each, seen)
    if not isinstance(hint, type) or hint in seen or not (issubclass(hint, Enum) or is_dataclass(hint)):
        return
    seen.add(hint)
    yield hint
    if not issubclass(hint, Enum | Message):
        hints = get_type_hints(hint)
        for member in _stored(hint):
            yield from _walk(hints[member.name], seen)
