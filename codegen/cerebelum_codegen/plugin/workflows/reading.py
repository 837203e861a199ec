"""From a service and its options to the workflow that it declares; all that is wrong with it is noted at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from google.protobuf import descriptor_pb2 as d

from cerebelum_codegen.plugin import names
from cerebelum_codegen.plugin.errors import PluginError
from cerebelum_codegen.plugin.markers import declares_workflow
from cerebelum_codegen.plugin.source import Source
from cerebelum_codegen.plugin.workflows import options
from cerebelum_codegen.plugin.workflows.blueprint import examine
from cerebelum_codegen.plugin.workflows.conditions import condition_faults
from cerebelum_codegen.plugin.workflows.declared import (
    NOTHING,
    DeclaredApproval,
    DeclaredSignal,
    DeclaredStep,
    DeclaredWorkflow,
    Line,
)
from cerebelum_codegen.plugin.workflows.faults import Faults
from cerebelum_codegen.plugin.workflows.grammar import milliseconds_in, route_in, stages_in
from cerebelum_codegen.plugin.workflows.identity import id_faults
from cerebelum_codegen.plugin.workflows.messages import Messages
from cerebelum_codegen.plugin.workflows.policies import policy_of
from cerebelum_codegen.plugin.workflows.wiring import Wiring
from cerebelum_engine import queue_fault
from cerebelum_engine.paths import steps_of
from cerebelum_proto.options.v1.options_pb import Branch, Diverge, IdReuse, Step, Workflow
from cerebelum_proto.worker import worker_service_pb as pb

_TIMELINE, _DIVERGE, _BRANCH, _ID, _DEADLINE, _INPUTS, _QUEUE = 2, 3, 4, 5, 7, 1, 11
"""Numbers of fields, which source locations go by."""


def read_workflows(source: Source) -> list[DeclaredWorkflow]:
    """The workflows of a file.

    Raises:
        PluginError: with everything that is wrong with them, a line each.
    """
    workflows, told = list[DeclaredWorkflow](), list[str]()
    for index, service in enumerate(source.file.service):
        if declares_workflow(service):
            faults = Faults(source.comments)
            workflows.append(_ServiceReader(source, index, service, faults).read())
            told += faults.told
    if told:
        raise PluginError("\n".join(told))
    return workflows


@dataclass(frozen=True, slots=True)
class _Rpc:
    """An rpc with where it stands."""

    name: str
    method: d.MethodDescriptorProto
    location: tuple[int, ...]

    @property
    def request(self) -> str:
        return self.method.input_type.removeprefix(".")

    @property
    def response(self) -> str:
        return self.method.output_type.removeprefix(".")


class _ServiceReader:
    """Reads one service."""

    def __init__(self, source: Source, index: int, service: d.ServiceDescriptorProto, faults: Faults) -> None:
        self.source = source
        self.service = service
        self.faults = faults
        self.at = (6, index)
        self.option = (*self.at, 3, options.WORKFLOW)
        self.told: Workflow = options.workflow_in(service.options)

    def read(self) -> DeclaredWorkflow:
        steps, approvals, signals = self._rpcs()
        told = self.told
        inputs = self._inputs()
        timeline = (*self.option, _TIMELINE)
        stages = self.faults.read(timeline, "the timeline", stages_in, told.timeline, list[pb.Stage]())
        diverge = self._lines("on", _DIVERGE, told.diverge)
        branch = self._lines("when", _BRANCH, told.branch)
        others = {each.name: "it is an approval, which a step asks: leave it out here" for each in approvals}
        others |= {each.name: "it is a signal, which a step waits for: leave it out here" for each in signals}
        workflow = DeclaredWorkflow(
            service=self.source.full_name((self.service.name,)),
            name=told.name or self.source.full_name((self.service.name,)),
            inputs=inputs,
            timeline=told.timeline,
            stages=tuple(stages),
            steps=self._ordered(steps, stages, [*diverge, *branch], others),
            approvals=approvals,
            signals=signals,
            diverge=diverge,
            branch=branch,
            execution_id=told.execution_id,
            id_reuse=IdReuse(told.id_reuse or IdReuse.ID_REUSE_SAME),
            deadline_ms=self._span(told.deadline, (*self.option, _DEADLINE), "deadline"),
            tags=tuple(told.tags),
            max_visits=told.max_visits,
            queue=self._queue(told.queue, (*self.option, _QUEUE)),
            doc=self.source.comments.doc(self.at, self.service.options.deprecated),
            file=self.source.file.name,
            place=self.faults.place(timeline),
        )
        return self._examined(workflow)

    def _examined(self, workflow: DeclaredWorkflow) -> DeclaredWorkflow:
        """The workflow with what each step takes. What may happen in it is told once all of its parts are sound."""
        if self.faults.sound:
            for fault in id_faults(workflow.execution_id, workflow.inputs, self.source.declared):
                self.faults.add((*self.option, _ID), fault, apart=True)
            workflow = Wiring(workflow, self.source.declared, self.faults).wired()
            for line, fault in condition_faults(workflow, self.source.declared):
                self.faults.note(line.place, fault)
        if self.faults.sound:
            messages, enums = Messages(self.source.declared).described(workflow.spoken)
            workflow = replace(workflow, messages=tuple(messages), enums=tuple(enums))
            for place, fault in examine(workflow):
                self.faults.note(place, fault)
        return workflow

    # -- rpcs --------------------------------------------------------------------------------

    def _rpcs(self) -> tuple[dict[str, DeclaredStep], tuple[DeclaredApproval, ...], tuple[DeclaredSignal, ...]]:
        steps: dict[str, DeclaredStep] = {}
        approvals: dict[str, DeclaredApproval] = {}
        signals: dict[str, DeclaredSignal] = {}
        for rpc in self._named():
            told = rpc.method.options
            step, approval, signal = options.step_in(told), options.approval_in(told), options.signal_in(told)
            kinds = {"a step": step, "an approval": approval, "a signal": signal}
            if len(named := [kind for kind, option in kinds.items() if option is not None]) > 1:
                what = " and ".join(named)
                self.faults.add(rpc.location, f"rpc {rpc.method.name} is {what}: leave one option out")
            if approval is not None:
                approvals[rpc.name] = self._approval(rpc, approval.timeout)
            elif signal is not None:
                signals[rpc.name] = self._signal(rpc, signal.timeout)
            else:
                steps[rpc.name] = self._step(rpc, step or Step())
        return steps, tuple(approvals.values()), tuple(signals.values())

    def _named(self) -> Iterator[_Rpc]:
        seen: dict[str, str] = {}
        for number, method in enumerate(self.service.method):
            rpc, spelled = _Rpc(names.snake(method.name), method, (*self.at, 2, number)), names.method_name(method.name)
            if method.client_streaming or method.server_streaming:
                self.faults.add(
                    rpc.location, f"rpc {method.name} streams, and a workflow's rpcs do not: leave 'stream' out"
                )
            if spelled in seen:
                self.faults.add(
                    rpc.location, f"rpc {method.name} is called '{rpc.name}', as {seen[spelled]} is: rename one"
                )
            seen[spelled] = method.name
            for each in (rpc.request, rpc.response):
                self._check_spoken(each, rpc.location)
            yield rpc

    def _check_spoken(self, message: str, location: tuple[int, ...]) -> None:
        if message.startswith("google.protobuf.") and message != "google.protobuf.Empty":
            self.faults.add(
                location, f"{message} cannot travel between steps by itself: put it into a message of your own"
            )

    def _step(self, rpc: _Rpc, told: Step) -> DeclaredStep:
        def span(text: str, number: int, name: str) -> int:
            return self._span(text, (*rpc.location, 4, options.STEP, number), name)

        retry = None
        if told.retry is not None:
            place = (*rpc.location, 4, options.STEP, 2)
            retry = policy_of(told.retry, lambda text, number, name: self._span(text, (*place, number), name))
        return DeclaredStep(
            name=rpc.name,
            rpc=rpc.method.name,
            request=rpc.request,
            response=rpc.response,
            takes=told.takes,
            retry=retry,
            start_to_close_ms=span(told.start_to_close, 3, "start_to_close"),
            schedule_to_start_ms=span(told.schedule_to_start, 4, "schedule_to_start"),
            heartbeat_timeout_ms=span(told.heartbeat, 5, "heartbeat"),
            queue=self._queue(told.queue, (*rpc.location, 4, options.STEP, 6)),
            doc=self.source.comments.doc(rpc.location, rpc.method.options.deprecated),
            place=self.faults.place(rpc.location),
        )

    def _approval(self, rpc: _Rpc, timeout: str) -> DeclaredApproval:
        return DeclaredApproval(
            name=rpc.name,
            rpc=rpc.method.name,
            request=rpc.request,
            response=rpc.response,
            timeout_ms=self._span(timeout, (*rpc.location, 4, options.APPROVAL, 1), "timeout"),
            doc=self.source.comments.doc(rpc.location, rpc.method.options.deprecated),
            place=self.faults.place(rpc.location),
        )

    def _signal(self, rpc: _Rpc, timeout: str) -> DeclaredSignal:
        if rpc.response != NOTHING:
            self.faults.add(rpc.location, f"rpc {rpc.method.name} is a signal, which nobody answers: return {NOTHING}")
        return DeclaredSignal(
            name=rpc.name,
            rpc=rpc.method.name,
            request=rpc.request,
            timeout_ms=self._span(timeout, (*rpc.location, 4, options.SIGNAL, 1), "timeout"),
            doc=self.source.comments.doc(rpc.location, rpc.method.options.deprecated),
            place=self.faults.place(rpc.location),
        )

    def _ordered(
        self,
        steps: Mapping[str, DeclaredStep],
        stages: Sequence[pb.Stage],
        lines: Sequence[Line],
        others: Mapping[str, str],
    ) -> tuple[DeclaredStep, ...]:
        """The steps in the order in which the workflow speaks of them; one of which it does not is a fault.

        `others` are the rpcs that are no steps, and what to do about one that stands where a step is expected.
        """
        places = dict.fromkeys(steps_of(stages), self.faults.place((*self.option, _TIMELINE)))
        led = [(name, line.place) for line in lines for name in steps_of(line.route.path)]
        named = [(name, line.place) for line in lines for name in (line.route.step, line.step) if name]
        for name, place in (*led, *named):
            places.setdefault(name, place)
        for name, place in places.items():
            if name not in steps:
                mend = others.get(name) or _nearest(name, steps)
                self.faults.note(place, f"'{name}' is no step of {self.service.name}: {mend}")
        for name, step in steps.items():
            if name not in places and stages:
                self.faults.note(
                    step.place,
                    f"rpc {step.rpc} stands nowhere: put '{name}' on the timeline or where a rule leads, or make it an "
                    "approval or a signal",
                )
        return tuple(steps[name] for name in places if name in steps)

    # -- the service's own option ---------------------------------------------------------------

    def _inputs(self) -> str:
        told, place = self.told.inputs, (*self.option, _INPUTS)
        if not told:
            self.faults.add(place, f'{self.service.name} does not say what it is started with: add inputs: "Order"')
            return ""
        found = self.source.declared.find(told, self.source.file.package)
        if found is None:
            self.faults.add(place, f"inputs: there is no message '{told}' here: import the file that declares it")
            return ""
        self._check_spoken(found, place)
        return found

    def _lines(self, word: str, number: int, told: Sequence[Diverge | Branch]) -> tuple[Line, ...]:
        read: list[Line] = []
        for index, each in enumerate(told):
            place = (*self.option, number, index)
            text = each.on if isinstance(each, Diverge) else each.when
            if not each.from_ or not text:
                self.faults.add(place, f"a rule lacks '{word if each.from_ else 'from'}': add it")
            route = self.faults.read(place, f"'to' of the rule from '{each.from_}'", route_in, each.to, None)
            if route is not None:
                line = Line(step=each.from_, text=text, to=each.to, route=route, place=self.faults.place(place))
                read.append(line)
        return tuple(read)

    def _queue(self, name: str, location: tuple[int, ...]) -> str:
        fault = queue_fault(name) if name else ""
        if fault:
            self.faults.add(location, fault, apart=True)
        return "" if fault else name

    def _span(self, text: str, location: tuple[int, ...], name: str) -> int:
        return self.faults.read(location, name, milliseconds_in, text, 0, apart=True)


def _nearest(name: str, steps: Iterable[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, list(steps), 1) or get_close_matches(names.snake(name), list(steps), 1)
    return f"did you mean '{near[0]}'?" if near else "declare an rpc for it; steps go by their names in snake case"
