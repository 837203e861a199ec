"""The bugs that the simulation of whole Cores must catch. One that survives means a missing invariant."""

from __future__ import annotations

from tests.simulation.core.bugs_in_queues import QUEUES
from tests.simulation.core.bugs_in_streams import STREAMS
from tests.simulation.planted.planting import Bug

PARTS = (
    Bug(
        "a result is acknowledged before it is durable",
        "cerebelum_core.execution",
        "                        self._writing = batch\n",
        "                        self._answer(batch)\n"
        "                        batch = _Batch([], batch.events, batch.state, batch.owed)\n"
        "                        self._writing = batch\n",
    ),
    Bug(
        "an owner that was replaced tells what it could not write as done",
        "cerebelum_core.execution",
        "                self._recover(batch.letters, outcome)",
        "                if type(outcome).__name__ == 'OwnershipLost':\n"
        "                    self._answer(batch)\n"
        "                self._recover(batch.letters, outcome)",
    ),
    Bug(
        "what was written without an answer is not offered",
        "cerebelum_core.execution",
        "            self._observer.loaded(self.state, owed)",
        "            pass",
    ),
    Bug(
        "an append is not compared with the history's length",
        "cerebelum_core.store.memory",
        "if len(history) != append.expected_version:",
        "if len(history) < append.expected_version:",
    ),
    Bug(
        "the row of an execution is one append behind",
        "cerebelum_core.execution",
        "head = head_of(batch.state, batch.owed)",
        "head = head_of(self.state if self.state.started else batch.state, batch.owed)",
    ),
    Bug(
        "a row of which only the timer changes is not written",
        "cerebelum_core.store.records",
        "            and self.wake_at == before.wake_at\n",
        "",
    ),
    Bug(
        "the file's index of timers is not kept",
        "cerebelum_core.store.rows",
        "        _ns(head.wake_at),",
        "        None,",
    ),
    Bug(
        "a store that does not answer ends the resurrection",
        "cerebelum_core.resurrector",
        "            except StoreError as error:",
        "            except ZeroDivisionError as error:",
    ),
    Bug(
        "tasks in living hands are handed out after a restart",
        "cerebelum_core.recovery",
        "if self._is_open or not self._all_read or (self.expected and not self._waited):",
        "if self._is_open or not self._all_read:",
    ),
    Bug(
        "signs of life renew nothing",
        "cerebelum_core.leases",
        "        for lease in leases:\n            lease.extend(now)\n",
        "",
    ),
    Bug(
        "the end of a lease goes unnoticed",
        "cerebelum_core.leases",
        "                self._on_expired(lease)",
        "                pass",
    ),
    Bug(
        "only the first of a worker's leases ends",
        "cerebelum_core.leases",
        "            if later is not None:\n                self._look(worker_id, later)\n",
        "",
    ),
    Bug(
        "every lease of a worker ends with its first",
        "cerebelum_core.leases",
        "expired += [lease for lease in held if lease.expires_at <= now]",
        "expired += held",
    ),
    Bug(
        "a lease that ended lives on in its worker's hands",
        "cerebelum_core.leases",
        "        lease.ended = True\n",
        "",
    ),
    Bug(
        "a step may run for ever",
        "cerebelum_core.leases",
        "        ends = min(ends, self.ends_by)\n",
        "",
    ),
    Bug(
        "a loss that cannot be recorded is forgotten",
        "cerebelum_core.node",
        'later: %s", lease.task_id, error)\n            self.router.lose_again(lease, _RETRY_S)',
        'later: %s", lease.task_id, error)',
    ),
    Bug(
        "what a broken stream did not bring stays with its worker",
        "cerebelum_core.edges.stream_edge",
        "                self.unary.router.give_back(lease)",
        "                pass",
    ),
    Bug(
        "a write that was refused is told as done",
        "cerebelum_core.store.writer",
        "                done(outcome)\n",
        "                done(None if len(batch) == 1 else outcome)\n",
    ),
    Bug(
        "a stream's worker gets more than it has room for",
        "cerebelum_core.edges.work_session",
        "        self.room -= 1\n",
        "",
    ),
    Bug(
        "a follower sleeps through an event",
        "cerebelum_core.watchers",
        "                await woken.wait()",
        "                woken.clear()\n                await woken.wait()",
    ),
    Bug(
        "who waits for an end is not told of one that was read",
        "cerebelum_core.node",
        "        if state.ended:\n            self.endings.ended(state)",
        "        if state.ended and state.version > 3:\n            self.endings.ended(state)",
    ),
    Bug(
        "timers that are armed while the Core runs wait for the next look at the store",
        "cerebelum_core.scheduler",
        "        elif self._armed.get(execution_id) != due_ns:\n            self._arm(execution_id, due_ns)",
        "        elif self._armed.get(execution_id) == due_ns:\n            self._arm(execution_id, due_ns)",
    ),
    Bug(
        "a Core that stops leaves its mailboxes full",
        "cerebelum_core.node",
        "        await self.registry.settle()",
        "        pass",
    ),
    Bug(
        "executions that have ended stay in memory",
        "cerebelum_core.registry",
        "if execution.idle and not execution.owes_tasks and",
        "if execution.idle and not execution.owes_tasks and not execution.state.ended and",
    ),
)

BUGS = PARTS + STREAMS + QUEUES
