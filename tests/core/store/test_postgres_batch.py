"""Batches on one connection of PostgreSQL, the next one sent while the one before is under way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from cerebelum_core.clock import SystemClock
from cerebelum_core.errors import OwnershipLost, StoreRefused, StoreUnavailable, VersionConflict
from cerebelum_core.store.postgres_address import postgres_address
from cerebelum_core.store.postgres_batch import BatchWriter, checked_cells
from cerebelum_core.store.postgres_patience import Patience
from cerebelum_core.store.postgres_schema import migrate
from cerebelum_core.store.records import Outcome
from cerebelum_core.store.rows import Row
from tests.core.store.appends import append, head
from tests.core.store.databases import kill_backends
from tests.postgresql import PostgresServer, run


@pytest.fixture
def url(postgresql: PostgresServer) -> str:
    return postgresql.new_database()


@pytest.fixture
def writer(url: str) -> Iterator[BatchWriter]:
    """One that has written: the execution "known" is of version 1."""
    address = postgres_address(url)
    with address.connect() as connection:
        migrate(connection, SystemClock())
    writer = BatchWriter(address.connect, Patience(), 0)
    assert writer.commit([of("known")]) == [None]
    yield writer
    writer.close()


def of(execution_id: str, expected: int = 0) -> Row:
    return checked_cells(append(execution_id, expected))


def lengths(url: str) -> dict[object, object]:
    rows = run(url, "SELECT execution_id, count(*) FROM cerebelum.events GROUP BY execution_id")
    return {row[0]: row[1] for row in rows}


def kinds(outcomes: object) -> list[type]:
    assert isinstance(outcomes, list)
    return [type(outcome) for outcome in outcomes]


NONE = type(None)


def test_each_batch_ends_with_what_became_of_its_own_writes(writer: BatchWriter, url: str) -> None:
    first = writer.begin([of("a"), of("b"), of("known", 7)])
    second = writer.begin([of("c"), of("b2", 3)])
    assert kinds(first()) == [NONE, NONE, VersionConflict]
    third = writer.begin([of("a", 1), of("d")])
    assert kinds(second()) == [NONE, VersionConflict]
    assert kinds(third()) == [NONE, NONE]
    assert lengths(url) == {"known": 1, "a": 2, "b": 1, "c": 1, "d": 1}


def test_when_none_of_a_batch_is_as_it_was_expected_each_is_told_so(writer: BatchWriter) -> None:
    assert kinds(writer.commit([of("known"), of("a", 2), of("b", 1)])) == [VersionConflict] * 3


def test_the_next_batch_goes_on_with_the_executions_of_the_one_before(writer: BatchWriter, url: str) -> None:
    ends = [writer.begin([of("a", version), of("known", version + 1)]) for version in range(4)]
    assert [end() for end in ends] == [[None, None]] * 4
    assert lengths(url) == {"a": 4, "known": 5}


def test_a_batch_that_sinks_is_written_one_by_one_though_the_next_is_on_its_way(writer: BatchWriter, url: str) -> None:
    run(url, "ALTER TABLE cerebelum.events ADD CHECK (execution_id <> 'refused')")
    first = writer.begin([of("a"), of("refused"), of("known", 1)])
    second = writer.begin([of("b")])
    third = writer.begin([of("a", 1)])
    assert kinds(first()) == [NONE, StoreRefused, NONE]
    assert second() == [None]
    assert third() == [None]
    assert lengths(url) == {"known": 2, "a": 2, "b": 1}


def test_of_all_that_was_under_way_on_a_connection_that_broke_nobody_knows(writer: BatchWriter, url: str) -> None:
    first, second = writer.begin([of("a")]), writer.begin([of("b")])
    kill_backends(url)
    third = writer.begin([of("c")])
    outcomes: list[Outcome] = [*first(), *second(), *third()]
    written = lengths(url)
    # What had come to its end before is told as that; of the others it is said that nobody knows.
    assert kinds(outcomes)[-1] is StoreUnavailable
    assert all(outcome is None or "unknown" in str(outcome) for outcome in outcomes)
    assert all(name in written for name, outcome in zip("abc", outcomes, strict=True) if outcome is None)
    assert writer.commit([of("d")]) == [None]


def test_what_is_under_way_when_the_connection_is_let_go_is_of_unknown_outcome(writer: BatchWriter) -> None:
    first, second = writer.begin([of("a")]), writer.begin([of("b")])
    writer.close()
    for outcome in (*first(), *second()):
        assert str(outcome) == "the outcome of a write is unknown: the connection broke while it was under way"
    assert writer.commit([of("c")]) == [None]


def test_a_text_that_cannot_be_sent_sinks_alone(writer: BatchWriter, url: str) -> None:
    outcomes = writer.begin([of("a"), checked_cells(append("x", 0, row=head(workflow="\ud800"))), of("b")])()
    assert kinds(outcomes) == [NONE, UnicodeEncodeError, NONE]
    assert lengths(url) == {"known": 1, "a": 1, "b": 1}


def test_a_writer_whose_store_has_another_owner_writes_nothing_of_what_is_under_way(
    writer: BatchWriter, url: str
) -> None:
    run(url, "UPDATE cerebelum.ownership SET epoch = epoch + 1")
    first, second = writer.begin([of("a"), of("known", 1)]), writer.begin([of("b")])
    assert kinds(first()) == [OwnershipLost] * 2
    assert kinds(second()) == [OwnershipLost]
    assert lengths(url) == {"known": 1}


@pytest.mark.parametrize("said_in", ["URL", "environment"])
def test_ids_are_written_as_they_are_though_the_client_is_of_another_encoding(
    postgresql: PostgresServer, monkeypatch: pytest.MonkeyPatch, said_in: str
) -> None:
    url = postgresql.new_database()
    with postgres_address(url).connect() as connection:
        migrate(connection, SystemClock())
    if said_in == "environment":
        monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    address = postgres_address(url if said_in == "environment" else f"{url}&client_encoding=LATIN1")
    with closing(BatchWriter(address.connect, Patience(), 0)) as writer:
        assert writer.commit([of("café")]) == [None]
    monkeypatch.delenv("PGCLIENTENCODING", raising=False)
    assert lengths(url) == {"café": 1}


def test_a_text_that_cannot_be_sent_leaves_what_was_written_before_it_as_it_is(writer: BatchWriter, url: str) -> None:
    unsendable = append("known", 2)
    unsendable.head.step_name = "\ud800"
    outcomes = writer.commit([of("a"), of("known", 1), checked_cells(unsendable)])
    assert kinds(outcomes) == [NONE, NONE, UnicodeEncodeError]
    assert lengths(url) == {"known": 2, "a": 1}


@pytest.mark.parametrize("code", ["40001", "40P01"], ids=["serialization", "deadlock"])
def test_what_was_rolled_back_for_another_s_sake_is_written_again(writer: BatchWriter, url: str, code: str) -> None:
    run(url, "CREATE SEQUENCE tries")
    run(
        url,
        "CREATE FUNCTION give_way() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF nextval('tries') = 1 THEN RAISE EXCEPTION 'give way' USING ERRCODE = '{code}'; END IF; "
        "RETURN NEW; END $$",
    )
    run(url, "CREATE TRIGGER t BEFORE INSERT ON cerebelum.events FOR EACH ROW EXECUTE FUNCTION give_way()")
    first, second = writer.begin([of("a"), of("known", 1)]), writer.begin([of("b")])
    assert first() == [None, None]
    assert second() == [None]
    assert lengths(url) == {"known": 2, "a": 1, "b": 1}


def test_a_server_that_refuses_the_statements_themselves_is_asked_once_a_batch(writer: BatchWriter, url: str) -> None:
    tries: list[str] = []

    def connect() -> psycopg.Connection:
        tries.append(url)
        return postgres_address(url).connect()

    run(url, "ALTER TABLE cerebelum.events RENAME TO gone")
    with closing(BatchWriter(connect, Patience(), 0)) as late:
        assert kinds(late.commit([of("a"), of("b"), of("c")])) == [StoreUnavailable] * 3
        assert len(tries) == 1
        run(url, "ALTER TABLE cerebelum.gone RENAME TO events")
        assert late.commit([of("a")]) == [None]
