"""From a declared workflow to the form that its template writes down."""

from __future__ import annotations

from collections.abc import Iterator

from cerebelum_codegen.plugin import names
from cerebelum_codegen.plugin.descriptors import literal
from cerebelum_codegen.plugin.errors import PluginError
from cerebelum_codegen.plugin.form import ApprovalForm, SignalForm, StepForm, WorkflowForm
from cerebelum_codegen.plugin.source import Source
from cerebelum_codegen.plugin.workflows import spelling
from cerebelum_codegen.plugin.workflows.blueprint import blueprint_of
from cerebelum_codegen.plugin.workflows.declared import (
    NOTHING,
    DeclaredApproval,
    DeclaredSignal,
    DeclaredStep,
    DeclaredWorkflow,
)
from cerebelum_codegen.plugin.workflows.reading import read_workflows
from cerebelum_engine.endings import endings_of
from cerebelum_proto.options.v1.options_pb import IdReuse
from cerebelum_proto.worker.worker_service_pb import Blueprint

_HANDLE_RESERVED = frozenset({"execution", "execution_id", "result", "status", "watch", "cancel"})
_METHOD_RESERVED = frozenset({"v1", "timedelta", "abstractmethod"})
"""What the generated classes mean something else by."""


def read_forms(source: Source) -> Iterator[WorkflowForm]:
    """The forms of a file's workflows.

    Raises:
        PluginError: with everything that is wrong with them, a line each.
    """
    taken: set[str] = set()
    for workflow in read_workflows(source):
        form = _Former(source, workflow).form()
        for name in _named(form):
            if name in taken:
                raise PluginError(f"{workflow.place}: two things would be called {name}: rename a service or an rpc")
            taken.add(name)
        yield form


def _named(form: WorkflowForm) -> Iterator[str]:
    """What the module comes to have of a workflow."""
    yield form.constant
    yield from (f"{form.name}{each}" for each in ("Outputs", "Result", "Event", "Base", "Handle", "Client"))
    yield from (f"{form.name}{step.camel}Completed" for step in form.steps)
    yield from (f"{form.name}{each.camel}{end}" for each in form.approvals for end in ("Asked", "Answered"))
    yield from (f"{form.name}{each.camel}Signalled" for each in form.signals)


def method_name(rpc: str) -> str:
    """What a step or an approval is called in Python."""
    name = names.method_name(rpc)
    return f"{name}_" if name in _METHOD_RESERVED else name


def _on_handle(method: str) -> str:
    return f"{method}_" if method in _HANDLE_RESERVED else method


def _comment(lines: tuple[str, ...]) -> str:
    """A comment of the contract as an expression; empty for none."""
    return literal("\n".join(lines)) if lines else ""


class _Former:
    """Forms one workflow."""

    def __init__(self, source: Source, workflow: DeclaredWorkflow) -> None:
        self._source = source
        self._workflow = workflow
        self._name = workflow.service.rpartition(".")[2]

    def form(self) -> WorkflowForm:
        workflow, blueprint = self._workflow, blueprint_of(self._workflow)
        return WorkflowForm(
            name=self._name,
            constant=names.snake(self._name).upper(),
            full_name=workflow.service,
            doc=workflow.doc,
            inputs=self._message(workflow.inputs) or "v1.Empty",
            result=self._result(blueprint),
            blueprint=spelling.message(blueprint, indent=1),
            options=tuple(self._options()),
            steps=tuple(self._step(step) for step in workflow.steps),
            approvals=tuple(self._approval(each) for each in workflow.approvals),
            signals=tuple(self._signal(each) for each in workflow.signals),
        )

    def _message(self, full_name: str) -> str:
        return "" if full_name == NOTHING else self._source.qualified(f".{full_name}")

    def _result(self, blueprint: Blueprint) -> str:
        """What an execution may end with: the answer of one step, of several those of all, or nothing."""
        kinds: dict[str, None] = {}
        for ending in endings_of(blueprint):
            if len(ending) > 1:
                kinds[f"{self._name}Outputs"] = None
            elif ending:
                kinds[self._message(self._workflow.step(ending[0]).response) or "v1.Empty"] = None
        nothing = ["None"] if () in endings_of(blueprint) else []
        return " | ".join([*kinds, *nothing])

    def _options(self) -> Iterator[str]:
        told = self._workflow
        if told.execution_id:
            yield f"execution_id={literal(told.execution_id)}"
        if told.id_reuse is not IdReuse.ID_REUSE_SAME:
            yield f"id_reuse=v1.IdReuse.{told.id_reuse.name}"
        if told.deadline_ms:
            yield f"deadline={spelling.span(told.deadline_ms)}"
        if told.tags:
            yield f"tags={spelling.texts(told.tags)}"
        if told.doc:
            yield f"doc={_comment(told.doc)}"

    def _step(self, step: DeclaredStep) -> StepForm:
        return StepForm(
            name=step.name,
            method=method_name(step.rpc),
            camel=names.camel(step.name),
            doc=step.doc or (f"`{step.rpc}`.",),
            request=self._message(step.request),
            response=self._message(step.response),
            takes=step.takes,
            parts=tuple(part.name for part in step.parts),
        )

    def _approval(self, approval: DeclaredApproval) -> ApprovalForm:
        method = method_name(approval.rpc)
        return ApprovalForm(
            name=approval.name,
            method=method,
            attribute=_on_handle(method),
            camel=names.camel(approval.name),
            doc=approval.doc or (f"`{approval.rpc}`.",),
            comment=_comment(approval.doc),
            request=self._message(approval.request),
            response=self._message(approval.response),
            timeout=spelling.span(approval.timeout_ms),
        )

    def _signal(self, signal: DeclaredSignal) -> SignalForm:
        method = method_name(signal.rpc)
        return SignalForm(
            name=signal.name,
            method=method,
            attribute=_on_handle(method),
            camel=names.camel(signal.name),
            doc=signal.doc or (f"`{signal.rpc}`.",),
            comment=_comment(signal.doc),
            request=self._message(signal.request),
            timeout=spelling.span(signal.timeout_ms),
        )
