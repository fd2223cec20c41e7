"""A router over daemons by their Unix sockets, without Ray: for one machine, for tests, and to look for a fault.

    python3 sockets.py ROUTER-SOCKET SHARD-1.sock[,COPY.sock] SHARD-2.sock …
"""

from __future__ import annotations

import asyncio
import os
import sys

from lines import Daemon
from router import Router, Shard


async def main(socket: str, shards: "list[str]") -> None:
    router = Router([Shard([Daemon(path) for path in shard.split(",")], hedge=0.1) for shard in shards])
    if os.path.exists(socket):
        os.unlink(socket)
    server = await router.serve(socket)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    try:
        asyncio.run(main(sys.argv[1], sys.argv[2:]))
    except KeyboardInterrupt:
        pass
