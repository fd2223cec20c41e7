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
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
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
        #: How often it ended by itself, and what it said last.
        self.endings, self.words = 0, deque(maxlen=2)
        self.process = self.start()
        self.daemon = Daemon(self.socket, timeout=30)
        self.heard = time.monotonic()
        self.was_ready = False
        self.begun = time.monotonic()
        self.model, self.named = "", 0.0
        self.node = ray.get_runtime_context().get_node_id()

    def start(self) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            self.arguments, preexec_fn=end_with_parent, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace")
        threading.Thread(target=self.listen, args=(process,), daemon=True).start()
        return process

    def listen(self, process: "subprocess.Popen[str]") -> None:
        """Brings what a daemon says into the log of this actor."""
        for line in process.stderr or ():
            self.words.append(line.strip())
            print(line, end="", file=sys.stderr, flush=True)

    def trouble(self) -> str:
        """What a daemon said that cannot stay: one that ended five times without an answer."""
        return " ".join(self.words) if self.endings >= 5 and not self.was_ready else ""

    async def ask(self, octets: bytes) -> Tuple[bool, bytes]:
        """The reply, or why there is none."""
        try:
            return True, await self.daemon.ask(octets)
        except Unavailable as failure:
            return False, str(failure).encode()

    async def ping(self) -> Tuple[str, str, str]:
        """The status line of PING, or nothing while the daemon does not answer yet; the model of its vectors; the node of Ray."""
        status, model = await self._ping()
        return status, model, self.node

    async def _ping(self) -> Tuple[str, str]:
        if self.process.poll() is not None:
            # What failed for good, such as an archive that is not there, says so in its log every second.
            self.was_ready = False
            await asyncio.sleep(0 if time.monotonic() - self.begun > 1 else 1)
            if self.process.poll() is not None:
                self.endings += 1
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
        self.heard, self.was_ready, self.endings = now, True, 0
        return answer.decode().strip(), self.model

    def daemon_pid(self) -> int:
        return self.process.pid

    async def parts(self, program: str, count: int) -> List["ray.ObjectRef[CutPart]"]:
        """The cases of this archive, cut anew. The daemon goes on answering."""
        # Beside the event loop, through which questions of other machines come.
        return await asyncio.get_running_loop().run_in_executor(None, self._parts, program, count)

    def _parts(self, program: str, count: int) -> List["ray.ObjectRef[CutPart]"]:
        folder = self.archive + ".cut"
        shutil.rmtree(folder, ignore_errors=True)
        told(program, "export", self.archive, folder, "--with", "fields,report,path", "--settled", "--quiet")
        try:
            generation = figures_of(program, self.archive)["generation"]
            return [ray.put(part) for part in cut(folder, self.archive, count, generation)]
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    async def figures(self, program: str) -> Dict[str, Any]:
        """What `hilum stats` says of the archive."""
        return await asyncio.get_running_loop().run_in_executor(None, figures_of, program, self.archive)

    def key(self) -> Optional[bytes]:
        """The key that names of patients and shifts of dates come from; None where none was needed yet."""
        try:
            with open(self.archive + "/log.key", "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None

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
def fill(
    program: str, archive: str, settings: List[str], keys: List[bytes], wanted: str, parts: "List[ray.ObjectRef[CutPart]]",
) -> int:
    """Makes the archive of a new shard from its parts of the old ones; how many cases it has.

    keys: the `log.key` of the old shards; the first becomes that of the new one. wanted: the id of the model of the old shards.
    """
    folder = archive + ".parts"
    if os.path.exists(archive):
        raise RuntimeError(f"{archive}: something stands here already; name a folder that does not exist yet")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        model = write_joined([ray.get(part) for part in parts], folder)
        told(program, "init", archive, "--model", model, *settings)
        proofs: List[str] = []
        for place, key in enumerate(keys):
            for name in [f"{folder}/key-{place}"] + ([archive + "/log.key"] if place == 0 else []):
                with open(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    file.write(key)
            proofs += ["--settled", f"{folder}/key-{place}"]
        # What the old shards stored is stored as it is: nothing is masked or shifted twice.
        if os.listdir(folder + "/rows"):
            told(program, "import", archive, folder + "/rows", *proofs, "--quiet", "--json")
        figures = figures_of(program, archive)
        if figures["model"] not in ("", wanted):
            raise RuntimeError(f"{archive}: the model that came along is not the one that made the vectors")
        return int(figures["cases"])
    except BaseException:
        shutil.rmtree(archive, ignore_errors=True)
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@ray.remote(num_cpus=0)
def stands(archive: str) -> bool:
    """Whether something stands where an archive is to be made."""
    return os.path.exists(archive)


@ray.remote(num_cpus=0)
def discard(archive: str) -> None:
    """Removes the archive of a new shard that is not needed."""
    shutil.rmtree(archive, ignore_errors=True)


def told(program: str, verb: str, *arguments: str) -> None:
    """Runs `hilum`, and says what it said where it fails."""
    run = subprocess.run([program, verb, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if run.returncode:
        raise RuntimeError(f"hilum {verb} {arguments[0]} ended with {run.returncode}: {run.stderr.strip()[-500:]}")


class ActorReplica:
    """A replica as the router sees it."""

    def __init__(self, actor: Any, timeout: float, socket: str, node: str) -> None:
        self.actor = actor
        #: Where the router runs.
        self.node = node
        self.timeout = timeout
        self.model = ""
        #: Where its daemon runs on this machine, it is asked by its socket. Through the actor takes some milliseconds more.
        self.beside = Daemon(socket, timeout)
        self.is_beside = False

    async def ask(self, octets: bytes) -> bytes:
        if self.is_beside:
            return await self.beside.ask(octets)
        is_there, answer = await self._result(self.actor.ask.remote(octets), self.timeout)
        if not is_there:
            raise Unavailable(answer.decode())
        return answer

    async def ping(self) -> str:
        status, self.model, node = await self._result(self.actor.ping.remote(), 2 * SILENCE)
        self.is_beside = node == self.node
        return status

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
        self.config: Config = {}
        self.loop = asyncio.new_event_loop()
        self.listens = False
        self.node = ray.get_runtime_context().get_node_id()
        self.reload()
        threading.Thread(target=self._run, daemon=True).start()

    def reload(self) -> None:
        """Takes the shards that the configuration names now, all in one step, and whether they are being cut anew."""
        config = read_config(self.path)
        timeout = config.get("timeout_ms", 5000) / 1000
        # What is known of shards that stay is kept.
        if config != self.config:
            self._take(config, timeout)
        # A file, so that a router that is started meanwhile knows it too.
        self.router.frozen = GROWING if os.path.exists(self.path + ".growing") else None
        # A change that came before is answered first, so that whoever cuts the cases has it.
        end = time.monotonic() + timeout
        while self.router.frozen and self.router.changing and time.monotonic() < end:
            time.sleep(0.01)

    def _take(self, config: Config, timeout: float) -> None:
        replicas = [[ActorReplica(actor_of(one), timeout, socket_of(one), self.node) for one in shard]
                    for shard in config["shards"]]
        shards = []
        for shard in replicas:
            made = Shard(shard, hedge=config.get("hedge_ms", 100) / 1000)
            made.asks_down = False
            shards.append(made)
        self.replicas, self.router.shards = replicas, shards
        self.router.writers = {0, os.getuid(), *config.get("writer_uids", [])}
        self.config = config

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
            # The one that waits needs to know little.
            await asyncio.sleep(HEARTBEAT if self.listens else 8 * HEARTBEAT)

    async def _look(self, shard: Shard, place: int, replica: ActorReplica) -> None:
        try:
            answer = await replica.ping()
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


def checked(path: str, is_new: bool = False) -> Config:
    """A configuration whose shards can be started."""
    try:
        config = read_config(path)
    except (OSError, ValueError) as error:
        sys.exit(f"serve: {path}: {error}")
    shards = config.get("shards") if isinstance(config, dict) else None
    replicas = [one for shard in shards for one in shard] if isinstance(shards, list) and all(
        isinstance(shard, list) and shard for shard in shards) else []
    if not replicas or not all(isinstance(one, dict) and str(one.get("archive", "")).startswith("/") for one in replicas):
        sys.exit(f'serve: {path}: "shards" is a list of shards, each a list of {{"archive": "/path"}} with a whole path')
    if not is_new and not str(config.get("socket", "")).startswith("/"):
        sys.exit(f'serve: {path}: "socket" is missing, the whole path where the router listens')
    if len({name_of(one) for one in replicas}) < len(replicas):
        sys.exit(f"serve: {path}: a folder is named twice on one machine")
    return config


def is_stale(marker: str) -> bool:
    """Whether the process that left this mark is gone."""
    try:
        with open(marker) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except OSError:
        return False


def name_of(replica: Dict[str, Any]) -> str:
    return "replica:" + (replica.get("node") or "") + replica["archive"]


def actor_of(replica: Dict[str, Any]) -> Any:
    return ray.get_actor(name_of(replica), namespace=NAMESPACE)


def router_names(path: str) -> List[str]:
    """One that listens, and one that waits."""
    return [f"router:{os.path.abspath(path)}:{number}" for number in (1, 2)]


def routers(path: str) -> List[Any]:
    return [ray.get_actor(name, namespace=NAMESPACE) for name in router_names(path)]


def reload_routers(path: str, seconds: float = 120) -> List[str]:
    """Has every router take what the configuration and the marker say now; the names of those that did not answer.

    One that Ray starts again meanwhile reads both by itself, so it is asked until it answers.
    """
    waiting, end = router_names(path), time.monotonic() + seconds
    while waiting:
        for name in list(waiting):
            try:
                ray.get(ray.get_actor(name, namespace=NAMESPACE).reload.remote(), timeout=30)
                waiting.remove(name)
            except (ValueError, ray.exceptions.RayError):
                continue
        if time.monotonic() > end:
            break
        time.sleep(0.1)
    return waiting


def placement(replica: Dict[str, Any]) -> Dict[str, Any]:
    """Where a replica lives."""
    return {"resources": {f"node:{replica['node']}": 0.001}} if replica.get("node") else {}


def start_replicas(config: Config, shards: List[List[Dict[str, Any]]]) -> None:
    """Starts actors, and waits until each daemon answers, leaders first."""
    there = {name[len("node:"):] for name in ray.cluster_resources() if name.startswith("node:")}
    for one in [config, *(replica for shard in shards for replica in shard)]:
        if one.get("node") and one["node"] not in there:
            names = ", ".join(sorted(there - {"__internal_head__"}))
            raise RuntimeError(f"no machine of this Ray is called {one['node']}; there are {names}")
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
            def answers() -> bool:
                line = ray.get(actor.ping.remote(), timeout=4 * SILENCE)[0]
                if not line and (trouble := ray.get(actor.trouble.remote(), timeout=SILENCE)):
                    ray.kill(actor, no_restart=True)
                    raise RuntimeError(f"{replica['archive']}: its daemon ends again and again: {trouble}")
                return "OK PONG" in line and "unknown" not in line

            wait_for(answers, replica["archive"])


def wait_for(condition: Any, what: str, seconds: float = 600) -> None:
    """Waits until a condition holds."""
    end = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except ray.exceptions.RayError as error:
            # A program that is not there, say; everything else passes.
            if "creation task" in str(error):
                raise RuntimeError(f"{what} cannot be started: {str(error).strip().splitlines()[-1]}") from None
        if time.monotonic() > end:
            raise RuntimeError(f"{what} does not answer after {seconds:.0f} s; see its log")
        time.sleep(0.1)


def start(path: str) -> None:
    config = checked(path)
    start_replicas(config, config["shards"])
    if is_stale(path + ".growing"):
        os.unlink(path + ".growing")
        print("serve: the shards were being cut anew when that ended; changes are taken again", file=sys.stderr)
    # Those that are not there read the configuration when they are started.
    reload_routers(path, seconds=0)
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
    config = checked(path)
    for number, shard in enumerate(config["shards"], 1):
        for replica in shard:
            try:
                answer, model, _ = ray.get(actor_of(replica).ping.remote(), timeout=SILENCE)
            except ValueError:
                answer, model = "not started", ""
            except ray.exceptions.RayError as error:
                answer, model = type(error).__name__, ""
            print(f"shard {number}  {replica['archive']}  {answer or 'silent'}  {model[:12]}")


def grow(path: str, new_path: str) -> None:
    config, wanted = checked(path), checked(new_path, is_new=True)
    program, count = config.get("hilum", "hilum"), len(wanted["shards"])
    old = {name_of(one) for shard in config["shards"] for one in shard}
    if any(name_of(one) in old for shard in wanted["shards"] for one in shard):
        sys.exit("serve: new shards need folders of their own; the old ones go on answering meanwhile")
    firsts = [shard[0] for shard in wanted["shards"]]
    for one in firsts:
        if ray.get(stands.options(**placement(one)).remote(one["archive"])):
            sys.exit(f"serve: {one['archive']}: something stands here already; name folders that do not exist yet")
    leaders = [actor_of(shard[0]) for shard in config["shards"]]
    figures = ray.get([leader.figures.remote(program) for leader in leaders])
    settings = {(one["deid"], one["dates"]) for one in figures}
    if len(settings) > 1:
        sys.exit("serve: the shards have different settings of --deid or --dates; make them alike first (hilum init --set)")
    models = {one["model"] for one in figures if one["model"]}
    if len(models) > 1:
        sys.exit("serve: the shards are searched by different models; let all of them switch, or roll back, first (hilum reembed)")
    deid, dates = settings.pop()
    if deid == "require":
        sys.exit("serve: archives of --deid require cannot be cut anew, as each hides ids by a key of its own")
    marker = path + ".growing"
    # Held as long as this process lives.
    held = open(marker, "w")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit("serve: these shards are being cut anew already")
    made = []
    try:
        if away := reload_routers(path):
            raise RuntimeError(f"{', '.join(away)} does not answer, so it may take changes that nobody would carry")
        parts = ray.get([leader.parts.remote(program, count) for leader in leaders])
        # Made by the export where there was none.
        keys = list(dict.fromkeys(key for key in ray.get([leader.key.remote() for leader in leaders]) if key))
        if len(keys) > 1:
            print("serve: the shards have different keys (log.key), so cases that come from now on name patients and shift dates by the first "
                  "one's: a patient of another shard gets a second name", file=sys.stderr)
        filled = [
            fill.options(**placement(one)).remote(
                program, one["archive"], ["--deid", deid, "--dates", dates], keys, next(iter(models), ""),
                [of[number] for of in parts])
            for number, one in enumerate(firsts)
        ]
        # All of them end before one that failed is told of.
        ray.wait(filled, num_returns=len(filled))
        new, failures = 0, []
        for one, task in zip(firsts, filled):
            try:
                new += ray.get(task)
                made.append(one)
            except ray.exceptions.RayError as failure:
                failures.append(failure)
        if failures:
            raise failures[0]
        # Asked last, so that a case that was stored while they were cut is missed too.
        old_count = sum(one["cases"] for one in ray.get([leader.figures.remote(program) for leader in leaders]))
        if new != old_count:
            raise RuntimeError(
                f"the new shards hold {new} cases and the old ones {old_count}; none may be stored at a shard's own socket "
                "meanwhile, and a case whose picture has no vector (hilum check) is not carried")
        start_replicas(config, wanted["shards"])
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump(dict(config, shards=wanted["shards"]), file, indent=1)
    except BaseException as failure:
        # The old shards are as they were.
        os.unlink(marker)
        if away := reload_routers(path):
            print(f"serve: {', '.join(away)} does not answer and may refuse changes; 'start' once more", file=sys.stderr)
        stop_replicas(wanted["shards"])
        ray.get([discard.options(**placement(one)).remote(one["archive"]) for one in made])
        if not isinstance(failure, (RuntimeError, OSError, ray.exceptions.RayError)):
            raise
        why = getattr(failure, "cause", None) or failure
        sys.exit(f"serve: nothing was switched: {why}")
    os.replace(path + ".new", path)
    # Changes are taken again when nobody sends them to the old shards any more.
    if away := reload_routers(path):
        sys.exit(f"serve: CONFIG names the new shards, but {', '.join(away)} does not answer and may still ask the old ones, which go on; "
                 "changes are refused until 'start' is called")
    os.unlink(marker)
    if away := reload_routers(path):
        print(f"serve: {', '.join(away)} does not answer and may refuse changes; 'start' once more", file=sys.stderr)
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
    config = checked(path)
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
    try:
        ray.init(
            address=os.environ.get("RAY_ADDRESS", "auto"), namespace=NAMESPACE, log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env={"env_vars": {
                "PYTHONPATH": ":".join(filter(None, (HERE, os.environ.get("PYTHONPATH")))), "RAY_USAGE_STATS_ENABLED": "0"}})
    except (ConnectionError, RuntimeError, ray.exceptions.RayError) as error:
        sys.exit(f"serve: no Ray answers, so start it first, with the same RAY_AUTH_MODE (README.md): {error}")
    try:
        commands[arguments[0]](*arguments[1:])
    except (RuntimeError, ValueError, ray.exceptions.RayError) as error:
        sys.exit(f"serve: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
