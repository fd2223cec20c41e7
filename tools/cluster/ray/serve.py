"""Shards and their replicas on the machines of a Ray cluster, behind one Unix socket.

    python3 serve.py start CONFIG            starts what CONFIG names, or what of it does not run, and returns when all of it answers
    python3 serve.py status CONFIG
    python3 serve.py grow CONFIG NEW-CONFIG  cuts the cases anew, over as many shards as NEW-CONFIG has, while the old ones answer
    python3 serve.py stop CONFIG

CONFIG is JSON. The first replica of a shard takes its changes, the others follow it:

    {"socket": "/run/hilum-cases/router.sock", "node": "10.0.0.1", "hilum": "hilum", "hedge_ms": 100,
     "shards": [[{"archive": "/data/shard-1", "node": "10.0.0.1"},
                 {"archive": "/data/copy-1", "node": "10.0.0.2", "follow": "/run/tunnel/shard-1.sock"}], …]}

An actor owns each daemon (hilum serve, or hilum follow). It starts one again that has ended; where a daemon is silent, or the actor itself
dies, Ray starts both again. Of two routers one listens, and the other waits for the lock that the kernel gives back when the first one dies.
Nothing here opens a port of its own; those of Ray belong in a private network, with RAY_AUTH_MODE=token (see README.md).
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from typing import Any, Dict, List, Optional, Tuple

# Ray would tell its makers how it is used; nothing leaves these machines.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
import ray  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from cut import CutPart, cut, write_joined  # noqa: E402
from lines import Daemon, Refused, Reply, Unavailable  # noqa: E402
from router import Router, Shard  # noqa: E402

NAMESPACE = "hilum"
#: A daemon that is silent for so long is started again.
SILENCE = 5.0
#: What is known of a replica's model is at most so old, in seconds.
MODEL_AGE = 2.0
#: What a change is told while cases are cut anew.
GROWING = "the shards are being cut anew; changes are taken again in a while, so ask again later"
#: Between two looks at every replica.
HEARTBEAT = 0.25

Config = Dict[str, Any]


def socket_of(replica: Dict[str, Any]) -> str:
    return replica.get("socket") or replica["archive"] + "/hilum.sock"


def end_with_parent() -> None:
    """The daemon goes with its actor, so that the next one finds the archive free. The archive outlives being killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class DaemonActor:
    """Owns the daemon of one replica."""

    def __init__(self, program: str, replica: Dict[str, Any], leader: Optional[str]) -> None:
        self.archive, self.socket = replica["archive"], socket_of(replica)
        verb = ["serve", self.archive] if leader is None else ["follow", leader, self.archive]
        self.arguments = [program, *verb, "--socket", self.socket, *replica.get("options", [])]
        self.process = self.start()
        self.daemon = Daemon(self.socket, timeout=30)
        self.heard = time.monotonic()
        self.was_ready = False
        self.begun = time.monotonic()
        self.model, self.named = "", 0.0

    def start(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(self.arguments, preexec_fn=end_with_parent, stdin=subprocess.DEVNULL)

    async def ask(self, octets: bytes) -> Tuple[bool, bytes]:
        """The reply, or why there is none."""
        try:
            return True, await self.daemon.ask(octets)
        except Unavailable as failure:
            return False, str(failure).encode()

    async def ping(self) -> Tuple[str, str]:
        """The status line of PING, or nothing while the daemon does not answer yet; and the model of its vectors."""
        if self.process.poll() is not None:
            # What failed for good, such as an archive that is not there, says so in its log every second.
            self.was_ready = False
            await asyncio.sleep(0 if time.monotonic() - self.begun > 1 else 1)
            if self.process.poll() is not None:
                self.process, self.begun = self.start(), time.monotonic()
        try:
            answer = await Daemon(self.socket, timeout=SILENCE).ask(b"PING\n")
        except Unavailable:
            # Opening an archive takes its time, and a follower copies one first.
            if self.was_ready and time.monotonic() - self.heard > SILENCE:
                os._exit(1)
            return "", ""
        now = time.monotonic()
        if now - self.named > MODEL_AGE or not self.model:
            try:
                self.model = Reply.read(await self.daemon.ask(b"HELLO\n")).checked().objects[0]["model"]
                self.named = now
            except (Unavailable, Refused):
                return "", ""
        self.heard, self.was_ready = now, True
        return answer.decode().strip(), self.model

    def daemon_pid(self) -> int:
        return self.process.pid

    def parts(self, program: str, count: int) -> List["ray.ObjectRef[CutPart]"]:
        """The cases of this archive, cut anew. The daemon goes on answering."""
        folder = self.archive + ".cut"
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([program, "export", self.archive, folder, "--with", "fields,report,path", "--quiet"], check=True)
        try:
            return [ray.put(part) for part in cut(folder, self.archive, count)]
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def figures(self, program: str) -> Dict[str, Any]:
        """What `hilum stats` says of the archive."""
        return figures_of(program, self.archive)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


def figures_of(program: str, archive: str) -> Dict[str, Any]:
    """What `hilum stats` says of an archive, which may be served."""
    return json.loads(subprocess.run([program, "stats", archive, "--json"], check=True, stdout=subprocess.PIPE).stdout)


@ray.remote(num_cpus=0)
def fill(program: str, archive: str, settings: List[str], parts: "List[ray.ObjectRef[CutPart]]") -> int:
    """Makes the archive of a new shard from its parts of the old ones; how many cases it has."""
    folder = archive + ".parts"
    shutil.rmtree(folder, ignore_errors=True)
    model = write_joined([ray.get(part) for part in parts], folder)
    subprocess.run([program, "init", archive, "--model", model, *settings], check=True, stdout=subprocess.DEVNULL)
    run = subprocess.run([program, "import", archive, folder + "/rows", "--quiet", "--json"], stdout=subprocess.PIPE)
    if run.returncode:
        raise RuntimeError(f"{archive}: hilum import ended with {run.returncode}")
    shutil.rmtree(folder, ignore_errors=True)
    return int(figures_of(program, archive)["cases"])


class ActorReplica:
    """A replica as the router sees it."""

    def __init__(self, actor: Any, timeout: float) -> None:
        self.actor = actor
        self.timeout = timeout
        self.model = ""

    async def ask(self, octets: bytes) -> bytes:
        is_there, answer = await self._result(self.actor.ask.remote(octets), self.timeout)
        if not is_there:
            raise Unavailable(answer.decode())
        return answer

    async def ping(self) -> Tuple[str, str]:
        return await self._result(self.actor.ping.remote(), 2 * SILENCE)

    @staticmethod
    async def _result(ref: Any, timeout: float) -> Any:
        try:
            return await asyncio.wait_for(asyncio.wrap_future(ref.future()), timeout)
        except (ray.exceptions.RayError, asyncio.TimeoutError) as error:
            raise Unavailable(f"a replica is away ({type(error).__name__})") from None


class RouterActor:
    """Listens on the socket, in a thread with an event loop of its own, and looks after every replica. Of several, one listens."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.router = Router([])
        self.replicas: List[List[ActorReplica]] = []
        self.loop = asyncio.new_event_loop()
        self.listens = False
        self.reload()
        threading.Thread(target=self._run, daemon=True).start()

    def reload(self) -> None:
        """Takes the shards that the configuration names now, all in one step."""
        config = read_config(self.path)
        timeout = config.get("timeout_ms", 5000) / 1000
        replicas = [[ActorReplica(actor_of(one), timeout) for one in shard] for shard in config["shards"]]
        shards = []
        for shard in replicas:
            made = Shard(shard, hedge=config.get("hedge_ms", 100) / 1000)
            made.asks_down = False
            shards.append(made)
        self.replicas, self.router.shards = replicas, shards
        self.router.writers = {0, os.getuid(), *config.get("writer_uids", [])}
        # A file, so that a router that is started meanwhile knows it too.
        self.router.frozen = GROWING if os.path.exists(self.path + ".growing") else None

    def is_up(self) -> Tuple[int, int]:
        return sum(shard.is_up for shard in self.router.shards), len(self.router.shards)

    def state(self) -> Tuple[int, bool]:
        """Its process, and whether it is the one that listens."""
        return os.getpid(), self.listens

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.tasks = [self.loop.create_task(self._watch()), self.loop.create_task(self._listen())]
        self.loop.run_forever()

    async def _listen(self) -> None:
        socket = read_config(self.path)["socket"]
        self.lock = open(socket + ".lock", "w")
        # The kernel frees the lock of a process that dies, so a socket that is there then is that of a dead one.
        await self.loop.run_in_executor(None, fcntl.flock, self.lock, fcntl.LOCK_EX)
        if os.path.exists(socket):
            os.unlink(socket)
        self.server = await self.router.serve(socket)
        os.chmod(socket, 0o660)
        self.listens = True

    async def _watch(self) -> None:
        watched: Dict[int, "asyncio.Task[None]"] = {}
        while True:
            for shard, replicas in zip(self.router.shards, self.replicas):
                for place, replica in enumerate(replicas):
                    task = watched.get(id(replica))
                    if task is None or task.done():
                        watched[id(replica)] = self.loop.create_task(self._look(shard, place, replica))
            await asyncio.sleep(HEARTBEAT)

    async def _look(self, shard: Shard, place: int, replica: ActorReplica) -> None:
        try:
            answer, replica.model = await replica.ping()
        except Unavailable:
            answer = ""
        # Vectors of two models cannot be compared: those of fewer replicas wait until theirs are the more.
        models = [one.model for shard in self.replicas for one in shard if one.model]
        is_common = not models or replica.model == max(sorted(set(models)), key=models.count)
        # A copy that has never reached its leader knows less than it should.
        shard.note(place, answer.startswith("OK PONG") and "lag=unknown" not in answer and is_common)


# MARK: Commands


def read_config(path: str) -> Config:
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def name_of(replica: Dict[str, Any]) -> str:
    return "replica:" + (replica.get("node") or "") + replica["archive"]


def actor_of(replica: Dict[str, Any]) -> Any:
    return ray.get_actor(name_of(replica), namespace=NAMESPACE)


def router_names(path: str) -> List[str]:
    """One that listens, and one that waits."""
    return [f"router:{os.path.abspath(path)}:{number}" for number in (1, 2)]


def routers(path: str) -> List[Any]:
    return [ray.get_actor(name, namespace=NAMESPACE) for name in router_names(path)]


def placement(replica: Dict[str, Any]) -> Dict[str, Any]:
    """Where a replica lives."""
    return {"resources": {f"node:{replica['node']}": 0.001}} if replica.get("node") else {}


def start_replicas(config: Config, shards: List[List[Dict[str, Any]]]) -> None:
    """Starts actors, and waits until each daemon answers, leaders first."""
    for turn in (0, 1):
        begun = []
        for shard in shards:
            for replica in shard[:1] if turn == 0 else shard[1:]:
                leader = None if turn == 0 else replica.get("follow") or socket_of(shard[0])
                actor = ray.remote(DaemonActor).options(
                    name=name_of(replica), namespace=NAMESPACE, lifetime="detached", get_if_exists=True, max_restarts=-1,
                    max_concurrency=200, num_cpus=0, **placement(replica),
                ).remote(config.get("hilum", "hilum"), replica, leader)
                begun.append((replica, actor))
        for replica, actor in begun:
            wait_for(lambda: "OK PONG" in (line := ray.get(actor.ping.remote())[0]) and "unknown" not in line,
                     replica["archive"])


def wait_for(condition: Any, what: str, seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except ray.exceptions.RayError:
            pass
        if time.monotonic() > end:
            sys.exit(f"serve: {what} does not answer after {seconds:.0f} s; see its log")
        time.sleep(0.1)


def start(path: str) -> None:
    config = read_config(path)
    start_replicas(config, config["shards"])
    begun = [
        ray.remote(RouterActor).options(
            name=name, namespace=NAMESPACE, lifetime="detached", get_if_exists=True, max_restarts=-1, max_concurrency=8,
            num_cpus=0, **placement(config),
        ).remote(os.path.abspath(path)) for name in router_names(path)
    ]
    for router in begun:
        wait_for(lambda: ray.get(router.is_up.remote()) == (len(config["shards"]),) * 2, "the router")
    wait_for(lambda: any(ray.get(router.state.remote())[1] for router in begun), "the router's socket")
    print(f"{len(config['shards'])} shards at {config['socket']}")


def status(path: str) -> None:
    config = read_config(path)
    for number, shard in enumerate(config["shards"], 1):
        for replica in shard:
            try:
                answer, model = ray.get(actor_of(replica).ping.remote(), timeout=SILENCE)
            except (ray.exceptions.RayError, ValueError) as error:
                answer, model = type(error).__name__, ""
            print(f"shard {number}  {replica['archive']}  {answer or 'silent'}  {model[:12]}")


def grow(path: str, new_path: str) -> None:
    config, wanted = read_config(path), read_config(new_path)
    program, count = config.get("hilum", "hilum"), len(wanted["shards"])
    old = {name_of(one) for shard in config["shards"] for one in shard}
    if any(name_of(one) in old for shard in wanted["shards"] for one in shard):
        sys.exit("serve: new shards need folders of their own; the old ones go on answering meanwhile")
    leaders = [actor_of(shard[0]) for shard in config["shards"]]
    settings = {(one["deid"], one["dates"]) for one in ray.get([leader.figures.remote(program) for leader in leaders])}
    if len(settings) > 1:
        sys.exit("serve: the shards have different settings of --deid or --dates; make them alike first (hilum init --set)")
    deid, dates = settings.pop()
    if deid == "require":
        sys.exit("serve: archives of --deid require cannot be cut anew, as each hides ids by a key of its own")
    marker = path + ".growing"
    open(marker, "w").close()
    ray.get([router.reload.remote() for router in routers(path)])
    try:
        parts = ray.get([leader.parts.remote(program, count) for leader in leaders])
        filled = [
            fill.options(**placement(shard[0])).remote(
                program, shard[0]["archive"], ["--deid", deid, "--dates", dates], [of[number] for of in parts])
            for number, shard in enumerate(wanted["shards"])
        ]
        new = sum(ray.get(filled))
        # Asked last, so that a case that was stored while they were cut is missed too.
        old_count = sum(one["cases"] for one in ray.get([leader.figures.remote(program) for leader in leaders]))
        if new != old_count:
            raise RuntimeError(
                f"the new shards hold {new} cases and the old ones {old_count}, so nothing was switched; cases that no vector stands "
                "for (reports without a known word) are not carried, and none may be stored at a shard's own socket meanwhile")
        start_replicas(config, wanted["shards"])
    except BaseException:
        # The old shards are as they were.
        os.unlink(marker)
        ray.get([router.reload.remote() for router in routers(path)])
        raise
    grown = dict(config, shards=wanted["shards"])
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(grown, file, indent=1)
    os.replace(path + ".new", path)
    os.unlink(marker)
    ray.get([router.reload.remote() for router in routers(path)])
    # Questions that were under way end first.
    time.sleep(2)
    stop_replicas(config["shards"])
    print(f"{count} shards at {config['socket']}; the former archives are left as they were")


def stop_replicas(shards: List[List[Dict[str, Any]]]) -> None:
    for replica in [one for shard in shards for one in reversed(shard)]:
        try:
            actor = actor_of(replica)
            ray.get(actor.stop.remote(), timeout=30)
            ray.kill(actor, no_restart=True)
        except (ray.exceptions.RayError, ValueError):
            continue


def stop(path: str) -> None:
    config = read_config(path)
    # The one that waits goes first.
    for name in sorted(router_names(path), reverse=True):
        try:
            ray.kill(ray.get_actor(name, namespace=NAMESPACE), no_restart=True)
        except ValueError:
            continue
    stop_replicas(config["shards"])
    for name in (config["socket"], config["socket"] + ".lock"):
        if os.path.exists(name):
            os.unlink(name)


def main(arguments: List[str]) -> None:
    commands = {"start": start, "status": status, "grow": grow, "stop": stop}
    if len(arguments) < 2 or arguments[0] not in commands or len(arguments) != (3 if arguments[0] == "grow" else 2):
        sys.exit(__doc__)
    # Workers find these modules where they lie here: the repository stands at one path on every machine.
    ray.init(
        address=os.environ.get("RAY_ADDRESS", "auto"), namespace=NAMESPACE, log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": HERE, "RAY_USAGE_STATS_ENABLED": "0"}})
    commands[arguments[0]](*arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
