"""What workers of the engine's worlds answer, drawn anew each time."""

from __future__ import annotations

import json
import random

from cerebelum_engine import commands
from cerebelum_proto.types.v1.types_pb import Failure, Payload
from cerebelum_proto.worker.worker_service_pb import ApprovalRequest, Predicates, SignalRequest, SleepRequest, Task
from tests.simulation.engine.workflows import REASONS, VALUES

SIGNALS = ("paid", "paid", "paid", "packed")
"""The signals that steps wait for, one of them more often."""


def answer(dice: random.Random, task: Task, *, parting: bool, signalled: bool) -> commands.RecordResult:
    """What becomes of a task. In a parting world nothing waits, and much fails for good."""
    answered = commands.RecordResult(
        task_id=task.task_id,
        worker_id=f"w{dice.randint(1, 3)}",
        outcome=_outcome(dice, task, parting),
        predicates=Predicates(answers=[dice.random() < 0.5 for _ in range(3)]),
    )
    if signalled and len(task.satisfied_markers) < 4 and dice.random() < 0.5:
        marker = SignalRequest(name=dice.choice(SIGNALS), timeout_ms=dice.choice((0, 0, 20_000)))
        answered.outcome = commands.Suspended(marker=marker)
    return answered


def _outcome(dice: random.Random, task: Task, parting: bool) -> commands.Outcome:
    roll = dice.uniform(0.27, 0.8) if parting else dice.random()
    resumable = dice.random() < 0.8
    if roll < 0.15 and len(task.satisfied_markers) < 4:
        marker = SleepRequest(duration_ms=dice.choice((0, 1, 10_000, 86_400_000)))
        return commands.Suspended(marker=marker, resumable=resumable, fallback=payload("slept"))
    if roll < 0.27 and len(task.satisfied_markers) < 4:
        asked = ApprovalRequest(approval_type="manual", timeout_ms=dice.choice((0, 30_000)))
        return commands.Suspended(marker=asked, resumable=resumable)
    if roll < 0.40:
        return commands.Failed(failure=_failure(dice, parting))
    return commands.Completed(output=payload(dice.choice(VALUES[:2] if parting else VALUES)))


def _failure(dice: random.Random, parting: bool) -> Failure:
    return Failure(
        kind="ValueError",
        message="boom",
        non_retryable=dice.random() < (0.7 if parting else 0.2),
        error=payload(dice.choice(REASONS)) if dice.random() < 0.2 else None,
    )


def payload(value: object) -> Payload:
    """A value as it travels."""
    return Payload(encoding="json", data=json.dumps(value).encode())
