"""What is written into statements as PostgreSQL spells it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from cerebelum_core.store.postgres_statements import BEGIN, MOVE, number_array, text_array
from tests.postgresql import PostgresServer, run


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_any_text_survives_as_an_element_of_an_array(postgresql: PostgresServer, values: list[str]) -> None:
    assert run(postgresql.url("postgres"), f"SELECT $text${text_array(list(values))}$text$::text[]")[0][0] == values


def test_numbers_and_absent_ones_survive_as_elements_of_an_array(postgresql: PostgresServer) -> None:
    values = [0, None, -1, 2**62]
    assert run(postgresql.url("postgres"), f"SELECT '{number_array(list(values))}'::bigint[]")[0][0] == values


def test_the_oldest_psycopg_that_is_supported_takes_the_formats_of_a_statement() -> None:
    assert isinstance(BEGIN.formats, list)
    assert isinstance(MOVE.formats, list)
