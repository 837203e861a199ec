"""How one step is called: what can be known before its first task comes is worked out once, for all of them."""

from __future__ import annotations

import inspect
from typing import get_args

from cerebelum.context import Context
from cerebelum.lifeline import Lifeline
from cerebelum.rules import Predicate
from cerebelum.step import CONTEXT, INPUTS, AnyStep
from cerebelum_client import PayloadError, Payloads
from cerebelum_client.annotations import hints_of
from cerebelum_proto.types.v1.types_pb import Payload
from cerebelum_proto.worker.worker_service_pb import Task


class Plan:
    """A step as its tasks need it."""

    def __init__(self, step: AnyStep, predicates: tuple[Predicate, ...], payloads: Payloads) -> None:
        hints = hints_of(step.function)
        self.function = step.function
        self.is_coroutine = inspect.iscoroutinefunction(step.function)
        self.predicates = predicates
        self.returns = hints.get("return", object)
        """How the step is annotated to return what it gives."""
        self._takes_context = step.takes_context
        self._context_inputs = _inputs_of(hints.get(CONTEXT))
        self._annotations: dict[str, object] = {
            name: hints.get(name, object) for name in step.parameters if name != CONTEXT
        }
        self._payloads = payloads

    @property
    def inputs(self) -> tuple[object, ...]:
        """How it is annotated to take the inputs, by a parameter, by its context, or by both."""
        taken = (self._annotations[INPUTS],) if INPUTS in self._annotations else ()
        return (*taken, self._context_inputs) if self._takes_context else taken

    def arguments(self, task: Task, lifeline: Lifeline) -> dict[str, object]:
        """What the step is called with for a task.

        Raises:
            PayloadError: a value does not come back as the step is annotated.
        """
        taken: dict[str, object] = {}
        for name, payload in task.arguments.items():
            if name in self._annotations:
                taken[name] = self._read(name, payload, self._annotations[name])
        if INPUTS in self._annotations:
            taken[INPUTS] = self._read(INPUTS, task.workflow_inputs, self._annotations[INPUTS])
        if self._takes_context:
            taken[CONTEXT] = Context(
                inputs=self._read(INPUTS, task.workflow_inputs, self._context_inputs),
                execution_id=task.execution_id,
                workflow_name=task.workflow_module,
                step_name=task.step_name,
                attempt=task.attempt,
                _lifeline=lifeline,
            )
        return taken

    def _read(self, name: str, payload: Payload | None, annotation: object) -> object:
        try:
            return self._payloads.read(payload, annotation)
        except PayloadError as error:
            raise PayloadError(f"'{name}' cannot be handed to the step: {error}") from None


def _inputs_of(context: object) -> object:
    """What `Context[Order]` says of the inputs."""
    return next(iter(get_args(context)), object)
