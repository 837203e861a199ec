"""Payloads as people can read them: messages become JSON by what the blueprint of their workflow tells of them."""

from __future__ import annotations

import base64
import json
from dataclasses import fields, replace
from typing import cast

from cerebelum_cli.messages import DescribedMessages
from cerebelum_cli.output import json_text, value_of
from cerebelum_client import ClientError, Core
from cerebelum_codegen.runtime import DecodeError
from cerebelum_proto.events.v1 import events_pb as ev
from cerebelum_proto.types.v1.types_pb import Payload
from cerebelum_proto.worker import worker_service_pb as pb

_JSON, _TAGGED, _PROTOBUF = "json", "json+python", "protobuf:"


class Readable:
    """Makes payloads readable; of each version of a workflow the Core is asked once, when a message comes."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._known: dict[str, DescribedMessages] = {}
        self._told = ("", "")

    async def status(self, status: pb.ExecutionStatus) -> pb.ExecutionStatus:
        """A status without messages."""
        self._told = (status.workflow_name, status.workflow_hash)
        return replace(
            status,
            exact_inputs=await self._payload(status.exact_inputs or Payload()),
            outputs={name: await self._payload(payload) for name, payload in status.outputs.items()},
        )

    async def event(self, event: ev.Event) -> ev.Event:
        """The event, now without messages; those of a history are passed in their order."""
        match event.fact:
            case ev.ExecutionStarted(workflow=workflow, blueprint_hash=digest):
                self._told = (workflow, digest)
            case ev.ExecutionMigrated(blueprint_hash=digest):
                self._told = (self._told[0], digest)
            case _:
                pass
        for each in fields(event.fact) if event.fact is not None else ():
            if isinstance(payload := getattr(event.fact, each.name), Payload):
                setattr(event.fact, each.name, await self._payload(payload))
        return event

    async def _payload(self, payload: Payload) -> Payload:
        if payload.encoding in ("", _JSON):
            return payload
        known = await self._messages()
        return Payload(encoding=_JSON, data=json_text(_read(payload, known)).encode())

    async def _messages(self) -> DescribedMessages:
        name, digest = self._told
        if digest not in self._known:
            try:
                blueprint = await self._core.workflow(name, digest)
            except ClientError:  # who cannot be told shows what there is
                blueprint = pb.Blueprint()
            self._known[digest] = DescribedMessages(blueprint.description or pb.Description())
        return self._known[digest]


def _read(payload: Payload, known: DescribedMessages) -> object:
    try:
        if payload.encoding.startswith(_PROTOBUF):
            return known.read(payload.encoding.removeprefix(_PROTOBUF), payload.data)
        if payload.encoding == _TAGGED:
            told = _with_json(json.loads(payload.data), known)
            return value_of(Payload(encoding=_TAGGED, data=json.dumps(told).encode()))
    except (DecodeError, ValueError, RecursionError):
        pass
    return value_of(payload)


def _with_json(value: object, known: DescribedMessages) -> object:
    """Tagged JSON whose messages are JSON."""
    if isinstance(value, list):
        return [_with_json(item, known) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("$") == "message":
        name, data = cast("list[str]", value["v"])
        return known.read(name, base64.b64decode(data))
    return {key: _with_json(item, known) for key, item in value.items()}
