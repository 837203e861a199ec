"""One Core a database: an epoch that every write checks, and a lease that says when a silent owner may be replaced.

The epoch alone is what keeps histories whole. The lease only decides who is refused at the door.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import psycopg

from cerebelum_core.clock import Clock
from cerebelum_core.errors import StoreInUse
from cerebelum_core.store import postgres_statements as sql
from cerebelum_core.store.processes import has_ended, this_machine, way_out

LEASE_S = 10.0
RENEW_S = 3.0


@dataclass(frozen=True, slots=True)
class _Owner:
    epoch: int
    node_id: str
    machine: str
    process_id: int
    until_ns: int


def take_ownership(connection: psycopg.Connection, node_id: str, clock: Clock) -> tuple[int, str]:
    """Become the owner: the epoch that this one's writes carry, and the node of before if its process has ended.

    Raises:
        StoreInUse: the present owner renews its lease, or may still come back within it.
    """
    row = connection.execute(sql.OWNER).fetchone()
    owner = _Owner(*row) if row else _Owner(0, "", "", 0, 0)
    now_ns, ended = clock.now().to_ns(), has_ended(owner.machine, owner.process_id)
    if owner.until_ns > now_ns and not ended:
        raise _in_use(owner, now_ns)
    claim = {
        "node_id": node_id,
        "machine": this_machine(),
        "process_id": os.getpid(),
        "until_ns": lease_end_ns(clock),
        "epoch": owner.epoch,
        "seen_until_ns": owner.until_ns,
    }
    taken = connection.execute(sql.TAKE_OWNERSHIP, claim).fetchone()
    if taken is None:
        raise StoreInUse("another Core took the store at the same moment: one of the two is enough")
    return int(taken[0]), owner.node_id if ended else ""


def lease_end_ns(clock: Clock) -> int:
    """When a lease ends that is renewed now."""
    return clock.now().to_ns() + int(LEASE_S * 1e9)


def _in_use(owner: _Owner, now_ns: int) -> StoreInUse:
    host = owner.machine.partition(" ")[0]
    left_s = (owner.until_ns - now_ns) / 1e9
    used = f"the store is in use by node {owner.node_id}, process {owner.process_id} on {host}"
    if owner.machine == this_machine() and owner.process_id == os.getpid():
        return StoreInUse(f"{used}{way_out(is_here=True)}")
    return StoreInUse(
        f"{used}{way_out(is_here=False)}. If it has died, its lease ends in {left_s:.0f} s: start again then"
    )
