"""Every blueprint of a world, by its hash: what an execution means follows from its history alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cerebelum_engine import Blueprint, compile_blueprint, hash_of
from cerebelum_proto.events.v1 import events_pb as ev
from cerebelum_proto.worker import worker_service_pb as pb


class Library:
    def __init__(self, blueprints: Iterable[pb.Blueprint]) -> None:
        self._by_hash = {hash_of(each): each for each in blueprints}
        self._compiled = {digest: compile_blueprint(each) for digest, each in self._by_hash.items()}

    @property
    def hashes(self) -> list[str]:
        """What each is stored by."""
        return list(self._by_hash)

    def compiled(self, blueprint: pb.Blueprint) -> Blueprint:
        """One of them in the engine's form."""
        return self._compiled[hash_of(blueprint)]

    def first_of(self, past: Sequence[ev.Event]) -> Blueprint:
        """The blueprint that an execution began with."""
        started = past[0].fact
        assert isinstance(started, ev.ExecutionStarted)
        return self._compiled[started.blueprint_hash]

    def definition_at(self, past: Sequence[ev.Event]) -> pb.WorkflowDefinition:
        """What an execution goes by after this history: it may have moved to another blueprint."""
        for event in reversed(past):
            if isinstance(event.fact, ev.ExecutionMigrated):
                return self._definition(event.fact.blueprint_hash)
            if isinstance(event.fact, ev.ExecutionStarted):
                return self._definition(event.fact.blueprint_hash)
        return pb.WorkflowDefinition()

    def _definition(self, digest: str) -> pb.WorkflowDefinition:
        return self._by_hash[digest].definition or pb.WorkflowDefinition()
