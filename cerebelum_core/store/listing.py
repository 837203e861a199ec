"""Which rows a list takes: for each combination of filters a text of its own, so that each finds its index.

Names are marked as SQLite does (`:name`).
"""

from __future__ import annotations

from cerebelum_core.store.records import COUNTED, HeadQuery
from cerebelum_core.store.rows import HEAD_COLUMNS, Cell


def page_of(query: HeadQuery, table: str) -> tuple[str, dict[str, Cell]]:
    """A page of heads, newest first, and one more row that tells whether others follow."""
    where = [*_filters(query)]
    if query.after is not None:
        where.append("(started_at_ns, execution_id) < (:after_ns, :after_id)")
    statement = f"""
SELECT execution_id, version, {HEAD_COLUMNS} FROM {table} {_where(where)}
ORDER BY started_at_ns DESC, execution_id DESC LIMIT :limit OFFSET :offset"""
    return statement, {**_bindings(query), "limit": query.limit + 1, "offset": query.offset}


def count_of(query: HeadQuery, table: str) -> tuple[str, dict[str, Cell]]:
    """How long the whole list is, as far as it is counted."""
    rows = f"SELECT 1 FROM {table} {_where(_filters(query))} LIMIT {COUNTED}"
    return f"SELECT count(*) FROM ({rows}) AS counted", _bindings(query)


def _filters(query: HeadQuery) -> list[str]:
    filters = []
    if query.workflow:
        filters.append("workflow = :workflow")
    if query.status is not None:
        filters.append("status = :status")
    return filters


def _where(terms: list[str]) -> str:
    return "WHERE " + " AND ".join(terms) if terms else ""


def _bindings(query: HeadQuery) -> dict[str, Cell]:
    bindings: dict[str, Cell] = {}
    if query.workflow:
        bindings["workflow"] = query.workflow
    if query.status is not None:
        bindings["status"] = int(query.status)
    if query.after is not None:
        bindings |= {"after_ns": query.after.started_at.to_ns(), "after_id": query.after.execution_id}
    return bindings
