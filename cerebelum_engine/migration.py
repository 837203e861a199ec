"""Whether a history would have been the same under another blueprint. Only then may its execution move there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from cerebelum_engine.blueprint import Blueprint
from cerebelum_engine.evolve import reconstruct
from cerebelum_engine.state import State, new
from cerebelum_proto.events.v1 import events_pb as ev


def disagreements(state: State, history: Sequence[ev.Event], blueprint: Blueprint) -> Iterator[str]:
    """What would stand otherwise had the history happened under this blueprint; nothing when all is the same."""
    if blueprint.workflow != state.blueprint.workflow:
        yield f"it is of workflow '{blueprint.workflow}', not '{state.blueprint.workflow}'"
        return
    replayed = reconstruct(new(blueprint), (_without_migration(event) for event in history))
    if replayed == replace(state, blueprint=blueprint):
        return
    yield from _differences(state, replayed)


def _differences(state: State, replayed: State) -> Iterator[str]:
    named = False
    for name in state.steps:
        if name not in replayed.steps:
            yield f"step '{name}' has begun, and there it would not have"
            named = True
    for name, step in replayed.steps.items():
        if name not in state.steps:
            yield f"step '{name}' would have begun there by now"
            named = True
        elif step != state.steps[name]:
            yield f"step '{name}' would stand otherwise there ({step.phase.value}, not {state.steps[name].phase.value})"
            named = True
    if not named:
        yield "its timeline would stand elsewhere there"


def _without_migration(event: ev.Event) -> ev.Event:
    return replace(event, fact=None) if isinstance(event.fact, ev.ExecutionMigrated) else event
