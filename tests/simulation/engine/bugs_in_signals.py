"""Planted bugs about signals."""

from __future__ import annotations

from tests.simulation.planted.planting import Bug

SIGNALS = (
    Bug(
        "a signal is given twice",
        "cerebelum_engine.signals",
        "        state.signals = tuple(each for each in state.signals if each is not taken)\n",
        "        pass\n",
    ),
    Bug(
        "a signal that comes before anybody waits is lost",
        "cerebelum_engine.signals",
        "    state.signals = (*state.signals, signal)\n",
        "    if _waiting(state):\n        state.signals = (*state.signals, signal)\n",
    ),
    Bug(
        "a kept signal is not given to a wait that begins later",
        "cerebelum_engine.decide",
        "    return [*deliveries(state), *too_many] if state.signals else too_many\n",
        "    given = [] if any(s.markers for s in state.steps.values()) else deliveries(state)\n"
        "    return [*given, *too_many] if state.signals else too_many\n",
    ),
    Bug(
        "a snapshot forgets the kept signals",
        "cerebelum_engine.snapshot",
        'if each.name != "blueprint")',
        'if each.name not in ("blueprint", "signals"))',
    ),
    Bug(
        "a snapshot forgets which signals have come",
        "cerebelum_engine.snapshot",
        'if each.name != "blueprint")',
        'if each.name not in ("blueprint", "signal_ids"))',
    ),
    Bug(
        "a repeated signal is recorded again",
        "cerebelum_engine.signals",
        "    before = state.signal_ids.get(command.signal_id)\n",
        "    before = None\n",
    ),
    Bug(
        "a repeated signal is another one once the first was taken",
        "cerebelum_engine.signals",
        "    before = state.signal_ids.get(command.signal_id)\n",
        "    before = next((each.name for each in state.signals if each.signal_id == command.signal_id), None)\n",
    ),
    Bug(
        "the newest signal is given first",
        "cerebelum_engine.signals",
        "    left = list(state.signals)\n",
        "    left = list(state.signals)[::-1]\n",
    ),
    Bug(
        "the wait that began last is served first",
        "cerebelum_engine.signals",
        "key=lambda name: state.steps[name].waiting_from)",
        "key=lambda name: -state.steps[name].waiting_from)",
    ),
    Bug(
        "a wait takes a signal of another name",
        "cerebelum_engine.signals",
        "and each.name == wanted.name",
        "and each.name",
    ),
    Bug(
        "a signal leaves the timer of its wait armed",
        "cerebelum_engine.evolve",
        "                _resume(visit, SatisfiedMarker(outcome=signal), at)\n",
        "                due_at = visit.due_at\n"
        "                _resume(visit, SatisfiedMarker(outcome=signal), at)\n"
        "                visit.due_at = due_at\n",
    ),
    Bug(
        "an execution that is cancelled takes signals",
        "cerebelum_engine.signals",
        "    if state.cancelling is not None:\n",
        "    if state.cancelling is not None and state.ended:\n",
    ),
)
