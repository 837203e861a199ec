"""What one move of an execution changes in the visits of its steps: each on a copy that nobody else has seen."""

from __future__ import annotations

from cerebelum_codegen.runtime.wkt import Timestamp
from cerebelum_engine.paths import Path
from cerebelum_engine.phase import Phase
from cerebelum_engine.steps import Steps
from cerebelum_engine.visit import StepState, fresh


class Changes:
    """Begins, skips and forgets visits, at one instant."""

    def __init__(self, steps: Steps, at: Timestamp) -> None:
        self._steps = steps
        self._at = at
        self._own: set[str] = set()

    def owns(self, name: str) -> None:
        """The visit of a step is a copy already."""
        self._own.add(name)

    def of(self, name: str) -> StepState:
        """The visit of a step, to be changed."""
        visit = self._steps[name]
        if name not in self._own:
            before, visit = visit, visit.copied()
            self._put(before, name, visit)
        return visit

    def begin(self, path: Path, name: str, worker_id: str) -> None:
        """A further visit of a step begins on a path; `worker_id` ran what came before it."""
        before = self._steps.get(name)
        visit = fresh(path.id, self._at)
        visit.last_worker_id = worker_id
        if before is not None:
            visit.visit = before.visit + 1
            visit.last_task_id = before.last_task_id
        self._put(before, name, visit)

    def skip(self, path: Path, name: str) -> None:
        """A rule passes over a step that is not visited."""
        before = self._steps.get(name)
        skipped = fresh(path.id, self._at)
        skipped.phase, skipped.passed = Phase.SKIPPED, True
        skipped.visit = before.visit if before else 0
        self._put(before, name, skipped)

    def forget(self, name: str) -> None:
        """A rule goes back before a step: what it gave is gone."""
        visit = self._steps[name]
        forgotten = fresh(visit.path, visit.entered_at)
        forgotten.phase = Phase.FORGOTTEN
        forgotten.visit, forgotten.last_task_id = visit.visit, visit.last_task_id
        self._put(visit, name, forgotten)

    def _put(self, before: StepState | None, name: str, visit: StepState) -> None:
        self._steps.follow(before, name, visit)
        self._own.add(name)
