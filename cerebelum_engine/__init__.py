"""The rule book: what a workflow means, without I/O, clock or chance.

    decide(state, command, now) -> events or a rejection    (argues)
    evolve(state, event) -> state                           (total, silent)
    pending(state) -> effects                               (the work still owed)

The local executor, the Core and the simulation drive these same three functions.
"""

from cerebelum_engine.answers import read_result
from cerebelum_engine.blueprint import (
    DEFAULT_MAX_VISITS,
    Blueprint,
    BlueprintInvalid,
    StepSpec,
    compile_blueprint,
    hash_of,
)
from cerebelum_engine.commands import (
    Approve,
    Begin,
    Cancel,
    Command,
    Completed,
    Failed,
    FireTimers,
    Fork,
    Limit,
    LoseTask,
    Migrate,
    Outcome,
    Pause,
    Reason,
    RecordMemo,
    RecordResult,
    Redrive,
    Reject,
    Rejected,
    Resume,
    Retry,
    SendSignal,
    StartExecution,
    Suspended,
    Terminate,
    TimeOutTask,
)
from cerebelum_engine.decide import carry_out, decide
from cerebelum_engine.effects import OFFER, ArmTimer, AwaitApproval, AwaitSignal, DispatchTask, Effect, Handout
from cerebelum_engine.evolve import evolve, reconstruct
from cerebelum_engine.owed import Owed, owed_by, owed_since
from cerebelum_engine.pending import earliest_timer, next_timer, owed_tasks, pending, tasks_among
from cerebelum_engine.phase import Phase
from cerebelum_engine.queues import DEFAULT_QUEUE, queue_fault
from cerebelum_engine.results import memo_of
from cerebelum_engine.snapshot import restore, take
from cerebelum_engine.state import State, new
from cerebelum_engine.status import conclusion_of, current_step, status_of, step_index, summary
from cerebelum_engine.tasks import build_task
from cerebelum_engine.validation import Verdict, validate
from cerebelum_engine.visit import StepState

__all__ = [
    "DEFAULT_MAX_VISITS",
    "DEFAULT_QUEUE",
    "Approve",
    "ArmTimer",
    "AwaitApproval",
    "AwaitSignal",
    "Blueprint",
    "Begin",
    "BlueprintInvalid",
    "Cancel",
    "Command",
    "Completed",
    "DispatchTask",
    "Effect",
    "Failed",
    "FireTimers",
    "Fork",
    "OFFER",
    "Handout",
    "Limit",
    "LoseTask",
    "Migrate",
    "Outcome",
    "Owed",
    "Pause",
    "Phase",
    "Reason",
    "RecordMemo",
    "RecordResult",
    "Redrive",
    "Reject",
    "Rejected",
    "Resume",
    "Retry",
    "SendSignal",
    "StartExecution",
    "State",
    "StepSpec",
    "StepState",
    "Suspended",
    "Terminate",
    "TimeOutTask",
    "Verdict",
    "build_task",
    "carry_out",
    "compile_blueprint",
    "conclusion_of",
    "current_step",
    "decide",
    "earliest_timer",
    "evolve",
    "hash_of",
    "memo_of",
    "new",
    "next_timer",
    "owed_by",
    "owed_since",
    "owed_tasks",
    "pending",
    "queue_fault",
    "read_result",
    "reconstruct",
    "restore",
    "status_of",
    "step_index",
    "summary",
    "take",
    "tasks_among",
    "validate",
]
