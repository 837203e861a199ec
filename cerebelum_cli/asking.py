"""Asks whoever sits at the terminal, and lets everything else go on meanwhile."""

from __future__ import annotations

import asyncio
import os
import sys

import click

from cerebelum import CerebelumError, No, PendingApproval, Yes
from cerebelum_cli.output import say

_ANSWERS = {"y": True, "yes": True, "n": False, "no": False, "": False}


class Terminal:
    """Decides approvals as the person at the terminal does. One thing is asked at a time."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def decide(self, request: PendingApproval) -> Yes | No:
        """What the person decides.

        Raises:
            CerebelumError: there is nobody any more.
        """
        async with self._turn:
            say(f"step {request.step} asks for approval ({request.approval_type}): {dict(request.data)}", err=True)
            while (decided := _ANSWERS.get((await _answer(request, "approve? [y/N]: ")).lower())) is None:
                click.echo("answer y or n", err=True)
            if decided:
                return Yes(decided_by="terminal")
            return No(reason=await _answer(request, "reason: "), decided_by="terminal")


async def _answer(request: PendingApproval, question: str) -> str:
    click.echo(question, nl=False, err=True)
    try:
        await _typed(sys.stdin.fileno())
    except asyncio.CancelledError:
        click.echo(err=True)
        raise
    line = os.read(sys.stdin.fileno(), 4096)
    if not line:
        click.echo(err=True)
        raise CerebelumError(f"nobody decided step '{request.step}': the input has ended")
    return line.decode(errors="replace").strip()


async def _typed(terminal: int) -> None:
    """Wait for a line, or the end of all lines. Who reads before there is one cannot be interrupted."""
    loop, there = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(terminal, there.set)
    try:
        await there.wait()
    finally:
        loop.remove_reader(terminal)
