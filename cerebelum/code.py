"""The code of a workflow: what its shape only names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cerebelum.plan import Plan
from cerebelum.rules import Predicate
from cerebelum.step import AnyStep
from cerebelum_client import PLAIN, PayloadError, Payloads
from cerebelum_proto.types.v1.types_pb import Payload


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What runs the steps of a workflow, and how values travel between them."""

    steps: Mapping[str, AnyStep] = field(default_factory=dict)
    predicates: Mapping[str, tuple[Predicate, ...]] = field(default_factory=dict)
    """What is evaluated after a step, for the branch that follows it."""
    payloads: Payloads = PLAIN
    """Writes and reads values."""
    waiting: set[str] = field(default_factory=set, init=False, repr=False, compare=False)
    """Steps that waited for something when they ran last."""
    _plans: dict[str, Plan] = field(default_factory=dict, init=False, repr=False, compare=False)

    def plan(self, step: str) -> Plan | None:
        """How a step is called, if its code is here."""
        plan = self._plans.get(step)
        if plan is None and step in self.steps:
            plan = self._plans[step] = Plan(self.steps[step], self.predicates.get(step, ()), self.payloads)
        return plan

    def read_result(self, step: str, output: Payload | None) -> object:
        """What a step gave, as it is annotated to return it, where that is known.

        Raises:
            PayloadError: it cannot be read.
        """
        plan = self.plan(step)
        try:
            return self.payloads.read(output, object if plan is None else plan.returns)
        except PayloadError as error:
            raise PayloadError(f"the result of step '{step}' cannot be read: {error}") from None


NO_CODE = Code()
"""That of a workflow which is known by its name only."""
