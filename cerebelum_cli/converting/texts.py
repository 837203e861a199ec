"""What both spellings of a workflow share: compositions, and names that change their case."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from cerebelum_proto.worker import worker_service_pb as pb


def composition(
    stages: Sequence[pb.Stage], spelled: Callable[[str], str] = str, group: Callable[[str], str] = str
) -> str:
    """Stages as they are written: `a >> [b >> c, d]`. `group` frames a list that `>>` comes behind."""
    parts = [_stage(stage, spelled, group) for stage in stages]
    if len(stages) > 1 and _is_group(stages[0]):
        parts[0] = group(parts[0])
    return " >> ".join(parts)


def snake(name: str) -> str:
    """`PackParcel` as `pack_parcel`."""
    parted = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", parted).lower()


def camel(name: str) -> str:
    """`pack_parcel` as `PackParcel`."""
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", name))


def _is_group(stage: pb.Stage) -> bool:
    return bool(stage.lanes) or len(stage.steps) > 1


def _stage(stage: pb.Stage, spelled: Callable[[str], str], group: Callable[[str], str]) -> str:
    if not _is_group(stage):
        return spelled(stage.steps[0])
    lanes = [*map(spelled, stage.steps), *(composition(lane.stages, spelled, group) for lane in stage.lanes)]
    return f"[{', '.join(lanes)}]"
