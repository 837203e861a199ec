"""A worker's talk with a Core that has no streams: one call a poll, one a result."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from cerebelum.hands import Hands, untakable
from cerebelum_client import Backoff, ClientError, Core, CoreUnavailable, InvalidRequest, NotFound
from cerebelum_proto.worker import worker_service_pb as pb

_POLL_MS = 20_000
_log = logging.getLogger(__name__)


class Polling:
    """Polls, runs and hands in, until it is cancelled."""

    def __init__(
        self,
        core: Core,
        hands: Hands,
        announce: Callable[[], Awaitable[pb.RegisterRequest]],
        chance: Callable[[], float],
    ) -> None:
        self._core = core
        self._hands = hands
        self._announce = announce
        self._chance = chance
        self._registered = asyncio.Event()
        self._must_register = asyncio.Event()
        self._leaving = False
        self._beating: list[str] = []
        self._prompted = asyncio.Event()
        self._heartbeat_s = 10.0

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Work until cancelled.

        Raises:
            DefinitionError: the Core refuses one of the workflows.
        """
        self._must_register.set()
        works = [self._keep_registered(on_ready), self._keep_leases(), *(self._poll() for _ in range(self._hands.room))]
        tasks = [asyncio.create_task(work) for work in works]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def leave(self) -> None:
        """Take no more tasks."""
        self._leaving = True

    # -- the session -------------------------------------------------------------------------

    async def _keep_registered(self, on_ready: Callable[[], None]) -> None:
        """Register whenever it is needed, and say each time what this worker still holds."""
        pauses = Backoff().pauses(self._chance)
        while True:
            await self._must_register.wait()
            try:
                response = await self._core.workers.register(await self._announce())
            except CoreUnavailable as error:
                _log.info("%s; trying again", error)
                await asyncio.sleep(next(pauses))
                continue
            self._heartbeat_s = max(response.heartbeat_interval_ms, 100) / 1000
            self._hands.lose(response.lost_task_ids)
            self._hands.stop(response.cancelled_task_ids)
            pauses = Backoff().pauses(self._chance)
            self._must_register.clear()
            self._registered.set()
            on_ready()

    def _register_again(self) -> None:
        self._registered.clear()
        self._must_register.set()

    async def _keep_leases(self) -> None:
        while True:
            await self._registered.wait()  # which tells how often
            with suppress(TimeoutError):
                async with asyncio.timeout(self._heartbeat_s):
                    await self._prompted.wait()
            self._prompted.clear()
            await self._beat()

    async def _beat(self) -> None:
        """Renew the leases of everything held, and stop what is lost."""
        held = self._hands.task_ids
        status = pb.WorkerStatus.BUSY if held else pb.WorkerStatus.IDLE
        beating, self._beating = self._beating, []
        request = pb.HeartbeatRequest(
            worker_id=self._hands.worker_id, status=status, held_task_ids=held, beating_task_ids=beating
        )
        try:
            response = await self._core.workers.heartbeat(request)
        except ClientError as error:
            _log.info("no heartbeat: %s", error)
            self._register_again()
            return
        if "register" in response.commands:
            self._register_again()
        self._hands.lose(response.lost_task_ids)
        self._hands.stop(response.cancelled_task_ids)

    async def _step_heartbeat(self) -> None:
        await self._beat()
        await asyncio.sleep(0)

    def _pass_on(self, task_id: str) -> None:
        self._beating.append(task_id)
        self._prompted.set()

    # -- tasks -------------------------------------------------------------------------------

    async def _poll(self) -> None:
        pauses = Backoff().pauses(self._chance)
        while not self._leaving:
            await self._registered.wait()
            try:
                task = await self._core.workers.poll(self._hands.worker_id, _POLL_MS)
            except (CoreUnavailable, NotFound):
                self._register_again()
                continue
            except ClientError as error:
                _log.warning("polling failed: %s", error)
                await asyncio.sleep(next(pauses))
                continue
            pauses = Backoff().pauses(self._chance)
            if task.task_id:
                await self._perform(task)

    async def _perform(self, task: pb.Task) -> None:
        ended = asyncio.Event()
        held = self._hands.run(task, self._step_heartbeat, self._pass_on, lambda _: ended.set())
        if held is None:
            return  # whoever runs it hands it in
        try:
            await ended.wait()
            if held.result is not None:
                await self._hand_in(held.result)
        finally:
            self._hands.let_go(held)

    async def _hand_in(self, result: pb.TaskResult) -> None:
        """Hand in a result until the Core has taken it. On a stream it need not say whose it is."""
        while True:
            result.worker_id = self._hands.worker_id
            await self._registered.wait()
            try:
                ack = await self._core.workers.submit_result(result)
            except CoreUnavailable:
                self._register_again()
            except InvalidRequest as error:
                if result.status is pb.TaskStatus.FAILED:
                    _log.error("the Core cannot take the result of %s: %s", result.task_id, error)
                    return
                result = untakable(result, error)
            except ClientError as error:
                _log.error("the result of %s is tried again: %s", result.task_id, error)
                await asyncio.sleep(1)
            else:
                if ack.outcome is pb.ResultOutcome.RESULT_OUTCOME_STALE:
                    _log.warning("%s", ack.message)
                return
