"""Text for people, in which nothing is left that a terminal would obey: it is spelled out."""

from __future__ import annotations

import logging


def printable(text: str) -> str:
    """A text on one line."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def printable_lines(text: str) -> str:
    """A text that may have several lines."""
    return "\n".join(map(printable, text.split("\n")))


class PrintableFormatter(logging.Formatter):
    """Writes each record of ours on one line; what a step logs stays as it is."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # its name in the standard library
        """The line of a record, before a traceback."""
        line = super().formatMessage(record)
        return printable(line) if record.name.partition(".")[0].startswith("cerebelum") else line
