"""Prints the processes of a sharded archive: {"router": PID, "waiting": PID, ARCHIVE: PID of its daemon, …}. For the test, which kills them."""

from __future__ import annotations

import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "ray"))
import serve  # noqa: E402

if __name__ == "__main__":
    serve.ray.init(address=os.environ["RAY_ADDRESS"], namespace=serve.NAMESPACE, log_to_driver=False)
    states = serve.ray.get([router.state.remote() for router in serve.routers(sys.argv[1])])
    found = {"router": next(pid for pid, listens in states if listens),
             "waiting": next((pid for pid, listens in states if not listens), 0)}
    for shard in serve.read_config(sys.argv[1])["shards"]:
        for replica in shard:
            found[replica["archive"]] = serve.ray.get(serve.actor_of(replica).daemon_pid.remote())
    print(json.dumps(found))
