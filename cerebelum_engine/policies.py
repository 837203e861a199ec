"""What a step may cost: how often it is tried, how long it pauses, waits and runs. Pure arithmetic on its policy."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from cerebelum_proto.types.v1.types_pb import Failure, RetryPolicy

MAX_LOSSES = 10
"""A step whose workers fell silent this often is a dead letter: it may be what kills them."""

_DEFAULT_INTERVAL_MS = 1_000
_DEFAULT_BACKOFF = 2.0
_DEFAULT_MAX_INTERVAL_MS = 60_000


def retry_faults(policy: RetryPolicy) -> Iterator[str]:
    """What is wrong with a policy, each fault with its mend."""
    if policy.max_attempts < 0:
        yield f"max_attempts is {policy.max_attempts}; it cannot be negative"
    if policy.initial_interval_ms < 0 or policy.max_interval_ms < 0:
        yield "a retry interval cannot be negative"
    if policy.backoff != 0 and not 1 <= policy.backoff <= 1000:
        yield f"backoff is {policy.backoff}; it is a factor from 1 to 1000"
    if not 0 <= policy.jitter <= 1:
        yield f"jitter is {policy.jitter}; it is a part from 0 to 1"


def is_final(policy: RetryPolicy, failure: Failure, failures: int) -> bool:
    """Whether the nth failure (from 1) is not tried again."""
    return (
        failure.non_retryable
        or failure.error is not None
        or failure.kind in policy.non_retryable_kinds
        or failures >= (policy.max_attempts or 1)
    )


def pause_ms(policy: RetryPolicy, failures: int, task_id: str) -> int:
    """How long to wait after the nth failure (from 1), in milliseconds, shortened by the policy's jitter."""
    pause = longest_pause_ms(policy, failures)
    return pause - int(pause * policy.jitter * chance_of(task_id))


def longest_pause_ms(policy: RetryPolicy, failures: int) -> int:
    """How long to wait after the nth failure (from 1), before jitter."""
    initial = policy.initial_interval_ms or _DEFAULT_INTERVAL_MS
    longest = policy.max_interval_ms or max(initial, _DEFAULT_MAX_INTERVAL_MS)
    pause = float(initial)
    for _ in range(failures - 1):
        pause *= policy.backoff or _DEFAULT_BACKOFF
        if pause >= longest:
            return longest
    return min(int(pause), longest)


def chance_of(task_id: str) -> float:
    """A number from 0 to 1 (excluded) that follows from a task's id: spread like chance, and the same each time."""
    return int.from_bytes(hashlib.blake2b(task_id.encode(), digest_size=8).digest()) / 2**64
