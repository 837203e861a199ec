"""A connection on which prepared statements go out together, as one transaction and in one round trip.

It speaks to libpq itself: a batch has few parameters of very many values, and what psycopg does for each parameter of
any kind takes as long as all else that writing one takes.
"""

from __future__ import annotations

import re
import selectors
from collections import deque
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
    formats: list[Format]
    """A list, for the oldest psycopg takes nothing else here."""

    @classmethod
    def of(cls, name: str, text: LiteralString) -> Statement:
        """The statement of a text."""
        forms: dict[str, str] = dict(re.findall(r"%\((\w+)\)([sb])", text))
        numbers = {parameter: number for number, parameter in enumerate(forms, 1)}
        return cls(
            name=name.encode(),
            text=re.sub(r"%\((\w+)\)[sb]", lambda found: f"${numbers[found[1]]}", text).encode(),
            parameters=(*forms,),
            formats=[Format.BINARY if form == "b" else Format.TEXT for form in forms.values()],
        )


class Sent:
    """A transaction that is on its way on a line, with what its statements have returned so far."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.results: list[PGresult] = []
        self.error: psycopg.Error | None = None
        self.is_over = False


class Line:
    """Such a connection. What is sent on it happens in this order, each transaction for itself.

    Raises:
        psycopg.Error: the server refuses a statement, or does not answer.
    """

    def __init__(self, connection: psycopg.Connection, statements: Sequence[Statement]) -> None:
        self.connection = connection
        self._libpq = connection.pgconn
        self._selector = selectors.DefaultSelector()
        self._selector.register(connection.fileno(), selectors.EVENT_READ)
        self._awaited = selectors.EVENT_READ
        self._under_way: deque[Sent] = deque()
        self._is_open = True
        self._libpq.nonblocking = 1
        self._libpq.enter_pipeline_mode()
        for statement in statements:
            types = [_BYTEA_ARRAY_OID if form == Format.BINARY else 0 for form in statement.formats]
            self._libpq.send_prepare(statement.name, statement.text, types)
        self.results(self._committed())

    def send(self, work: Sequence[tuple[Statement, Mapping[str, bytes]]]) -> Sent:
        """Send statements that are to be one transaction. Of what goes wrong `results` tells."""
        try:
            for statement, values in work:
                self._libpq.send_query_prepared(
                    statement.name, [values[each] for each in statement.parameters], statement.formats
                )
            return self._committed()
        except psycopg.Error as error:
            failed = Sent(self)
            failed.error = error
            return failed

    def results(self, sent: Sent) -> Sequence[PGresult]:
        """What each statement has returned, when all of them are committed.

        Raises:
            psycopg.Error: what the server said first, or that it is gone. Unless it said that nothing was committed,
                nobody knows, and this line is of no use any more.
        """
        if sent.error is not None:
            raise sent.error
        while not sent.is_over:
            if not self._is_open:
                raise psycopg.OperationalError("the connection broke while it was under way")
            self._receive()
            if not sent.is_over:
                self._wait()
                self._libpq.consume_input()
        for result in sent.results:
            if result.status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
                raise error_from_result(result)
        return sent.results

    def close(self) -> None:
        """Let go of it."""
        self._is_open = False
        self._selector.close()
        self.connection.close()

    def _committed(self) -> Sent:
        self._libpq.pipeline_sync()
        self._libpq.flush()
        self._under_way.append(Sent(self))
        return self._under_way[-1]

    def _receive(self) -> None:
        """Take what has come."""
        while self._under_way and not self._libpq.is_busy():
            result = self._libpq.get_result()
            if result is not None and result.status == ExecStatus.PIPELINE_SYNC:
                self._under_way.popleft().is_over = True
            elif result is not None:
                self._under_way[0].results.append(result)
            elif self._libpq.status == ConnStatus.BAD:
                raise psycopg.OperationalError(self._libpq.get_error_message())

    def _wait(self) -> None:
        awaited = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._libpq.flush() else 0)
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
