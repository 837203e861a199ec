"""Draws, as Mermaid, what becomes of steps and executions: by trying every command in every state there is.

`python -m tests.docs.diagrams` writes the diagrams into docs/meaning.md anew.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cerebelum_codegen.runtime.wkt import Timestamp
from cerebelum_engine import (
    ArmTimer,
    Blueprint,
    Phase,
    Rejected,
    State,
    commands,
    compile_blueprint,
    decide,
    evolve,
    new,
    pending,
    summary,
)
from cerebelum_engine.visit import task_id
from cerebelum_proto.types.v1.types_pb import Failure, Payload, RetryPolicy
from cerebelum_proto.worker import worker_service_pb as pb

PAGE = Path(__file__).parents[2] / "docs/meaning.md"
BEGINS_AT = 1_700_000_000_000_000_000
_Act = pb.RouteAction


@dataclass
class Explorer:
    """Every transition that some command leads to, found breadth first."""

    steps: set[tuple[str, str, str]] = field(default_factory=set)
    """From a phase to a phase, by an event."""
    executions: set[tuple[str, str, str]] = field(default_factory=set)
    """From a status to a status, by an event."""

    def explore(self, blueprint: Blueprint, values: tuple[str, ...], *, waits: bool) -> None:
        """Try everything that may happen to an execution, its steps giving these values."""
        todo = deque([(new(blueprint), BEGINS_AT)])
        seen: set[object] = set()
        while todo:
            state, now_ns = todo.popleft()
            for command, at_ns in self._wishes(state, now_ns, values, waits):
                events = decide(state, command, Timestamp.from_ns(at_ns))
                after = state
                for event in () if isinstance(events, Rejected) else events:
                    before, after = after, evolve(after, event)
                    self._note(before, type(event.fact).__name__, after)
                if (key := _key(after)) not in seen:
                    seen.add(key)
                    todo.append((after, at_ns))

    def _wishes(
        self, state: State, now_ns: int, values: tuple[str, ...], waits: bool
    ) -> Iterator[tuple[commands.Command, int]]:
        start = commands.StartExecution(execution_id="x", workflow="w", inputs=_payload("in"), timeout_ms=waits * 10**9)
        yield start, now_ns
        ready = [name for name in state.open if state.steps[name].phase is Phase.READY]
        for name in ready:
            wanted = task_id("x", name, state.steps[name])
            for outcome in self._outcomes(state, name, values, waits):
                yield commands.RecordResult(task_id=wanted, worker_id="w", outcome=outcome), now_ns
            if waits:
                yield commands.LoseTask(task_id=wanted, worker_id="w", reason="silent"), now_ns
        for timer in (effect for effect in pending(state) if isinstance(effect, ArmTimer)):
            yield commands.FireTimers(), max(now_ns, timer.due_at.to_ns())
        if waits:
            in_hand = frozenset(task_id("x", name, state.steps[name]) for name in ready)
            for held in (in_hand, frozenset[str]()):
                yield commands.Cancel(in_hand=held), now_ns
            for wish in (
                commands.Approve(), commands.Reject(), commands.Redrive(), commands.Retry(), commands.Pause(),
                commands.Resume(), commands.Terminate(), commands.SendSignal(signal_id="1", name="paid"),
            ):  # fmt: skip
                yield wish, now_ns

    def _outcomes(self, state: State, name: str, values: tuple[str, ...], waits: bool) -> Iterator[commands.Outcome]:
        for value in values:
            yield commands.Completed(output=_payload(value))
        if waits:
            yield commands.Failed(failure=Failure(kind="ValueError"))
            if not state.steps[name].markers:
                yield commands.Suspended(marker=pb.SleepRequest(duration_ms=1))
                yield commands.Suspended(marker=pb.ApprovalRequest(approval_type="manual", timeout_ms=1))
                yield commands.Suspended(marker=pb.SignalRequest(name="paid", timeout_ms=1))

    def _note(self, before: State, fact: str, after: State) -> None:
        for name, step in after.steps.items():
            phase = before.steps[name].phase.value if name in before.steps else "[*]"
            anew = name in before.steps and before.steps[name].visit != step.visit
            if phase != step.phase.value or anew or (name in before.steps and before.steps[name] != step):
                self.steps.add((phase, step.phase.value, fact))
        told = [summary(state).name.removeprefix("EXECUTION_").lower() for state in (before, after)]
        if before.started is None:
            told[0] = "[*]"
        if told[0] != told[1]:
            self.executions.add((told[0], told[1], fact))


def _key(state: State) -> object:
    steps = [
        (name, step.phase, step.failures, min(step.losses - step.forgiven, 10), len(step.markers), step.visit > 1)
        for name, step in state.steps.items()
    ]
    return (state.status, state.paused is None, state.cancelling is None, tuple(steps))


def _payload(text: str) -> Payload:
    return Payload(encoding="json", data=f'"{text}"'.encode())


def _blueprint(steps: str, policy: RetryPolicy | None, rules: dict[str, dict[str, pb.Route]]) -> Blueprint:
    definition = pb.WorkflowDefinition(
        timeline=[pb.Step(name=name, retry=policy) for name in steps],
        stages=[pb.Stage(steps=[name]) for name in steps],
        diverge_rules=[
            pb.DivergeRule(from_step=step, patterns=[pb.PatternMatch(pattern=t, route=r) for t, r in lines.items()])
            for step, lines in rules.items()
        ],
        max_visits=2,
    )
    return compile_blueprint(pb.Blueprint(workflow_module="w", definition=definition))


def drawn() -> dict[str, str]:
    """The diagrams by their names."""
    explorer = Explorer()
    policy = RetryPolicy(max_attempts=2, initial_interval_ms=1)
    explorer.explore(_blueprint("a", policy, {}), ("ok",), waits=True)
    skip = pb.Route(action=_Act.ROUTE_ACTION_SKIP_TO, step="c")
    back = pb.Route(action=_Act.ROUTE_ACTION_BACK_TO, step="a")
    explorer.explore(
        _blueprint("abc", None, {"a": {"skip": skip}, "c": {"back": back}}), ("ok", "skip", "back"), waits=False
    )
    return {"steps": _mermaid(explorer.steps), "executions": _mermaid(explorer.executions)}


def _mermaid(edges: set[tuple[str, str, str]]) -> str:
    labels: dict[tuple[str, str], list[str]] = {}
    for source, target, fact in sorted(edges):
        labels.setdefault((source, target), []).append(fact)
    lines = [f"    {source} --> {target}: {', '.join(facts)}" for (source, target), facts in labels.items()]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```"])


def with_diagrams(page: str) -> str:
    """The page with its diagrams drawn anew."""
    for name, diagram in drawn().items():
        begin, end = f"<!-- diagram: {name} -->\n", "\n<!-- end -->"
        head, _, rest = page.partition(begin)
        page = head + begin + diagram + end + rest.partition(end)[2]
    return page


if __name__ == "__main__":
    PAGE.write_text(with_diagrams(PAGE.read_text()))
