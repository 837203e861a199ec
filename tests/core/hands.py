"""Parts to put a Core together from in tests: a clock that is set by hand, and executions to try it with."""

from __future__ import annotations

from dataclasses import dataclass, field

from cerebelum_codegen.runtime import Timestamp
from cerebelum_core.blueprints import BlueprintRegistry
from cerebelum_core.reconstructor import StateReconstructor
from cerebelum_core.registry import Registry
from cerebelum_core.store import EventStore, MemoryStore
from cerebelum_core.supervisor import Supervisor
from cerebelum_engine import (
    Blueprint,
    Completed,
    Owed,
    RecordResult,
    StartExecution,
    State,
    Suspended,
    compile_blueprint,
    owed_tasks,
)
from cerebelum_proto.worker.worker_service_pb import ApprovalRequest
from tests.engine.play import START_NS, payload, submitted

FLOW = submitted(["a"], ["b"])


class HandClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now_ns = START_NS

    def now(self) -> Timestamp:
        return Timestamp.from_ns(self.now_ns)

    def pass_s(self, seconds: float) -> None:
        self.now_ns += int(seconds * 1e9)


@dataclass
class Told:
    """Notes what the executions tell."""

    committed_states: list[State] = field(default_factory=list)
    loaded_states: list[State] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    def committed(self, state: State, owed: Owed) -> None:
        self.committed_states.append(state)

    def loaded(self, state: State, owed: Owed) -> None:
        self.loaded_states.append(state)

    def unsure(self, execution_id: str) -> None:
        """Nothing was handed out."""

    def doubted(self, execution_id: str) -> None:
        self.doubts.append(execution_id)


@dataclass
class Bench:
    """A registry on a store, with everything that it needs."""

    store: EventStore = field(default_factory=MemoryStore)
    clock: HandClock = field(default_factory=HandClock)
    told: Told = field(default_factory=Told)
    max_live: int = 100

    def __post_init__(self) -> None:
        self.blueprints = BlueprintRegistry(self.store, self.clock)
        self.registry = Registry(
            store=self.store,
            reconstructor=StateReconstructor(self.store, self.blueprints),
            clock=self.clock,
            supervisor=Supervisor(self.clock),
            observer=self.told,
            max_live=self.max_live,
        )

    def again(self) -> Bench:
        """The same store under a new Core."""
        return Bench(store=self.store, clock=self.clock)

    async def started(self, execution_id: str = "x", inputs: str = "in") -> Blueprint:
        """Start an execution of FLOW."""
        await self.blueprints.submit(FLOW)
        shape = compile_blueprint(FLOW)
        await self.registry.begin(start(execution_id, inputs), shape)
        return shape


def start(execution_id: str = "x", inputs: str = "in") -> StartExecution:
    return StartExecution(execution_id=execution_id, workflow="play", inputs=payload(inputs))


def result(state: State, value: str = "done") -> RecordResult:
    """What a worker hands in for the first task that is owed."""
    task = owed_tasks(state)[0]
    return RecordResult(task_id=task.task_id, worker_id="w", outcome=Completed(output=payload(value)))


def question(state: State) -> RecordResult:
    """The same, and the step asks a person."""
    task = owed_tasks(state)[0]
    outcome = Suspended(marker=ApprovalRequest(approval_type="manual"))
    return RecordResult(task_id=task.task_id, worker_id="w", outcome=outcome)
