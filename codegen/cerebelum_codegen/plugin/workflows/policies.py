"""A retry policy as it is told, with the DSL's own defaults."""

from __future__ import annotations

from collections.abc import Callable

from cerebelum_proto.options.v1.options_pb import Retry
from cerebelum_proto.types.v1.types_pb import RetryPolicy

_FIRST_MS, _LONGEST_MS, _BACKOFF, _JITTER, _ATTEMPTS = 1_000, 60_000, 2.0, 0.1, 3


def policy_of(told: Retry, span: Callable[[str, int, str], int]) -> RetryPolicy:
    """The policy. `span` reads a duration, given its field's number and name."""
    first_ms = span(told.initial_interval, 2, "initial_interval") or _FIRST_MS
    return RetryPolicy(
        max_attempts=told.max_attempts or _ATTEMPTS,
        initial_interval_ms=first_ms,
        backoff=told.backoff or _BACKOFF,
        max_interval_ms=span(told.max_interval, 4, "max_interval") or max(_LONGEST_MS, first_ms),
        non_retryable_kinds=list(told.non_retryable),
        jitter=_JITTER if told.jitter is None else told.jitter,
    )
