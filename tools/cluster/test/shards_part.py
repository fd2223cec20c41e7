"""Shards on Ray: the same answers as one archive, kills, and growing while questions are asked."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from typing import Any, Dict, List, Optional, Tuple


from world import CLUSTER, HERE, Asking, Failure, World, answers, hilum, line, until

SERVE = os.path.join(CLUSTER, "ray", "serve.py")


class Cluster:
    """Ray on this machine, with tokens, in a process group of its own."""

    def __init__(self, world: World) -> None:
        self.world = world
        token = os.urandom(32).hex()
        self.environment = dict(
            os.environ, RAY_USAGE_STATS_ENABLED="0", RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=token, RAY_worker_niceness="0",
            PATH=f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}")
        folder = world.path("r")
        self.process = world.start(
            os.path.join(os.path.dirname(sys.executable), "ray"), "start", "--head", "--block", "--port=0", "--num-cpus=2",
            "--object-store-memory=150000000", "--include-dashboard=false", "--disable-usage-stats",
            f"--temp-dir={folder}", log="ray", env=self.environment)
        address = os.path.join(folder, "ray_current_cluster")
        until(lambda: os.path.exists(address) and os.path.getsize(address), "ray", 120)
        with open(address) as file:
            self.environment["RAY_ADDRESS"] = file.read().strip()

    def serve(self, *arguments: str) -> str:
        return self.python(SERVE, *arguments)

    def python(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment)
        if done.returncode:
            raise Failure(f"{os.path.basename(arguments[0])} {arguments[1]}: {done.stdout[-500:]} {done.stderr[-1500:]}")
        return done.stdout

    def pids(self, config: str) -> Dict[str, int]:
        """The processes of the router and of each daemon."""
        return json.loads(self.python(os.path.join(HERE, "pids.py"), config))


def kill_meanwhile(config: str, routers: Dict[str, int]) -> None:
    """Kills the router that waits when cases begin to be cut anew, and the one that listens when the new shards are named."""

    def is_named() -> bool:
        with open(config, encoding="utf-8") as file:
            return "grown-1" in file.read()

    until(lambda: os.path.exists(config + ".growing"), "the mark of growing", 120, pause=0.002)
    os.kill(routers["waiting"], signal.SIGKILL)
    until(is_named, "the new shards' names", 600, pause=0.002)
    os.kill(routers["router"], signal.SIGKILL)


def questions(world: World, ids: List[str], texts: List[str], count: int) -> List[Tuple[str, Dict[str, Any]]]:
    """Questions of every kind, drawn with a seed."""
    draw = random.Random(15)
    found: List[Tuple[str, Dict[str, Any]]] = []
    for number in range(count):
        kind = number % 8
        text, id = draw.choice(texts), draw.choice(ids)
        if kind < 3:
            found.append(("text", {"text": text}))
        elif kind == 3:
            found.append(("words", {"text": text, "mode": "words"}))
        elif kind == 4:
            found.append(("vector", {"text": text, "mode": "vector"}))
        elif kind == 5:
            found.append(("id", {"id": id, "include_self": number % 16 == 5}))
        elif kind == 6:
            found.append(("filter", {"text": text, "where": {"view": draw.choice(["PA", "AP"])}}))
        else:
            with open(world.path("cases", "images", f"{id}.png"), "rb") as file:
                found.append(("image", {"image": file.read(), "target": draw.choice(["case", "report"])}))
    return found


def ids_of(client: "hilum.Client", options: Dict[str, Any], exact: bool, k: int = 10) -> List[str]:
    return [hit.id for hit in client.search(k=k, exact=exact, **options)]


def compare(one: str, shards: str, asked: List[Tuple[str, Dict[str, Any]]]) -> Tuple[int, float, Dict[str, int]]:
    """Identical answers in exact mode, recall of the usual mode, and what differed by kind."""
    same, recall, differing = 0, 0.0, {}
    with hilum.Client(one) as left, hilum.Client(shards) as right:
        for kind, options in asked:
            wanted = ids_of(left, options, True)
            if wanted == ids_of(right, options, True):
                same += 1
            else:
                differing[kind] = differing.get(kind, 0) + 1
            usual = ids_of(right, options, False)
            recall += len(set(wanted) & set(usual)) / len(wanted) if wanted else not usual
    return same, recall / len(asked), differing


def roll_back(world: World, archive: str, shard: int, count: int) -> None:
    """Switches an archive to another model and back, so that its newest model is not the one that is searched."""
    model = world.path("other-model")
    parts = [world.path("new-parts", f"part-{part}-of-{world.parts}.npy") for part in range(shard, world.parts + 1, count)]
    if not os.path.exists(parts[0]):
        world.run("train", "--data", world.path("few"), "--init", "builtin", "--out", model, "--steps", "1", "--batch", "2",
                  "--quiet")
        parts = [world.path(f"new-part-{shard}.npy")]
        world.run("embed", "--manifest", world.path("cases", "cases.jsonl"), "--shard", f"{shard}/{count}", "--model", model,
                  "--with", "fields,report,path", "--out", parts[0], "--quiet")
    world.run("import", archive, *parts, "--generation", "next", "--model", model, "--shard", "--quiet")
    for turn in ("--switch", "--rollback"):
        world.run("reembed", archive, turn)


def model_of(world: World, archive: str) -> str:
    return json.loads(world.run("stats", archive, "--json"))["model"]


def run(world: World, ids: List[str], texts: List[str]) -> None:
    cluster = Cluster(world)
    count = 2 if world.is_quick else 4
    for shard in range(1, count + 1):
        archive = world.path(f"shard-{shard}")
        # The parts that Slurm made are cut by the same hash: of 16, every fourth belongs to one shard of four.
        parts = [world.path("parts", f"part-{part}-of-{world.parts}.npy") for part in range(shard, world.parts + 1, count)]
        if not os.path.exists(parts[0]):
            parts = [world.path(f"part-{shard}.npy")]
            world.run("embed", "--manifest", world.path("cases", "cases.jsonl"), "--shard", f"{shard}/{count}",
                      "--with", "fields,report,path", "--out", parts[0], "--quiet")
        world.run("init", archive)
        world.run("import", archive, *parts, "--shard", "--quiet")
        if shard == count:
            roll_back(world, archive, shard, count)
    shards: List[List[Dict[str, str]]] = [[{"archive": world.path(f"shard-{shard}")}] for shard in range(1, count + 1)]
    shards[0].append({"archive": world.path("shard-1-copy")})
    config, router = world.path("shards.json"), world.path("router.sock")
    with open(config, "w") as file:
        json.dump({"socket": router, "hilum": world.program, "hedge_ms": 500, "shards": shards}, file)
    began = time.monotonic()
    cluster.serve("start", config)
    world.figure("shards and router started, seconds", round(time.monotonic() - began, 1), "measured", True)

    one = world.path("one.sock")
    whole = world.start(world.program, "serve", world.path("single"), "--socket", one, log="one")
    until(lambda: answers(one), "the one archive")
    asked = questions(world, ids, texts, world.questions)
    same, recall, differing = compare(one, router, asked)
    world.figure(f"questions with identical ids in {count} shards and in one archive (exact)", f"{same}/{len(asked)}",
                 f"{len(asked)}/{len(asked)}" + (f", differing: {differing}" if differing else ""), same == len(asked))
    world.figure("recall@10 of the usual mode against the exact answer of one archive", round(recall, 4), ">= 0.99",
                 recall >= 0.99)
    world.figure("median of a question, ms: one archive, router", medians(one, router, texts), "measured", True)

    def killed(name: str, what: str, is_alone: bool) -> None:
        """Kills a process, and asks until everything is as it was."""
        before = cluster.pids(config)
        with Asking(router, texts) as asking:
            time.sleep(1)
            os.kill(before[name], signal.SIGKILL)
            began = time.monotonic()
            time.sleep(0.3)
            whole_again = f"shards={count}/{count}"
            until(lambda: whole_again in line(router, "COUNT", timeout=5)[1] and whole_again in line(router, "PING")[1],
                  f"{what}, back", 60)
            back = time.monotonic() - began
            time.sleep(0.5)
        world.figure(f"{what} killed: back after seconds", round(back, 2), "<= 5", back <= 5)
        world.figure(f"{what} killed: questions failed, partial, asked",
                     f"{asking.failed}, {asking.partial}, {asking.asked}",
                     "0 failed" + ("" if is_alone else ", 0 partial"),
                     asking.failed == 0 and (is_alone or asking.partial == 0))

    killed(shards[0][0]["archive"], "daemon of a shard with a copy", False)
    killed(shards[1][0]["archive"], "daemon of a shard alone", True)
    killed("router", "router", False)

    # A shard that is silent for a while: what the others know is said, and that it is not all.
    pid = cluster.pids(config)[shards[1][0]["archive"]]
    os.kill(pid, signal.SIGSTOP)
    seen = until(lambda: f"shards={count - 1}/{count}" in line(router, "COUNT", timeout=30)[1], "an answer without it", 60)
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        # Ray has started both anew already.
        pass
    until(lambda: f"shards={count}/{count}" in line(router, "COUNT", timeout=30)[1], "the silent shard, back", 60)
    world.figure("a silent shard is left out, and that is said, after seconds", round(seen, 1), "measured", True)

    # Changes go to the shard of the id, and its copy follows.
    with hilum.Client(router) as client:
        for number in range(12):
            client.put(f"put-{number}", report="Large right pneumothorax.", view="PA")
        found = [client.get(f"put-{number}").id for number in range(12)]
        for number in range(12):
            client.delete(f"put-{number}")
    world.figure("cases stored, found and deleted through the router", len(found), "12", len(found) == 12)

    # Cases that no vector stands for are carried too.
    bare = [f"bare-{number}" for number in range(6)]
    with hilum.Client(router) as client:
        for id in bare:
            client.put(id, report=f"Quuxzyzzy {id}.", view="PA")
        # A copy may be asked, which has them half a second later.
        stored = len(ids) + len(bare)
        until(lambda: client.count() == stored, "the cases without a vector")
    wanted = count + 1
    grown = world.path("grown.json")
    with open(grown, "w") as file:
        json.dump({"shards": [[{"archive": world.path(f"grown-{shard}")}] for shard in range(1, wanted + 1)]}, file)
    routers = cluster.pids(config)
    killing = threading.Thread(target=kill_meanwhile, args=(config, routers), daemon=True)
    with Asking(router, texts) as asking:
        began = time.monotonic()
        killing.start()
        cluster.serve("grow", config, grown)
        seconds = time.monotonic() - began
        killing.join(60)
        until(lambda: f"shards={wanted}/{wanted}" in line(router, "PING")[1], "the new shards")
        time.sleep(0.5)
    world.figure(f"from {count} to {wanted} shards while serving, seconds", round(seconds, 1), "measured", True)
    world.figure("questions meanwhile failed, partial, asked", f"{asking.failed}, {asking.partial}, {asking.asked}",
                 "0 failed, and partial only where it is said", asking.failed == 0)
    models = {model_of(world, world.path(f"grown-{shard}")) for shard in range(1, wanted + 1)}
    world.figure("new shards have the model that is searched, after one was rolled back", len(models), "1",
                 models == {model_of(world, world.path("single"))})
    now = cluster.pids(config)
    world.figure("routers killed while the shards were cut anew, and at the switch", len({routers["router"], routers["waiting"]}
                 - {now["router"], now["waiting"]}), "2", not {routers["router"], routers["waiting"]} & {now["router"], now["waiting"]})
    with hilum.Client(router) as client:
        carried = [client.get(id, include="report").report for id in bare]
        found = {hit.id for hit in client.search("quuxzyzzy", mode="words", k=20)}
        after = client.count()
        for id in bare:
            client.delete(id)
    world.figure("cases after growing, of them without a vector", f"{after}, {len(found & set(bare))}", f"{stored}, {len(bare)}",
                 after == stored and found == set(bare) and carried == [f"Quuxzyzzy {id}." for id in bare])
    same, recall, differing = compare(one, router, asked)
    world.figure(f"questions with identical ids in {wanted} shards and in one archive (exact)", f"{same}/{len(asked)}",
                 f"{len(asked)}/{len(asked)}" + (f", differing: {differing}" if differing else ""), same == len(asked))
    world.figure("recall@10 after growing", round(recall, 4), ">= 0.99", recall >= 0.99)

    # The same bulk embedding as on Slurm, by Ray.
    said = cluster.python(
        os.path.join(CLUSTER, "ray", "embed.py"), world.path("few", "cases.jsonl"), world.path("ray-parts"),
        prepared(world), "--shards", "3", "--hilum", world.program)
    stats = json.loads(world.run("stats", world.path("by-ray"), "--json"))
    with open(world.path("few", "cases.jsonl"), encoding="utf-8") as file:
        few = sum(1 for _ in file)
    world.figure("cases embedded by ray/embed.py", stats["cases"], str(few), stats["cases"] == few)
    cluster.serve("stop", config)
    world.kill(whole, signal.SIGTERM)


def prepared(world: World) -> str:
    world.run("init", world.path("by-ray"))
    return world.path("by-ray")


def medians(one: str, router: str, texts: List[str]) -> str:
    found = []
    for socket in (one, router):
        times = []
        with hilum.Client(socket) as client:
            for text in texts[:60]:
                began = time.perf_counter()
                client.search(text, k=10)
                times.append(time.perf_counter() - began)
        found.append(f"{sorted(times)[len(times) // 2] * 1000:.1f}")
    return ", ".join(found)
