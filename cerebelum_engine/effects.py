"""Effects: work owed to the outside. They derive from the state and are remembered nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from cerebelum_codegen.runtime.wkt import Timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchTask:
    """Hand this step to a worker. The task id changes whenever an earlier handout must no longer count."""

    task_id: str
    step: str
    last_worker_id: str = ""
    """Who ran this step or the one before it: the best choice while that worker is free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmTimer:
    """Send `FireTimers` when `due_at` has come. An empty `step` is the execution's deadline."""

    due_at: Timestamp
    step: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitApproval:
    """A person is asked. Nothing to do but to show it."""

    step: str
    approval_type: str


Effect: TypeAlias = DispatchTask | ArmTimer | AwaitApproval
