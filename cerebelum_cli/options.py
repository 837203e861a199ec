"""Options that several commands share."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from cerebelum_client import CerebelumClient

_MOST_S = 1e13
"""More than any clock will show, and within what a timedelta holds."""
_F = TypeVar("_F", bound=Callable[..., object])
FROM_FILE = "or @FILE, or @- for standard input"
"""What a flag that takes JSON takes, too."""


def read_json(_ctx: click.Context, _param: click.Parameter, value: str) -> object:
    """A JSON value on the command line; `@FILE` reads it from a file, `@-` from standard input.

    Raises:
        click.BadParameter: there is no such file, or no JSON.
    """
    text = _read(value[1:]) if value.startswith("@") else value
    try:
        return json.loads(text, parse_float=_finite, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise click.BadParameter(
            f"{text[:60]!r} is no JSON: {error.msg} at position {error.pos}; strings need double quotes, "
            """for example '{"id": 7}'"""
        ) from None
    except ValueError:  # Python reads no number of thousands of digits
        raise click.BadParameter("a number in the JSON has too many digits: write it as a string") from None
    except RecursionError:
        raise click.BadParameter("the JSON nests too deep") from None


def _finite(number: str) -> float:
    return read if math.isfinite(read := float(number)) else _refuse(number)


def _refuse(constant: str) -> NoReturn:
    raise click.BadParameter(f"{constant} is no number in JSON: write null, or it as a string")


def _read(name: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise click.BadParameter(f"cannot read {name!r}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise click.BadParameter(f"{name!r} is no UTF-8 text") from None


def address_option(command: _F) -> _F:
    """`--core HOST:PORT`, else CEREBELUM_URL, else 127.0.0.1:50051."""
    return click.option(
        "--core",
        "core_url",
        metavar="HOST:PORT",
        envvar="CEREBELUM_URL",
        default="127.0.0.1:50051",
        show_default=True,
        show_envvar=True,
        help="Where the Core is.",
    )(command)


def store_option(command: _F) -> _F:
    """`--store URL`, else CEREBELUM_STORE, else cerebelum.db here."""
    return click.option(
        "--store",
        "store_url",
        metavar="URL",
        envvar="CEREBELUM_STORE",
        default="sqlite:///cerebelum.db",
        show_default=True,
        show_envvar=True,
        help="Where executions are kept: sqlite:///FILE, postgresql://USER@HOST/DATABASE, or memory:// for a trial.",
    )(command)


@dataclass(frozen=True, slots=True)
class RemoteCore:
    """The Core that a command was pointed to."""

    address: str
    retry_s: float

    def client(self) -> CerebelumClient:
        """A client of it.

        Raises:
            AddressError: its address is no HOST:PORT.
        """
        from cerebelum_client import CerebelumClient

        return CerebelumClient(self.address, retry_s=self.retry_s)


class Seconds(click.FloatRange):
    """A number of seconds, and neither infinite nor `nan`, which is in every range."""

    def __init__(self, least: float = 0.001, most: float = _MOST_S) -> None:
        super().__init__(least, most)

    def convert(self, value: float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds = float(super().convert(value, param, ctx))
        if math.isnan(seconds):
            self.fail(f"{value} is no number of seconds", param, ctx)
        return seconds


def core_option(command: Callable[..., None]) -> Callable[..., None]:
    """`--core` and `--retry`; the command gets them as `core: RemoteCore`."""

    @wraps(command)
    def with_core(*args: object, core_url: str, retry_s: float, **others: object) -> None:
        command(*args, core=RemoteCore(core_url, retry_s), **others)

    with_retry = click.option(
        "--retry",
        "retry_s",
        metavar="SECONDS",
        type=Seconds(0),
        default=5.0,
        show_default=True,
        help="How long to try again while no Core answers.",
    )(with_core)
    return address_option(with_retry)


def limit_option(name: str) -> Callable[[_F], _F]:
    """How long an execution may take, in seconds; the command gets it as `limit: timedelta | None`."""

    def read(_ctx: click.Context, _param: click.Parameter, seconds: float | None) -> timedelta | None:
        return None if seconds is None else timedelta(seconds=seconds)

    return click.option(
        name,
        "limit",
        metavar="SECONDS",
        type=Seconds(),
        callback=read,
        help="It fails when it runs longer, sleeps and approvals included.",
    )


def given(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """A word that may be left out, but not empty: such is the variable of a script that was never set.

    Raises:
        click.BadParameter: it is empty, or no text.
    """
    if value is not None and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise click.BadParameter(f"{value!a} is no UTF-8: write it in UTF-8") from None
    if value == "" and ctx.get_parameter_source(param.name or "") is not ParameterSource.DEFAULT:
        raise click.BadParameter("it is empty: write it out, or leave the option out")
    return value


def queue_option(command: _F) -> _F:
    """`--queue NAME`, of an execution."""
    return click.option(
        "--queue", metavar="NAME", callback=given, help="Let all of its steps go to the workers that serve this queue."
    )(command)


def tag_option(command: _F) -> _F:
    """`--tag`, as often as there are tags; the command gets them as `tags`."""
    return click.option(
        "--tag", "tags", metavar="TAG", multiple=True, help="A word that its history tells. Again for each."
    )(command)


def json_option(command: _F) -> _F:
    """`--json` for scripts."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")(command)


def execution_argument(command: _F) -> _F:
    """The id of an execution."""
    return click.argument("execution_id", metavar="EXECUTION")(command)


def step_option(command: _F) -> _F:
    """`--step NAME`, where several steps wait."""
    return click.option(
        "--step", metavar="NAME", default="", help="Which step's approval, when several steps of a group wait."
    )(command)


def task_option(command: _F) -> _F:
    """`--task TASK`, of a question that was shown."""
    return click.option(
        "--task",
        "task_id",
        metavar="TASK",
        default="",
        callback=given,
        help="Which question, as `status` tells it: when something else is asked by now, this is refused.",
    )(command)


def signal_id_option(command: _F) -> _F:
    """`--signal-id ID`, so that a command can be repeated."""
    return click.option(
        "--signal-id",
        metavar="ID",
        default="",
        callback=given,
        help="Your own id: sent again with the same id, it counts once.",
    )(command)


def sender_option(command: _F) -> _F:
    """`--by WHO`, of a signal."""
    return click.option(
        "--by", metavar="WHO", envvar="USER", default="", help="Who sends it; recorded. [default: you]"
    )(command)


def who_option(command: _F) -> _F:
    """`--by WHO`."""
    return click.option("--by", metavar="WHO", envvar="USER", default="", help="Who decides; recorded. [default: you]")(
        command
    )
