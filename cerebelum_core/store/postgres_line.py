"""A connection on which prepared statements go out together, as one transaction and in one round trip.

It speaks to libpq itself: a batch has few parameters of very many values, and what psycopg does for each parameter of
any kind takes as long as all else that writing one takes.
"""

from __future__ import annotations

import re
import selectors
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, Format
from psycopg.pq.abc import PGresult

_BYTEA_OID, _BYTEA_ARRAY_OID = 17, 1001


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that is prepared once a connection, with parameters `%(like_this)s`, or `%(like_this)b` for an array
    of bytes.
    """

    name: bytes
    text: bytes
    """With the numbers of its parameters."""
    parameters: tuple[str, ...]
    """Their names, in the order of their numbers."""
    formats: tuple[Format, ...]

    @classmethod
    def of(cls, name: str, text: LiteralString) -> Statement:
        """The statement of a text."""
        forms: dict[str, str] = dict(re.findall(r"%\((\w+)\)([sb])", text))
        numbers = {parameter: number for number, parameter in enumerate(forms, 1)}
        return cls(
            name=name.encode(),
            text=re.sub(r"%\((\w+)\)[sb]", lambda found: f"${numbers[found[1]]}", text).encode(),
            parameters=(*forms,),
            formats=tuple(Format.BINARY if form == "b" else Format.TEXT for form in forms.values()),
        )


class Line:
    """Such a connection, with what can be run on it.

    Raises:
        psycopg.Error: the server refuses a statement, or does not answer.
    """

    def __init__(self, connection: psycopg.Connection, statements: Sequence[Statement]) -> None:
        self.connection = connection
        self._libpq = connection.pgconn
        self._selector = selectors.DefaultSelector()
        self._selector.register(connection.fileno(), selectors.EVENT_READ)
        self._awaited = selectors.EVENT_READ
        self._libpq.nonblocking = 1
        self._libpq.enter_pipeline_mode()
        for statement in statements:
            types = [_BYTEA_ARRAY_OID if form == Format.BINARY else 0 for form in statement.formats]
            self._libpq.send_prepare(statement.name, statement.text, types)
        self._done()

    def run(self, work: Sequence[tuple[Statement, Mapping[str, bytes]]]) -> list[PGresult]:
        """What each statement returns, when all of them are committed.

        Raises:
            psycopg.Error: what the server said first, or that it is gone. Unless it said that nothing was committed,
                nobody knows, and this connection is of no use any more.
        """
        for statement, values in work:
            self._libpq.send_query_prepared(
                statement.name, [values[each] for each in statement.parameters], statement.formats
            )
        return self._done()

    def close(self) -> None:
        """Let go of it."""
        self._selector.close()
        self.connection.close()

    def _done(self) -> list[PGresult]:
        """End the transaction, and wait for what became of it."""
        self._libpq.pipeline_sync()
        results: list[PGresult] = []
        while True:
            unsent = self._libpq.flush()
            while not self._libpq.is_busy():
                result = self._libpq.get_result()
                if result is not None and result.status == ExecStatus.PIPELINE_SYNC:
                    return _succeeded(results)
                if result is not None:
                    results.append(result)
                elif self._libpq.status == ConnStatus.BAD:
                    raise psycopg.OperationalError(self._libpq.get_error_message())
            self._wait(selectors.EVENT_READ | (selectors.EVENT_WRITE if unsent else 0))
            self._libpq.consume_input()

    def _wait(self, awaited: int) -> None:
        if awaited != self._awaited:
            self._selector.modify(self._libpq.socket, awaited)
            self._awaited = awaited
        self._selector.select()


def bytes_array(values: Sequence[bytes]) -> bytes:
    """Texts of bytes as PostgreSQL's protocol has an array of them: dimensions, NULLs, type, length, first index."""
    head = [1 if values else 0, 0, _BYTEA_OID, *([len(values), 1] if values else [])]
    pieces = [number.to_bytes(4) for number in head]
    for value in values:
        pieces += (len(value).to_bytes(4), value)
    return b"".join(pieces)


def _succeeded(results: list[PGresult]) -> list[PGresult]:
    for result in results:
        if result.status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
            raise error_from_result(result)
    return results
