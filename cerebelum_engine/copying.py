"""Copies of the values that a state is made of, many times as quick as `copy.copy`: all that they keep is in one dict.

For classes without slots.
"""

from __future__ import annotations

from typing import TypeVar

_T = TypeVar("_T")


def copied(value: _T) -> _T:
    """Another one with the same members."""
    after = object.__new__(value.__class__)
    after.__dict__.update(value.__dict__)
    return after
