"""Values that nest very deep: a typed error or a result in both builds, and never the end of the process."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest

from cerebelum_codegen.runtime import DecodeError, EncodeError
from tests.codegen.conftest import Trial

DEEP = 10_000
TOO_DEEP = "messages nest deeper than 100"


def chain(trial: Trial, levels: int) -> Any:
    """A message in a message in a message."""
    tree = trial.kinds.Tree()
    for _ in range(levels):
        tree = trial.kinds.Tree(left=tree)
    return tree


def nested(levels: int) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for _ in range(levels):
        values = {"left": values}
    return values


REFUSED: dict[str, tuple[Callable[[Any], object], str]] = {
    "to_bytes": (lambda tree: tree.to_bytes(), TOO_DEEP),
    "to_json": (lambda tree: tree.to_json(), TOO_DEEP),
    "to_dict": (lambda tree: tree.to_dict(), TOO_DEEP),
    "merge_from": (lambda tree: type(tree)().merge_from(tree), TOO_DEEP),
    "from_dict": (lambda tree: type(tree).from_dict(nested(DEEP)), TOO_DEEP),
    "from_json": (lambda tree: type(tree).from_json('{"left":' * DEEP + "{}" + "}" * DEEP), "nests too deep"),
    "from_bytes": (lambda tree: type(tree).from_bytes(b"\x1b" * DEEP), TOO_DEEP),
}
PYTHON_S: dict[str, Callable[[Any], object]] = {
    "repr": repr,
    "==": lambda tree: tree == copy.copy(tree),
    "deepcopy": copy.deepcopy,
    "pickle": pickle.dumps,
    "replace": dataclasses.replace,
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_nests_too_deep_is_refused(trial: Trial, name: str) -> None:
    attempt, said = REFUSED[name]
    with pytest.raises((EncodeError, DecodeError), match=said):
        attempt(chain(trial, DEEP))


def test_a_struct_too_deep_is_refused_where_it_stands(trial: Trial) -> None:
    with pytest.raises(EncodeError, match=rf"^trial\.Known\.object.*{TOO_DEEP}"):
        trial.kinds.Known(object=nested(DEEP)).to_bytes()


@pytest.mark.parametrize("levels", [40, 48, 49, 50, 51, 99])
def test_a_struct_that_is_written_can_be_read(trial: Trial, levels: int) -> None:
    message = trial.kinds.Known(object=nested(levels))
    try:
        data = message.to_bytes()
    except EncodeError:
        assert levels > 48
    else:
        assert trial.kinds.Known.from_bytes(data) == message


def test_messages_a_hundred_deep_are_written_and_read(trial: Trial) -> None:
    tree = chain(trial, 100)
    assert trial.kinds.Tree.from_bytes(tree.to_bytes()) == tree
    with pytest.raises(EncodeError, match=TOO_DEEP):
        chain(trial, 101).to_bytes()


@pytest.mark.parametrize("name", PYTHON_S)
def test_what_python_does_with_it_ends_at_python_s_own_limit(trial: Trial, name: str) -> None:
    deep = chain(trial, DEEP)
    try:
        PYTHON_S[name](deep)
    except RecursionError as error:
        said = str(error)
        assert "recursion" in said


def test_a_million_levels_are_freed(trial: Trial) -> None:
    del_me = chain(trial, 1_000_000)
    del del_me


def test_the_stack_of_a_small_thread_is_enough(trial: Trial) -> None:
    """A program of Windows has 1 MiB. Compiled without optimization, which no wheel is, frames take the most."""
    read: list[Any] = []
    tree = chain(trial, 100)

    def work() -> None:
        read.append(trial.kinds.Tree.from_bytes(tree.to_bytes()))

    before = threading.stack_size(1024 * 1024)
    try:
        thread = threading.Thread(target=work)
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    assert read == [tree]
