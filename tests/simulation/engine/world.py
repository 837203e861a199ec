"""A random world around the engine: workers that die, double, delay and lie; clocks that jump; crashes.

The world keeps two things apart: what is durable (`history`, as bytes) and what a crash takes away (`state`).
Everything that a seed does follows from the seed.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from cerebelum_codegen.runtime.wkt import Timestamp
from cerebelum_engine import (
    ArmTimer,
    AwaitApproval,
    Command,
    DispatchTask,
    Handout,
    Rejected,
    State,
    commands,
    compile_blueprint,
    decide,
    evolve,
    new,
    pending,
    reconstruct,
    restore,
    take,
)
from cerebelum_engine import tasks as engine_tasks
from cerebelum_engine.pending import holder
from cerebelum_proto.events.v1.events_pb import Event, ExecutionMigrated
from cerebelum_proto.events.v1.snapshot_pb import Snapshot
from cerebelum_proto.worker.worker_service_pb import Task, WorkflowDefinition
from tests.simulation.engine.answers import answer, payload
from tests.simulation.engine.auditor import Broken, audit, audit_task, overdue
from tests.simulation.engine.drawing import drawn
from tests.simulation.engine.model import Model
from tests.simulation.engine.operators import Operators
from tests.simulation.engine.signals import drawn_signal, is_signalled
from tests.simulation.engine.workflows import lanes_workflow, parting_workflow, random_workflow

START_NS = 1_700_000_000_000_000_000
_MS = 1_000_000


@dataclass
class Letter:
    """A result on its way to the Core; it may arrive late, twice or never."""

    command: commands.RecordResult
    copies: int = 1
    acknowledged: bool = False


@dataclass
class World:
    seed: int
    chaos: bool = True
    dice: random.Random = field(init=False)
    now_ns: int = START_NS
    log: list[bytes] = field(default_factory=list)
    history: list[Event] = field(default_factory=list)
    """What the log says, read once."""
    post: list[Letter] = field(default_factory=list)
    leases: dict[str, Task] = field(default_factory=dict)
    story: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.execution_id = f"x{self.seed}"
        self.parting = self.dice.random() < 0.15
        """A world of groups that part: their steps fail or lead elsewhere, and somebody tries again soon."""
        self.cut_short = not self.parting and self.dice.random() < 0.12
        """A world of lanes that is cancelled while they run."""
        draw = parting_workflow if self.parting else lanes_workflow if self.cut_short else random_workflow
        self.submitted = draw(self.dice)
        self.submitted_at_first = self.submitted
        self.first = compile_blueprint(self.submitted)
        self.definition = self.submitted.definition or WorkflowDefinition()
        self.model = Model(self.definition)
        self.story.append(drawn(self.definition).replace("\n", "\n  "))
        self.state = new(self.first)
        self.operators = Operators(self)
        # Not everything happens in every world: each leaves room for what its kind is about.
        self.killer = self.dice.random() < 0.2
        """A world in which steps tend to kill their workers."""
        self.steered = not self.parting and self.dice.random() < 0.6
        """A world with busy operators."""
        self.signalled = not self.parting and is_signalled(self.seed)

    # -- what a run is made of ---------------------------------------------------------------

    def run(self) -> list[Event]:
        """Chaos for a while, then a kind world in which the execution must come to an end."""
        self.start()
        for _ in range(self.dice.randint(5, 120)):
            self.step()
        self.chaos = False
        self.start()
        for _ in range(2_000):
            if self.state.ended and not self.post:
                break
            self.step()
        self.check_the_end()
        return self.history

    def step(self) -> None:
        """One random move of the world."""
        moves = [self.hand_out, self.deliver, self.pass_time, self.decide_approval, self.expire_lease]
        if self.chaos:
            moves += [self.crash, self.start, self.fire_early, self.forge]
            moves += [self.operators.steer] if self.steered else [self.operators.maybe_cancel]
            moves += [self.time_out] if self.dice.random() < 0.3 else []
            moves += [self.hand_out, self.deliver, self.operators.try_again] * 3 if self.parting else []
            moves += [self.hand_out, self.deliver] * 3 if self.cut_short else []
            moves += [self.operators.redrive if self.operators.dead() else self.hand_out] * 4 if self.killer else []
        moves += [self.operators.calm_down] * (not self.chaos)
        if self.leases and self.dice.random() < 0.3:
            moves += [self.keep]
        moves += [self.signal] * (2 * self.signalled)
        self.dice.choice(moves)()

    @property
    def now(self) -> Timestamp:
        return Timestamp.from_ns(self.now_ns)

    # -- the Core ----------------------------------------------------------------------------

    def tell(self, command: Command) -> bool:
        """Decide, append, evolve. False when a crash came before the sender had an answer."""
        crash = self.dice.random() if self.chaos else 1.0
        events = decide(self.state, command, self.now)
        self.note(command, events)
        if crash < 0.05:
            self.crash()
            return False
        if isinstance(events, Rejected):
            return True
        self.append(events)
        if crash < 0.10:
            self.crash()
            return False
        for event in events:
            self.state = evolve(self.state, event)
        due = [] if self.model.ended else self.model.open_steps()
        if self.model.expected is not None and not self.model.ended:
            raise Broken(f"it goes on, though {self.model.expected} is due")
        if sorted(self.state.open if self.state.running else ()) != sorted(due):
            raise Broken(f"under way are {self.state.open}, not {due}")
        return True

    def append(self, events: tuple[Event, ...]) -> None:
        for event in events:
            self.log.append(event.to_bytes())
            self.history.append(Event.from_bytes(self.log[-1]))
            self.hear(self.history[-1])
        audit(self.definition, self.history)

    def hear(self, event: Event) -> None:
        """Let the model follow. One that moves to another blueprint must have gone the same way there."""
        if isinstance(event.fact, ExecutionMigrated) and event.fact.blueprint is not None:
            self.definition = event.fact.blueprint.definition or WorkflowDefinition()
            self.model = Model.of(self.definition, self.history[: event.version])
        else:
            self.model.hear(event.fact)

    def crash(self) -> None:
        self.story.append("the Core crashes and comes back")
        told = reconstruct(new(self.first), [Event.from_bytes(data) for data in self.log])
        if self.state.version == told.version and self.state != told:
            raise Broken("the state in memory is not what its history tells")
        self.state = told
        if told.version % 3 == 0:
            self.check_snapshot()
        self.leases.clear()

    def check_snapshot(self) -> None:
        kept = Snapshot.from_bytes(take(self.state).to_bytes())
        if restore(kept, self.state.blueprint) != self.state:
            raise Broken("the state that a snapshot brings back is not the one that it was taken of")

    # -- the moves ---------------------------------------------------------------------------

    def start(self) -> None:
        timeout = random.Random(self.seed).choice((0, 0, 0, 60_000))
        self.tell(
            commands.StartExecution(
                execution_id=self.execution_id, workflow="random", inputs=payload("inputs"), timeout_ms=timeout
            )
        )

    def hand_out(self) -> None:
        owed = [
            e
            for e in pending(self.state)
            if isinstance(e, DispatchTask) and e.handout is Handout.OFFER and e.task_id not in self.leases
        ]
        if not owed:
            return
        effect = self.dice.choice(owed)
        if holder(self.state, effect.task_id) != effect.step:
            raise Broken(f"{effect.task_id} is owed, and not found by its name")
        task = Task.from_bytes(engine_tasks.build_task(self.state, effect).to_bytes())
        audit_task(self.definition, self.model, self.history, task)
        self.leases[task.task_id] = task
        self.story.append(f"a worker gets {task.task_id}")
        if self.killer and self.chaos and self.dice.random() < 0.97:
            self.lose(task.task_id)
            return
        if not self.chaos or self.dice.random() < 0.8:
            copies = self.dice.choice((1, 1, 1, 2, 3)) if self.chaos else 1
            self.post.append(Letter(answer(self.dice, task, parting=self.parting, signalled=self.signalled), copies))
        if self.chaos and self.steered and self.dice.random() < 0.15:
            self.operators.maybe_cancel()
        if self.chaos and self.cut_short and len(self.leases) > 1 and self.dice.random() < 0.3:
            self.operators.cancel()

    def signal(self) -> None:
        """Somebody sends a signal: early, late, or twice."""
        if (signal := drawn_signal(self.dice, self.state, calm=not self.chaos)) is not None:
            self.tell(signal)

    def keep(self) -> None:
        """A running step keeps a value, perhaps one that it has kept before."""
        task = self.dice.choice(list(self.leases.values()))
        key, value = self.dice.choice("ab"), payload(self.dice.randint(0, 9))
        self.tell(commands.RecordMemo(task_id=task.task_id, worker_id="w1", key=key, value=value))

    def deliver(self) -> None:
        if not self.post:
            return
        letter = self.dice.choice(self.post)
        if self.chaos and self.dice.random() < 0.05:
            self.post.remove(letter)
            return
        if not self.tell(letter.command):
            return
        self.leases.pop(letter.command.task_id, None)
        letter.copies -= 1
        if letter.copies <= 0:
            self.post.remove(letter)

    def pass_time(self) -> None:
        due = [e.due_at.to_ns() for e in pending(self.state) if isinstance(e, ArmTimer)]
        if due and self.dice.random() < 0.7:
            self.now_ns = max(self.now_ns, min(due))
        else:
            self.now_ns += self.dice.choice((0, 1, 500, 30_000)) * _MS
        due = [e.due_at.to_ns() for e in pending(self.state) if isinstance(e, ArmTimer)]
        fired = not due or min(due) > self.now_ns or self.tell(commands.FireTimers())
        if fired and (late := overdue(self.history, self.now)):
            raise Broken(f"no timer fired for {late}")

    def fire_early(self) -> None:
        due = [e.due_at.to_ns() for e in pending(self.state) if isinstance(e, ArmTimer)]
        if due and min(due) - 1 > self.now_ns:
            self.now_ns = min(due) - 1
            self.tell(commands.FireTimers())

    def decide_approval(self) -> None:
        waiting = [e for e in pending(self.state) if isinstance(e, AwaitApproval)]
        if not waiting and not self.chaos:
            return
        step = self.dice.choice(waiting).step if waiting else ""
        if self.dice.random() < 0.6:
            self.tell(commands.Approve(step=step, response=payload("yes"), decided_by="ada"))
        else:
            self.tell(commands.Reject(step=step, reason="no", decided_by="ada"))

    def expire_lease(self) -> None:
        """A lease ends, though its worker may be alive and its answer on the way."""
        held = [task_id for task_id in self.leases if self.chaos or not self._is_answered(task_id)]
        if not held:
            return
        self.lose(self.dice.choice(held))

    def lose(self, task_id: str) -> None:
        if self.tell(commands.LoseTask(task_id=task_id, worker_id="w1", reason="lease expired")):
            self.leases.pop(task_id, None)

    def time_out(self) -> None:
        """A task comes up against a limit: one that a worker has, or one that nobody took."""
        if self.leases and self.dice.random() < 0.5:
            task_id = self.dice.choice(list(self.leases))
            self.tell(commands.TimeOutTask(task_id=task_id, limit=commands.Limit.START_TO_CLOSE, worker_id="w1"))
            return
        for effect in pending(self.state):
            if (
                isinstance(effect, DispatchTask)
                and effect.task_id not in self.leases
                and effect.unclaimed_at
                and effect.unclaimed_at <= self.now
            ):
                self.tell(commands.TimeOutTask(task_id=effect.task_id, limit=commands.Limit.SCHEDULE_TO_START))
                return

    def forge(self) -> None:
        """An answer to a task that was never handed out."""
        name = self.dice.choice(list(self.state.blueprint.steps))
        forged = f"{self.execution_id}/{name}/1.{self.dice.randint(50, 99)}.0"
        result = commands.RecordResult(
            task_id=forged, worker_id="liar", outcome=commands.Completed(output=payload("forged"))
        )
        before = len(self.log)
        if self.tell(result) and len(self.log) != before:
            raise Broken(f"the answer to {forged} counted, which was never handed out")

    # -- the end -----------------------------------------------------------------------------

    def check_the_end(self) -> None:
        if not self.state.ended:
            raise Broken(f"it never ended; it owes {pending(self.state)}")
        if pending(self.state):
            raise Broken("it ended and still owes work")
        if self.state.version != len(self.log):
            raise Broken(f"version {self.state.version} of {len(self.log)} events")
        self.crash()

    def _is_answered(self, task_id: str) -> bool:
        return any(letter.command.task_id == task_id for letter in self.post)

    def note(self, command: Command, answer: tuple[Event, ...] | Rejected) -> None:
        told = answer.message if isinstance(answer, Rejected) else [type(e.fact).__name__ for e in answer]
        self.story.append(f"+{(self.now_ns - START_NS) // _MS} ms {type(command).__name__} -> {told}")


def play(seed: int) -> State:
    """Run one seed. A broken invariant raises with the whole story, which the seed tells again."""
    world = World(seed)
    try:
        world.run()
    except Exception as broken:
        story = "\n  ".join(world.story)
        raise Broken(f"seed {seed}: {type(broken).__name__}: {broken}\n  {story}") from broken
    return world.state
