"""How a compiled class becomes a dataclass."""

from __future__ import annotations

import inspect
from dataclasses import fields

import pytest

from cerebelum_codegen.runtime.adoption import adopt


class Compiled:
    name: str

    def __init__(self, name: str = "") -> None:
        self.name = name


def test_a_class_without_a_docstring_is_not_asked_for_its_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    # A compiled class has none, and Python 3.11.2 does not forgive that.
    def signature(_: object) -> inspect.Signature:
        raise AssertionError("asked for a signature")

    monkeypatch.setattr(inspect, "signature", signature)
    adopt(Compiled, {"name": "str"}, {"name": ""})
    assert [field.name for field in fields(Compiled)] == ["name"]  # type: ignore[arg-type]  # it is one by now
    assert Compiled("a") == Compiled("a")
    assert repr(Compiled("a")) == "Compiled(name='a')"
