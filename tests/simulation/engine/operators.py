"""Those who meddle with the engine's execution: they cancel, pause, retry, redrive, migrate and fork it.

Some of it they may, and some they may not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cerebelum_engine import Phase, Rejected, commands, decide, hash_of, new
from cerebelum_proto.worker.worker_service_pb import WorkflowDefinition
from tests.simulation.engine.model import Model
from tests.simulation.engine.workflows import longer, random_workflow

if TYPE_CHECKING:
    from tests.simulation.engine.world import World


class Operators:
    def __init__(self, world: World) -> None:
        self.world = world

    def steer(self) -> None:
        """One of them does something."""
        world = self.world
        roll = world.dice.random()
        if roll < 0.12:
            self.maybe_cancel()
        elif roll < 0.16:
            world.tell(commands.Pause(reason="incident", paused_by="ada"))
        elif roll < 0.36:
            world.tell(commands.Resume(resumed_by="ada"))
        elif roll < 0.62:
            world.tell(commands.Retry(retried_by="ada"))
        elif roll < 0.70:
            self.migrate()
        elif roll < 0.80:
            self.fork()

    def try_again(self) -> None:
        if self.world.state.failed:
            self.world.tell(commands.Retry(retried_by="ada"))

    def redrive(self) -> None:
        self.world.tell(commands.Redrive(redriven_by="ada"))

    def maybe_cancel(self) -> None:
        """Now and then, rather while something runs; the Core may not know all that workers have."""
        world = self.world
        if world.dice.random() < (0.4 * len(world.leases) if world.steered else 0.02):
            self.cancel()
        elif world.dice.random() < 0.01:
            world.tell(commands.Terminate(reason="now", terminated_by="ada"))

    def cancel(self) -> None:
        world = self.world
        in_hand = frozenset(task_id for task_id in world.leases if world.dice.random() < 0.8)
        world.tell(commands.Cancel(reason="enough", cancelled_by="ada", cleanup_ms=20_000, in_hand=in_hand))

    def migrate(self) -> None:
        """Any other blueprint: one that goes on longer, or one that is quite another."""
        world = self.world
        other = longer(world.submitted) if world.dice.random() < 0.7 else random_workflow(world.dice)
        if world.tell(commands.Migrate(blueprint=other, history=tuple(world.history), migrated_by="ada")):
            world.submitted = other if world.state.blueprint.hash == hash_of(other) else world.submitted

    def fork(self) -> None:
        """The world goes on as a fork of itself; answers to the origin's tasks are still on their way."""
        world = self.world
        step = world.dice.choice(["", *world.state.steps, "nobody"])
        name = f"{world.execution_id}f"
        wish = commands.Fork(execution_id=name, origin=world.execution_id, history=tuple(world.history), step=step)
        events = decide(new(world.first), wish, world.now)
        world.note(wish, events)
        if not isinstance(events, Rejected):
            world.execution_id = name
            world.log, world.history = [], []
            world.state = new(world.first)
            world.definition = world.submitted_at_first.definition or WorkflowDefinition()
            world.model = Model(world.definition)
            world.append(events)
            world.crash()

    def calm_down(self) -> None:
        """In a kind world somebody looks after what stands still."""
        world = self.world
        world.killer = False
        if world.state.paused is not None:
            world.tell(commands.Resume(resumed_by="ada"))
        if self.dead():
            self.redrive()

    def dead(self) -> bool:
        return any(step.phase is Phase.DEAD_LETTERED for step in self.world.state.steps.values())
