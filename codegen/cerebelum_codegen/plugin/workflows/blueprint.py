"""The blueprint that a declared workflow comes to, and what the engine finds wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from cerebelum_codegen.plugin.workflows.declared import INPUTS, DeclaredStep, DeclaredWorkflow, Line
from cerebelum_engine import DEFAULT_MAX_VISITS, validate
from cerebelum_proto.worker import worker_service_pb as pb

_ANY = "_"
_NAMED = re.compile(r"'([^']*)'")
_MEND = re.compile(r"(give|leave out) the parameter '(\w+)'(?: a default)?")


def blueprint_of(workflow: DeclaredWorkflow) -> pb.Blueprint:
    """The contract's form of it: the very one that the DSL writes for the same workflow."""
    return pb.Blueprint(
        workflow_module=workflow.name,
        description=_description(workflow),
        definition=pb.WorkflowDefinition(
            timeline=[_step(step) for step in workflow.steps],
            stages=list(workflow.stages),
            max_visits=workflow.max_visits if workflow.max_visits != DEFAULT_MAX_VISITS else 0,
            queue=workflow.queue,
            signals=[signal.name for signal in workflow.signals],
            diverge_rules=[
                pb.DivergeRule(
                    from_step=step, patterns=[pb.PatternMatch(pattern=each.text, route=each.route) for each in lines]
                )
                for step, lines in _by_step(workflow.diverge).items()
            ],
            branch_rules=[
                pb.BranchRule(from_step=step, branches=[_case(each) for each in lines])
                for step, lines in _by_step(workflow.branch).items()
            ],
        ),
    )


def examine(workflow: DeclaredWorkflow) -> Iterator[tuple[str, str]]:
    """What the engine finds wrong with it: where, and what.

    What it only warns of in Python is a fault here: the request belongs to the contract, and a field of it that is
    never set promises what nobody gives.
    """
    verdict = validate(blueprint_of(workflow))
    for fault in (*verdict.errors, *verdict.warnings):
        yield _place(workflow, fault), _in_proto(workflow, fault)


def _description(workflow: DeclaredWorkflow) -> pb.Description:
    return pb.Description(
        doc="\n".join(workflow.doc),
        inputs=workflow.inputs,
        steps=[
            pb.StepDescription(
                name=step.name,
                doc="\n".join(step.doc),
                request=step.request if step.takes else "",
                gives=step.response,
            )
            for step in workflow.steps
        ],
        approvals=[
            pb.ApprovalDescription(
                name=each.name,
                doc="\n".join(each.doc),
                question=each.request,
                answer=each.response,
                timeout_ms=each.timeout_ms,
            )
            for each in workflow.approvals
        ],
        signals=[
            pb.SignalDescription(
                name=each.name, doc="\n".join(each.doc), brings=each.request, timeout_ms=each.timeout_ms
            )
            for each in workflow.signals
        ],
        execution_id=workflow.execution_id,
        deadline_ms=workflow.deadline_ms,
        tags=list(workflow.tags),
        messages=list(workflow.messages),
        enums=list(workflow.enums),
        source=f"Written by protoc-gen-cerebelum from {workflow.file}.",
    )


def _step(step: DeclaredStep) -> pb.Step:
    return pb.Step(
        name=step.name,
        depends_on=[name for name in step.sources if name != INPUTS],
        optional=[part.name for part in step.parts if part.optional and part.name != INPUTS],
        takes_inputs=INPUTS in step.sources,
        retry=step.retry,
        start_to_close_ms=step.start_to_close_ms,
        schedule_to_start_ms=step.schedule_to_start_ms,
        heartbeat_timeout_ms=step.heartbeat_timeout_ms,
        queue=step.queue,
    )


def _case(line: Line) -> pb.ConditionBranch:
    return pb.ConditionBranch(condition=line.text, route=line.route, by_worker=line.text != _ANY)


def _by_step(lines: tuple[Line, ...]) -> Mapping[str, list[Line]]:
    found: dict[str, list[Line]] = {}
    for line in lines:
        found.setdefault(line.step, []).append(line)
    return found


def _place(workflow: DeclaredWorkflow, fault: str) -> str:
    """Where the line or the step that a fault speaks of is declared."""
    named = _NAMED.findall(fault)
    lines = [] if fault.startswith("step ") else [line for line in workflow.lines if line.step in named]
    for name in named:
        for line in lines:
            if name in (line.text, line.route.step):
                return line.place
    steps = {step.name: step.place for step in workflow.steps}
    if lines or " stages: " in fault:
        return lines[0].place if lines else workflow.place
    return next((steps[name] for name in named if name in steps), workflow.place)


def _in_proto(workflow: DeclaredWorkflow, fault: str) -> str:
    """A fault whose mend is told for Python, told for proto."""
    found = _MEND.search(fault)
    step = next((each for each in workflow.steps if fault.startswith(f"step '{each.name}'")), None)
    if found is None or step is None:
        return fault
    return fault.replace(found.group(), _mend(step, found.group(2), may_lack=found.group(1) == "give"))


def _mend(step: DeclaredStep, name: str, *, may_lack: bool) -> str:
    if step.parts:
        field = f"the field '{name}' of {step.request}"
        return f"write 'optional' before {field}" if may_lack else f"leave out {field}"
    return f"take it by a message that has an optional field '{name}' for it" if may_lack else "take another answer"
