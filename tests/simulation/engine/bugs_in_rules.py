"""Bugs in where rules lead: each must break an invariant of the simulation."""

from __future__ import annotations

from tests.simulation.planted.planting import Bug

MOVES = (
    Bug(
        "a value is kept twice",
        "cerebelum_engine.results",
        "    if command.key in state.steps[name].memos:\n        return ()\n",
        "",
    ),
    Bug(
        "a second value drives out the first",
        "cerebelum_engine.evolve",
        "visit.memos = {**visit.memos, key: value or Payload()}",
        "visit.memos = {key: value or Payload()}",
    ),
    Bug(
        "a retry forgets the routes that waited",
        "cerebelum_engine.moves",
        "    walk.leaving = _leaving(state)\n",
        "    walk.leaving = []\n",
    ),
    Bug(
        "a retry tries again what was overruled",
        "cerebelum_engine.moves",
        "    return [name for name in failed if name not in overruled]\n",
        "    return failed\n",
    ),
    Bug(
        "a retry takes up routes that were overruled",
        "cerebelum_engine.moves",
        "if name in taken or name not in overruled]",
        "]",
    ),
    Bug(
        "a cancelled execution still begins steps",
        "cerebelum_engine.evolve",
        "if isinstance(fact, _ROUTED) and after.cancelling is None:",
        "if isinstance(fact, _ROUTED):",
    ),
    Bug(
        "the next stage begins with the first result",
        "cerebelum_engine.moves",
        "if self.is_behind(path, path.before[step])",
        "if not path.before[step] or any(is_passed(self.state, path, each) for each in path.before[step])",
    ),
    Bug(
        "a failure does not wait for its siblings",
        "cerebelum_engine.moves",
        "for each in (*self.open, *waiting[:at])",
        "for each in waiting[:at]",
    ),
    Bug(
        "the last failure in order is blamed",
        "cerebelum_engine.moves",
        "if not state.steps[name].taken), key=partial(rank_of, state))",
        "if not state.steps[name].taken), key=partial(rank_of, state), reverse=True)",
    ),
    Bug(
        "siblings begin while a failure waits",
        "cerebelum_engine.moves",
        "return bool(self.leaving) and any(affects(self.state, name, path, step) for name in self.leaving)",
        "return False",
    ),
    Bug(
        "a rule that counts no more holds on",
        "cerebelum_engine.moves",
        "if each == name or state.steps[each].taken or not affects(state, name, path_of(state, each), each)",
        "if each",
    ),
    Bug(
        "what is held is forgotten",
        "cerebelum_engine.moves",
        "        self.leaving = _leaving(state)\n        self.enter_all()",
        "        self.leaving = _leaving(state)\n        self.enter(frame, target)",
    ),
    Bug(
        "what was overruled by a route that is forgotten counts no more",
        "cerebelum_engine.moves",
        "        self.leaving = _leaving(state)\n",
        "        self.leaving = [each for each in _leaving(state) if each in self.leaving]\n",
    ),
    Bug(
        "a visit is not counted",
        "cerebelum_engine.changes",
        "            visit.visit = before.visit + 1\n",
        "",
    ),
    Bug(
        "one visit too few",
        "cerebelum_engine.blueprint",
        "max_visits=definition.max_visits or",
        "max_visits=definition.max_visits - 1 or",
    ),
    Bug(
        "back_to keeps what comes after its target",
        "cerebelum_engine.moves",
        "frame.upstream(target), frame.downstream(target) | {target}",
        "frame.upstream(target), frozenset({target})",
    ),
    Bug(
        "a forgotten result is still handed on",
        "cerebelum_engine.changes",
        "        forgotten.visit, forgotten.last_task_id = visit.visit, visit.last_task_id\n",
        "        forgotten.visit, forgotten.last_task_id = visit.visit, visit.last_task_id\n"
        "        forgotten.output = visit.output\n",
    ),
    Bug(
        "skip_to passes over nothing",
        "cerebelum_engine.moves",
        "        for step in before:\n            self.pass_over(frame, step)\n",
        "",
    ),
    Bug(
        "a path that is taken again begins where it was",
        "cerebelum_engine.moves",
        "if is_over(state, step, path)]:",
        "if not path]:",
    ),
    Bug(
        "what a path did for the step that it goes back to is lost",
        "cerebelum_engine.moves",
        "if lead in after and not is_over(state, step, over):",
        "if lead in after:",
    ),
    Bug(
        "a path is over with its first end",
        "cerebelum_engine.moves",
        "if self.is_behind(path, path.ends):",
        "if not path.after[name]:",
    ),
    Bug(
        "a path's result is the branching step's",
        "cerebelum_engine.places",
        "        return results_of(state, step.route.path.ends)\n",
        "        pass\n",
    ),
    Bug(
        "an end is the end of the timeline",
        "cerebelum_engine.moves",
        "results_of(self.state, route.path.ends if route.path else (name,))",
        "results_of(self.state, self.state.blueprint.timeline.ends)",
    ),
    Bug(
        "a failure that a rule lets pass counts all the same",
        "cerebelum_engine.visit",
        "return self.route or (PROCEED if self.phase is COMPLETED else FAIL)",
        "return self.route if self.route and self.output else PROCEED if self.phase is COMPLETED else FAIL",
    ),
)
RULES = (
    Bug(
        "the last pattern counts",
        "cerebelum_engine.routing",
        "for at, case in enumerate(rules.diverge):",
        "for at, case in reversed(list(enumerate(rules.diverge))):",
    ),
    Bug(
        "ok stands for anything",
        "cerebelum_engine.routing",
        "if pattern in (OK, ERROR):",
        "if pattern == OK:\n        return True\n    if pattern == ERROR:",
    ),
    Bug(
        "a mapping must be the whole of it",
        "cerebelum_engine.routing",
        "return holds_all(value, wanted)",
        "return value == wanted",
    ),
    Bug(
        "an exception is known by its kind only",
        "cerebelum_engine.routing",
        "return (outcome.kind, outcome.message)",
        "return (outcome.kind,)",
    ),
    Bug(
        "a branch asks before the step's own value is there",
        "cerebelum_engine.routing",
        "    payloads[step] = output\n",
        "    payloads.setdefault(step, Payload())\n",
    ),
    Bug(
        "only the first condition is asked",
        "cerebelum_engine.routing",
        "for at, case in enumerate(branch):",
        "for at, case in enumerate(branch[:1]):",
    ),
    Bug(
        "a path of a diverge rule returns",
        "cerebelum_engine.rules",
        "onward=Onward.END if _is_diverge(id_) else Onward.PROCEED",
        "onward=Onward.PROCEED",
    ),
    Bug(
        "a path of a branch does not return",
        "cerebelum_engine.rules",
        "onward=Onward.END if _is_diverge(id_) else Onward.PROCEED",
        "onward=Onward.END",
    ),
    Bug(
        "a step that is not there is handed on as nothing",
        "cerebelum_engine.tasks",
        "if output is not None or name not in spec.optional:",
        "if True:",
    ),
    Bug(
        "data of the wrong step",
        "cerebelum_engine.tasks",
        "state.steps.get(name)",
        "state.steps.get(max(spec.depends_on))",
    ),
)
