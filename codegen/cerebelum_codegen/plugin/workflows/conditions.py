"""What can be wrong with a condition over messages, found before anything runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto

from cerebelum_codegen.plugin.declarations import Declarations
from cerebelum_codegen.plugin.workflows.declared import INPUTS, DeclaredWorkflow, Line
from cerebelum_engine.conditions import Condition, ConditionError
from cerebelum_engine.values import Value

_F = FieldDescriptorProto
_TEXT = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_PATH = re.compile(r"(?<![\w.])([A-Za-z_]\w*)((?:\s*\.\s*[A-Za-z_]\w*)*)\s*(\(?)")
_DEEPEST = 4
_MISTAKES = ("cannot be applied", "not a yes or no", "that is no mapping")
_FLOATS = (_F.TYPE_DOUBLE, _F.TYPE_FLOAT)
_TEXTS = (_F.TYPE_STRING, _F.TYPE_BYTES)
_KNOWN: Mapping[str, Value] = {"google.protobuf.Timestamp": "1970-01-01T00:00:00Z", "google.protobuf.Duration": 0.0}


def condition_faults(workflow: DeclaredWorkflow, declared: Declarations) -> Iterator[tuple[Line, str]]:
    """Each condition that cannot be read or names what is not there, and why."""
    answers = {step.name: step.response for step in workflow.steps} | {INPUTS: workflow.inputs}
    for line in workflow.branch:
        if line.text == "_":
            continue
        there = {line.step, INPUTS, *workflow.step(line.step).sources}
        visible = {name: answer for name, answer in answers.items() if name in there}
        for fault in _faults(line.text, visible, answers.keys() - there, declared):
            yield line, f"condition '{line.text}' of '{line.step}': {fault}"


def _faults(text: str, visible: Mapping[str, str], hidden: set[str], declared: Declarations) -> Iterator[str]:
    named = list(_paths(text))
    for name in dict.fromkeys(path[0] for path in named if path[0] in hidden):
        yield f"the worker has no answer of '{name}' here: it has {', '.join(sorted(visible))}"
        return
    faults = [fault for path in named if path[0] in visible and (fault := _missing(path, visible[path[0]], declared))]
    yield from dict.fromkeys(faults)
    if not faults:
        yield from _unreadable(text, visible, declared)


def _paths(text: str) -> Iterator[list[str]]:
    """The names in a condition with what is selected of them; the name of a function is none."""
    for name, rest, call in _PATH.findall(_TEXT.sub("''", text)):
        path = [name, *(part.strip() for part in rest.split(".")[1:])]
        if call:
            path.pop()
        if path:
            yield path


def _missing(path: list[str], message: str, declared: Declarations) -> str:
    """The field that is selected of a message and is not one of it."""
    for name in path[1:]:
        found = declared[f".{message}"].message
        field = next((each for each in found.field if each.name == name), None) if found is not None else None
        if field is None:
            return f"{message} has no field '{name}'"
        if field.type != _F.TYPE_MESSAGE or field.label == _F.LABEL_REPEATED or field.type_name[1:] in _KNOWN:
            return ""
        message = field.type_name.removeprefix(".")
        if message.startswith("google.protobuf."):
            return ""
    return ""


def _unreadable(text: str, visible: Mapping[str, str], declared: Declarations) -> Iterator[str]:
    """What the library says, of the text and of its value for empty messages."""
    condition = Condition(text, tuple(visible))
    try:
        condition.check()
    except ConditionError as error:
        yield str(error)
        return
    try:
        condition.holds({name: _sample(message, declared, _DEEPEST) for name, message in visible.items()})
    except ConditionError as error:
        # Whatever else goes wrong may be the emptiness of the example.
        if any(each in str(error) for each in _MISTAKES):
            yield str(error)


def _sample(message: str, declared: Declarations, depth: int) -> Value:
    if message in _KNOWN:
        return _KNOWN[message]
    found = declared[f".{message}"].message
    fields = found.field if found is not None else DescriptorProto().field
    return {field.name: _example(field, declared, depth - 1) for field in fields}


def _example(field: FieldDescriptorProto, declared: Declarations, depth: int) -> Value:
    if field.label == _F.LABEL_REPEATED:
        is_map = field.type == _F.TYPE_MESSAGE and declared[field.type_name].is_map_entry
        return {} if is_map else []
    if field.type == _F.TYPE_MESSAGE:
        return _sample(field.type_name.removeprefix("."), declared, depth) if depth else {}
    if field.type in _TEXTS:
        return ""
    if field.type == _F.TYPE_ENUM:
        return declared[field.type_name].first_member
    if field.type == _F.TYPE_BOOL:
        return False
    return 0.0 if field.type in _FLOATS else 0
