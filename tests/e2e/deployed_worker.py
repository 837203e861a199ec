"""Runs in an environment of its own, where `cerebelum` is the deployed SDK 0.3.1, unmodified.

It starts one execution on the Core at the address given and serves as its worker until it is killed.
"""

import asyncio
import sys

from cerebelum.dsl.async_helpers import wait_for_approval

from cerebelum import sleep, step, workflow


@step
async def prepare(context, inputs):
    return {"ok": {"order": inputs["order"], "note": "prepared"}}


@step
async def cool_down(context, prepare):
    await sleep(300, data={"slept_for": prepare["order"]})
    return {"ok": "a deployed worker never comes here: it cannot go on after a sleep"}


@step
async def confirm(context, inputs):
    if "answer" in inputs:
        return {"ok": {"confirmed": inputs["answer"]}}
    return await wait_for_approval("manual", data={"order": inputs["order"]})


@workflow
def deployed_order(wf):
    wf.timeline(prepare >> cool_down >> confirm)


deployed_order.core_url = sys.argv[1]
asyncio.run(deployed_order.execute({"order": 7}, distributed=True))
