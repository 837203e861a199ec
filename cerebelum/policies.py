"""What a step may cost: how often it is tried, and how long it may take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from cerebelum.errors import DefinitionError
from cerebelum_client.markers import milliseconds
from cerebelum_engine import queue_fault
from cerebelum_proto.types.v1.types_pb import RetryPolicy

_LONGEST = timedelta(minutes=1)
MOST_TIMES = 2**31 - 1
"""More tries or visits the contract has no room for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often, and with which pauses, a step that raised is tried again.

    Each pause is `backoff` times the one before. Exceptions whose class name stands in `non_retryable` are final, as
    are `NonRetryable` ones and what a step returns as `{"error": ...}`.
    """

    max_attempts: int = 3
    """Tries in all, the first included."""
    initial_interval: timedelta = timedelta(seconds=1)
    backoff: float = 2.0
    max_interval: timedelta | None = None
    """The longest pause: by default a minute, or the first one where that is longer."""
    non_retryable: tuple[type[Exception] | str, ...] = ()
    jitter: float = 0.1
    """Each pause is shortened by up to this part of it, so that what failed together does not come back together."""

    @property
    def longest(self) -> timedelta:
        """No pause is longer."""
        return self.max_interval or max(_LONGEST, self.initial_interval)


def policy_of(retry: Retry) -> RetryPolicy:
    """The policy as the contract writes it."""
    return RetryPolicy(
        max_attempts=retry.max_attempts,
        initial_interval_ms=milliseconds(retry.initial_interval),
        backoff=retry.backoff,
        max_interval_ms=milliseconds(retry.longest),
        jitter=retry.jitter,
        non_retryable_kinds=[each if isinstance(each, str) else each.__name__ for each in retry.non_retryable],
    )


def policies_of(retries: Mapping[str, Retry] | None) -> dict[str, RetryPolicy]:
    """The policies of steps, by their names.

    Raises:
        DefinitionError: with everything that is wrong with them.
        TypeError: they are no mapping.
    """
    told = {} if retries is None else retries
    if not isinstance(told, Mapping):
        raise TypeError(f"retries is {retries!r}: give one a step, as in {{'charge': Retry(max_attempts=3)}}")
    if faults := [f"'{name}': {fault}" for name, retry in told.items() for fault in policy_faults(retry, {})]:
        raise DefinitionError("retries", faults)
    return {name: policy_of(retry) for name, retry in told.items()}


def policy_faults(retry: Retry | None, limits: Mapping[str, timedelta | None], queue: str | None = None) -> list[str]:
    """What is wrong with the policies of a step, each fault with its mend."""
    faults = [fault for name, limit in limits.items() if limit is not None for fault in _span_faults(name, limit)]
    faults += [] if queue is None else queue_faults([queue])
    if retry is None:
        return faults
    if not isinstance(retry, Retry):
        return [*faults, f"its retry is {retry!r}: give a policy, as in Retry(max_attempts=3)"]
    spans = {"initial_interval": retry.initial_interval, "max_interval": retry.max_interval}
    if wrong := [fault for name, span in spans.items() if span is not None for fault in _span_faults(name, span)]:
        return [*faults, *wrong]
    if wrong := list(_number_faults(retry)):
        return [*faults, *wrong]
    if not 1 <= retry.max_attempts <= MOST_TIMES:
        faults.append(f"its retry allows {retry.max_attempts} attempts: allow at least 1, at most {MOST_TIMES}")
    if not 1 <= retry.backoff <= 1000:
        faults.append(f"its backoff is {retry.backoff}: give a factor from 1 to 1000")
    if retry.max_interval is not None and retry.initial_interval > retry.max_interval:
        faults.append(
            f"its first pause of {retry.initial_interval} is longer than its longest ({retry.max_interval}): "
            "raise max_interval"
        )
    if not 0 <= retry.jitter <= 1:
        faults.append(f"its jitter is {retry.jitter}: give a part from 0 to 1")
    return faults


def _number_faults(retry: Retry) -> Iterator[str]:
    """What is no number, and a text whose letters would be taken for kinds of exceptions."""
    told: dict[str, object] = {"max_attempts": retry.max_attempts, "backoff": retry.backoff, "jitter": retry.jitter}
    for name, value in told.items():
        if not isinstance(value, int | float) or (name == "max_attempts" and not isinstance(value, int)):
            yield f"its {name} is {value!r}: give a number"
    kinds: object = retry.non_retryable
    if isinstance(kinds, str | type):
        yield f"its non_retryable is {_spelled(kinds)}, and not several: write ({_spelled(kinds)},)"
    elif not isinstance(kinds, Iterable):
        yield f"its non_retryable is {kinds!r}: give kinds of exceptions, as in (ValueError,)"
    else:
        for kind in kinds:
            if not isinstance(kind, str | type):
                yield f"its non_retryable holds {kind!r}: give a kind of exceptions, or its name"


def _spelled(kind: str | type) -> str:
    """A kind of exceptions as it is written."""
    return repr(kind) if isinstance(kind, str) else kind.__name__


def queue_faults(queues: Iterable[object]) -> list[str]:
    """What is wrong with the names of queues, each fault with its mend."""
    return [
        fault
        for queue in queues
        if (fault := queue_fault(queue) if isinstance(queue, str) else f"queue {queue!r} is no name: give a text")
    ]


def _span_faults(name: str, span: timedelta) -> list[str]:
    if not isinstance(span, timedelta):
        return [f"its {name} is {span!r}: give a timedelta, as in timedelta(seconds=30)"]
    return [] if span > timedelta(0) else [f"its {name} is {span}: give it a positive one"]
