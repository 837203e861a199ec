"""`demo`: real processes, a real kill -9, and the history that proves what happened."""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import click

from cerebelum import DistributedExecutor, ExecutionHandle, ExecutionResult
from cerebelum_cli.demo.orders import BODIES, COOLING_OFF, NOTES, OUTPUT, Order, order
from cerebelum_cli.exits import Exit, run_async
from cerebelum_cli.options import json_option
from cerebelum_cli.output import print_json
from cerebelum_cli.processes import CoreProcess, Process, worker_process
from cerebelum_cli.timeline import Timeline, describe, event_json
from cerebelum_client import CerebelumClient
from cerebelum_codegen.runtime import Timestamp
from cerebelum_proto.events.v1 import events_pb as ev

_ORDER = Order(number=7, item="a lamp", amount_cents=4_900)


@click.command()
@json_option
def demo(as_json: bool) -> None:
    """See a workflow survive kill -9.

    Starts a Core on a fresh SQLite file and a worker, runs an order through parallel steps, a sleep and an approval,
    and kills the Core with -9 during the sleep. Takes about ten seconds; everything is removed afterwards.
    """
    with tempfile.TemporaryDirectory(prefix="cerebelum-demo-") as folder:
        show = _Show(folder=Path(folder), say=(lambda text: click.echo(text, err=True)) if as_json else click.echo)
        faults = run_async(show.run())
        if as_json:
            print_json({"ok": not faults, "faults": faults, "history": [event_json(each) for each in show.history]})
    for fault in faults:
        sys.stderr.write(f"error: {fault}\n")
    sys.exit(Exit.FAILED if faults else Exit.OK)


def _now() -> Timestamp:
    return Timestamp.from_ns(time.time_ns())


@dataclass(kw_only=True)
class _Show:
    """One run of the demo."""

    folder: Path
    say: Callable[[str], None]
    history: list[ev.Event] = field(default_factory=list)
    _crash: list[tuple[Timestamp, str]] = field(default_factory=list)

    async def run(self) -> list[str]:
        """Play it; what did not run as it should."""
        core = CoreProcess(folder=self.folder)
        worker: Process | None = None
        try:
            await core.start()
            self.say(f"Core    started, process {core.pid}, {core.address}, an empty SQLite file")
            notes = {NOTES: str(self.folder / "notes")}
            worker = worker_process(self.folder, core.address, "cerebelum_cli.demo.orders", environment=notes)
            await worker.start()
            self.say(f"worker  started, process {worker.pid}; it has the code of the workflow `order`")
            return await self._play(core)
        finally:
            if worker is not None:
                await worker.terminate()
            await core.terminate()

    async def _play(self, core: CoreProcess) -> list[str]:
        async with CerebelumClient(core.address) as client:
            handle = await DistributedExecutor(client).submit(order, _ORDER)
            self.say(f"client  starts order {_ORDER.number}: execution {handle.execution_id}")
            async for event in client.executions.history(handle.execution_id, follow=True):
                self.history.append(event)
                self.say(f"        {describe(event.fact)}")
                if isinstance(event.fact, ev.SleepStarted):
                    await self._kill_and_restart(core)
                elif isinstance(event.fact, ev.ApprovalRequested):
                    await self._approve(handle)
            result = await handle.status()
        self._print_timeline()
        return self._faults(result)

    async def _kill_and_restart(self, core: CoreProcess) -> None:
        dead = core.pid
        await core.kill()
        self._crash.append((_now(), f"-- the Core is killed with -9 (process {dead}) --"))
        self.say(f"demo    kill -9 {dead}: the Core is gone, in the middle of the sleep")
        await core.start()
        self._crash.append((_now(), f"-- the Core is started again (process {core.pid}) --"))
        self.say(f"Core    started again, process {core.pid}, on the same file; the worker never stopped")

    async def _approve(self, handle: ExecutionHandle) -> None:
        await handle.approve("leave it at the door", decided_by="the demo")
        self.say("client  approves")

    def _print_timeline(self) -> None:
        self.say("\nWhat the store says (version, time since the start, event):\n")
        lines, crashes = Timeline(), list(self._crash)
        for event in self.history:
            while crashes and crashes[0][0].to_ns() < (event.recorded_at or Timestamp()).to_ns():
                self.say(lines.note(*crashes.pop(0)))
            self.say(lines.line(event))
        self.say("")

    def _faults(self, result: ExecutionResult) -> list[str]:
        """Everything that is not as it should be."""
        ran = Counter((self.folder / "notes").read_text().splitlines())
        recorded = Counter(each.fact.step for each in self.history if isinstance(each.fact, ev.StepCompleted))
        faults = [
            f"'{body}' {ran[body]} times, expected {times}" for body, times in BODIES.items() if ran[body] != times
        ]
        faults += [
            f"step '{name}' was recorded {recorded[name]} times" for name in order.code.steps if recorded[name] != 1
        ]
        if (result.status, result.output) != ("completed", OUTPUT):
            faults.append(f"the order ended {result.status} with {result.output!r}, expected {OUTPUT!r}")
        slept_ns = self._at(ev.SleepEnded) - self._at(ev.SleepStarted)
        if slept_ns < COOLING_OFF.total_seconds() * 1e9:
            faults.append(f"the sleep took {slept_ns / 1e9:.3f} s, less than {COOLING_OFF.total_seconds():g} s")
        if not (len(self._crash) == 2 and self._crash[1][0].to_ns() < self._at(ev.SleepEnded)):
            faults.append("the Core was not killed and started again during the sleep")
        if not faults:
            self.say("Every step ran as it should and was recorded once; the sleep outlived the Core.")
        return faults

    def _at(self, kind: type[ev.SleepStarted | ev.SleepEnded]) -> int:
        return next((e.recorded_at.to_ns() for e in self.history if isinstance(e.fact, kind) and e.recorded_at), 0)
