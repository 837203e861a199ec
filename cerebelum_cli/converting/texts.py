"""Names that change their case between the spellings of a workflow."""

from __future__ import annotations

import re


def snake(name: str) -> str:
    """`PackParcel` as `pack_parcel`."""
    parted = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", parted).lower()


def camel(name: str) -> str:
    """`pack_parcel` as `PackParcel`."""
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", name))
