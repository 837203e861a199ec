"""BlueprintRegistry: every version of every workflow, durable, by the hash of its content."""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

from cerebelum_core.clock import Clock
from cerebelum_core.errors import UnknownBlueprint
from cerebelum_core.names import blueprint_name_faults
from cerebelum_core.store import BlueprintRecord, EventStore
from cerebelum_engine import Blueprint, compile_blueprint, hash_of, validate
from cerebelum_proto.worker import worker_service_pb as pb

_T = TypeVar("_T")
_CACHED = 1_000


class BlueprintRegistry:
    """Validates and keeps blueprints; the compiled ones that are in use stay in memory."""

    def __init__(self, store: EventStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._compiled: OrderedDict[str, Blueprint] = OrderedDict()
        self._newest: dict[str, str] = {}
        self._warnings: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        """What was said of blueprints that are valid: workers bring theirs again whenever they register."""
        self._told: OrderedDict[str, pb.Description] = OrderedDict()
        """What is told of those that declare approvals or signals, by what came last: the hash is not of it."""

    async def submit(self, blueprint: pb.Blueprint) -> pb.BlueprintValidation:
        """Validate a blueprint and, when it is valid, keep it as the newest of its workflow."""
        digest = hash_of(blueprint)
        warnings = self._warnings.get(digest)
        if warnings is None:
            verdict = validate(blueprint)
            warnings = verdict.warnings
            errors = [*blueprint_name_faults(blueprint), *verdict.errors]
            if errors:
                return pb.BlueprintValidation(errors=errors, warnings=list(warnings))
            _remember(self._warnings, digest, warnings)
        await self._store.put_blueprint(
            BlueprintRecord(
                hash=digest,
                workflow=blueprint.workflow_module,
                data=blueprint.to_bytes(),
                stored_at=self._clock.now(),
            )
        )
        self._newest[blueprint.workflow_module] = digest
        self._note(digest, blueprint)
        return pb.BlueprintValidation(valid=True, warnings=list(warnings), workflow_hash=digest)

    async def get(self, digest: str) -> Blueprint:
        """The blueprint with this hash.

        Raises:
            UnknownBlueprint: none was submitted.
        """
        if digest in self._compiled:
            self._compiled.move_to_end(digest)
            return self._compiled[digest]
        record = await self._store.blueprint(digest)
        if record is None:
            raise UnknownBlueprint(f"no blueprint with hash {digest!r} was submitted")
        return self._keep(record)

    async def newest(self, workflow: str) -> Blueprint:
        """The blueprint of a workflow that was submitted last.

        Raises:
            UnknownBlueprint: none was submitted.
        """
        digest = self._newest.get(workflow)
        if digest is not None:
            return await self.get(digest)
        record = await self._store.newest_blueprint(workflow)
        if record is None:
            raise UnknownBlueprint(
                f"no blueprint of workflow {workflow!r} was submitted: start a worker that has it, or submit it"
            )
        self._newest.setdefault(workflow, record.hash)
        return self._compiled.get(record.hash) or self._keep(record)

    async def submitted(self, digest: str, workflow: str) -> pb.Blueprint:
        """A blueprint as it was submitted: the one with this hash, or with none the newest of the workflow.

        Raises:
            UnknownBlueprint: none was submitted.
        """
        found = digest or (await self.newest(workflow)).hash
        record = await self._store.blueprint(found)
        if record is None:
            raise UnknownBlueprint(f"no blueprint with hash {found!r} was submitted")
        return pb.Blueprint.from_bytes(record.data)

    def told(self, digest: str) -> pb.Description:
        """What is told of the blueprint with this hash, which is in use; empty without approvals and signals."""
        return self._told.get(digest) or pb.Description()

    def _note(self, digest: str, blueprint: pb.Blueprint) -> None:
        told = blueprint.description
        if told is not None and (told.approvals or told.signals):
            _remember(self._told, digest, told)

    def _keep(self, record: BlueprintRecord) -> Blueprint:
        blueprint = pb.Blueprint.from_bytes(record.data)
        compiled = compile_blueprint(blueprint)
        self._note(record.hash, blueprint)
        _remember(self._compiled, record.hash, compiled)
        return compiled


def _remember(kept: OrderedDict[str, _T], digest: str, value: _T) -> None:
    """Keep one more; the one that was kept first gives way."""
    kept[digest] = value
    if len(kept) > _CACHED:
        kept.popitem(last=False)
