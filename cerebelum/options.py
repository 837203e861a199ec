"""What can be said of one execution when it is started, in one place for every way to start it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TypedDict

from cerebelum.policies import Retry
from cerebelum_client.plain import check_texts


class StartOptions(TypedDict, total=False):
    """What a start may say beside the workflow and its inputs."""

    execution_id: str | None
    """Chosen by the caller: the same id, workflow and inputs again are the same execution."""
    timeout: timedelta | None
    """It fails when it takes longer."""
    tags: Sequence[str]
    queue: str | None
    """All of its steps go to the workers that serve it."""
    retries: Mapping[str, Retry] | None
    """How steps are tried again, by their names, whatever they say themselves."""
    correlation_id: str


def own_id(execution_id: str | None) -> str:
    """The id that the caller has chosen; empty when there is none.

    Raises:
        TypeError, ValueError: it is no id.
    """
    if execution_id is None:
        return ""
    check_texts("an execution", id=execution_id)
    if not execution_id:
        raise ValueError(
            "an execution: its id is empty, and each start would begin another one: give a text, or None for a new id"
        )
    return execution_id
