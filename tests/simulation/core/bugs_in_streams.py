"""Bugs in how work goes over streams: each must break an invariant of the simulation of whole Cores."""

from __future__ import annotations

from tests.simulation.planted.planting import Bug

STREAMS = (
    Bug(
        "a beat renews nothing",
        "cerebelum_core.edges.work_session",
        "        if frame.beat:\n",
        "        if frame.beat and self._leaving:\n",
    ),
    Bug(
        "a result that could not be recorded is told as recorded",
        "cerebelum_core.edges.work_session",
        "            self._refuse(number, pb.RefusalKind.REFUSAL_KIND_UNAVAILABLE, str(answer))\n",
        "            self._outbox.put(number)\n",
    ),
    Bug(
        "answers go by the wrong number",
        "cerebelum_core.edges.work_session",
        "            self._record(self._number, result)\n",
        "            self._record(self._number - (len(frame.results) > 2), result)\n",
    ),
    Bug(
        "what was not taken before the stream broke is not handed in again",
        "cerebelum.streaming",
        "        for held in self._hands.finished:\n            stream.send(held)\n",
        "",
    ),
    Bug(
        "a worker forgets that it has room again",
        "cerebelum.streaming",
        "        self._stream.give_room()\n",
        "",
    ),
    Bug(
        "a worker names nothing that it holds",
        "cerebelum.worker",
        "            held_task_ids=self._hands.task_ids,\n",
        "            held_task_ids=[],\n",
    ),
    Bug(
        "a caller that has gone is still waited with",
        "cerebelum_core.edges.execute_session",
        "            self.endings.forget(each.execution_id, each.on_end)\n        self._awaited.clear()\n",
        "            pass\n        self._awaited.clear()\n",
    ),
    Bug(
        "what is given back stays leased",
        "cerebelum_core.router",
        "        if self.leases.end(lease) and (offer := self._offers.get(lease.task_id)):\n",
        "        if offer := self._offers.get(lease.task_id):\n",
    ),
    Bug(
        "what waited for its worker's word after a restart is forgotten",
        "cerebelum_core.router",
        "            offer.number = self._number\n            self._place(offer)\n",
        "            offer.number = self._number\n",
    ),
    Bug(
        "signs of life put off a loss that could not be recorded",
        "cerebelum_core.leases",
        "        again.expires_at, again.over = self._now() + delay_s, True\n",
        "        again.expires_at = self._now() + delay_s\n",
    ),
)
