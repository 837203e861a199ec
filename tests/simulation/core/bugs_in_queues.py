"""Bugs in which worker gets which task: each must break an invariant of the simulation of whole Cores."""

from __future__ import annotations

from tests.simulation.planted.planting import Bug

QUEUES = (
    Bug(
        "a worker with the code gets a step of a queue that it does not serve",
        "cerebelum_core.takers",
        "            if taker.room > 0 and offer.pool in taker.pools:\n",
        "            if taker.room > 0:\n",
    ),
    Bug(
        "the queue that an execution was sent to is forgotten",
        "cerebelum_engine.state",
        "        return told or self.blueprint.steps[step].queue",
        "        return self.blueprint.steps[step].queue",
    ),
    Bug(
        "a worker serves the first of its queues only",
        "cerebelum_core.workers",
        "    return tuple(named) or (DEFAULT_QUEUE,)",
        "    return tuple(named)[:1] or (DEFAULT_QUEUE,)",
    ),
)
