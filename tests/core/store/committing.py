"""A committer that tests play by hand, and notes of what became of each write."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from cerebelum_core.store.records import Outcome
from cerebelum_core.store.writer import GroupCommit, Told


class ByHand:
    """A committer that writes when the test says so."""

    def __init__(self, *, at_once: int = 1) -> None:
        self.batches: list[list[str]] = []
        self.refuses_to_begin = False
        self._at_once = at_once
        self._told: list[Told] = []

    @property
    def is_free(self) -> bool:
        return len(self._told) < self._at_once

    def begin(self, writes: Sequence[str], size: int, told: Told) -> None:
        if self.refuses_to_begin:
            raise OSError("no process can be started")
        self.batches.append(list(writes))
        self._told.append(told)

    def tell(self, outcomes: Sequence[Outcome], *, over: bool = True) -> None:
        told = self._told.pop(0) if over else self._told[0]
        told(outcomes)

    async def close(self) -> None:
        assert not self._told


class Notes:
    """What became of each write, in the order in which it was told."""

    def __init__(self, writer: GroupCommit[str]) -> None:
        self.told: list[tuple[str, Outcome]] = []
        self._writer = writer

    def post(self, *writes: str) -> None:
        for write in writes:
            self._writer.post(write, partial(self._note, write))

    def _note(self, write: str, outcome: Outcome) -> None:
        self.told.append((write, outcome))


async def turn() -> None:
    await asyncio.sleep(0)
