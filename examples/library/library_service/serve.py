"""`python -m library_service.serve [PORT]`: serve until interrupted; without a port, on a free one."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime

from cerebelum_codegen.runtime.rpc import Server
from library_service.service import Library


async def serve(port: int) -> None:
    server = Server([Library(lambda: datetime.now(UTC))])
    await server.start("127.0.0.1", port)
    print(server.port, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
