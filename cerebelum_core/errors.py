"""Errors of the Core, split by who must act.

CoreError
|-- StartError               the operator: the Core cannot start like this
|   |-- StoreUrlError        the store's URL is not understood
|   |-- StoreUnusable        no permission, not a database, a newer or altered schema
|   |-- StoreInUse           another Core has the store
|   `-- ListenError          the address cannot be listened on, or its certificate not be used
|-- StoreError               the Core itself: it reads again and decides anew
|   |-- VersionConflict      somebody else appended first
|   |-- OwnershipLost        a newer Core owns the store
|   `-- StoreUnavailable     the outcome of a write is unknown, or the store is closed
|       `-- StoreRefused     the store answers, and refuses what was asked of it
|-- UnknownExecution         the caller: there is no such execution
|-- UnknownBlueprint         the caller: no such workflow was submitted
|-- CopyRefused              the operator: the target holds something else, or the copy is not the original
`-- Quarantined              the operator: an execution that keeps crashing is set aside
"""

from __future__ import annotations


class CoreError(Exception):
    """Anything that the Core raises on purpose."""


class StartError(CoreError):
    """The Core cannot start as it was asked to."""


class StoreUrlError(StartError):
    """A store URL that names no store."""


class StoreUnusable(StartError):
    """The store is there and cannot be used."""


class StoreInUse(StartError):
    """Another Core owns the store."""


class ListenError(StartError):
    """The address cannot be listened on."""


class StoreError(CoreError):
    """An append did not happen, or nobody knows whether it did."""


class VersionConflict(StoreError):
    """The execution's history is not as long as the append expected. Nothing was written."""


class OwnershipLost(StoreError):
    """A newer Core owns the store. Nothing was written."""


class StoreUnavailable(StoreError):
    """The write may or may not have happened: read before acting on it."""


class StoreRefused(StoreUnavailable):
    """The store answers, and refuses what was asked of it: it will until somebody changes the one or the other."""


class CopyRefused(CoreError):
    """A store cannot be copied there, or the copy is not the original."""


class UnknownExecution(CoreError):
    """There is no execution with this id."""


class UnknownBlueprint(CoreError):
    """No blueprint of this workflow, or with this hash, was submitted."""


class Quarantined(CoreError):
    """The execution crashed too often and is left alone until the Core is started again."""
