"""How long a router takes over many shards: stub daemons that answer after a drawn time, one of them slow, with and without hedging.

    python3 simulate.py [--shards 1,4,16,64] [--questions 200] [--median-ms 5] [--slow-ms 200]

The router is the real one (ray/router.py), and so are sockets, JSON and merging; only the daemons are stubs, in a process of their own. Each
answers after a time drawn from a log-normal distribution (sigma 0.4); the slow one is one of the two replicas of shard 1. Prints a table,
and a JSON line a figure. Everything is drawn with a seed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import re
import shutil
import sys
import tempfile
import time
from typing import Dict, List, Optional

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "ray"))
from lines import Daemon, Request, Argument  # noqa: E402
from router import Router, Shard  # noqa: E402

VECTOR = "f32:" + "AACAPw" + "A" * 680 + "=="
WORDS = b'{"reports":1000000,"length":50000000,"matches":[1000,200000],"unknown":[],"known":true,"demands":true}\nOK\n'


def hits(shard: int, count: int, has_words: bool, draw: random.Random) -> bytes:
    """What a shard gives: candidates of one leg or of both, as large as real ones are."""
    lines = []
    for leg in (0, 1) if has_words else (0,):
        for place in range(count):
            score = draw.random() * 0.1 + 0.9 - place * 0.001
            exact = f'"score":{score:.7f}' + (f',"words":{12 - place * 0.01:.6f},"degree":5' if leg else ',"degree":0')
            legs = '"fused":0.01,"vector":%s,"words":%s,' % (
                ("null", '{"rank":1,"score":9.1}') if leg else ('{"rank":1,"score":0.9}', "null")) if has_words else ""
            lines.append(
                f'{{"rank":{place + 1},"id":"case-{shard}-{leg}-{place}","score":{score:.6f},"via":"report",'
                f'"patient":"p{shard}-{place}","view":"PA","date":"2015-01-01","site":"A","modality":"CR",'
                f'"findings":["effusion left"],{legs}"exact":{{{exact}}}}}')
    return ("\n".join(lines) + f"\nOK hits={len(lines)} gen=1 ef=200 visited=900 us=4000\n").encode()


def stubs(folder: str, shards: int, median: float, slow: float) -> None:
    """Serves two replicas of each shard, until it is ended."""

    async def asked(reader: asyncio.StreamReader) -> bytes:
        try:
            return await reader.readline()
        except ConnectionError:
            return b""

    async def main() -> None:
        for shard in range(shards):
            draw = random.Random(shard)
            kept: Dict[tuple, bytes] = {}
            for replica in range(2):
                is_slow = slow > 0 and shard == 0 and replica == 0

                async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, shard: int = shard,
                                draw: random.Random = draw, kept: Dict[tuple, bytes] = kept, is_slow: bool = is_slow) -> None:
                    while line := await asked(reader):
                        verb = line.split(b" ", 1)[0].strip()
                        # To look words up takes little; EMBED is of one shard.
                        share = {b"SEARCH": 1.0, b"EMBED": 1.0, b"WORDS": 0.2}.get(verb, 0.05)
                        await asyncio.sleep(slow if is_slow else median * share * draw.lognormvariate(0, 0.4))
                        if verb == b"WORDS":
                            writer.write(WORDS)
                        elif verb == b"EMBED":
                            writer.write(b'{"vector":"%s"}\nOK dim=128\n' % VECTOR.encode())
                        elif verb == b"SEARCH":
                            found = re.search(rb" k=(\d+)", line)
                            key = (int(found.group(1)) if found else 10, b" text=" in line)
                            if key not in kept:
                                kept[key] = hits(shard, *key, random.Random(shard))
                            writer.write(kept[key])
                        else:
                            writer.write(b"OK PONG\n")

                await asyncio.start_unix_server(serve, f"{folder}/{shard}-{replica}.sock", limit=1 << 20)
        await asyncio.Event().wait()

    asyncio.run(main())


async def measure(folder: str, shards: int, hedge: Optional[float], request: Request, questions: int) -> List[float]:
    """Seconds of each question, asked one after another."""
    router = Router([
        Shard([Daemon(f"{folder}/{shard}-{replica}.sock") for replica in range(2)], hedge) for shard in range(shards)])
    times = []
    for number in range(questions + 10):
        began = time.perf_counter()
        _, status = await router.answer(request)
        # The first ones connect.
        if number >= 10:
            times.append(time.perf_counter() - began)
        assert f"shards={shards}/{shards}" in status, status
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", default="1,4,16,64")
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--median-ms", type=float, default=5)
    parser.add_argument("--slow-ms", type=float, default=200)
    given = parser.parse_args()
    hybrid = Request("SEARCH", [Argument("text", "left effusion"), Argument("k", "10")])
    vector = Request("SEARCH", [Argument("vec", VECTOR), Argument("k", "10")])
    print(f"{'shards':>6}  {'question':8}  {'slow':>4}  {'hedge':>6}  {'p50':>7}  {'p95':>7}  {'p99':>7}  ms")
    rows = []
    for shards in map(int, given.shards.split(",")):
        for slow in (0.0, given.slow_ms / 1000):
            folder = tempfile.mkdtemp(prefix="hilum-s-", dir="/tmp")
            process = multiprocessing.Process(
                target=stubs, args=(folder, shards, given.median_ms / 1000, slow), daemon=True)
            process.start()
            while not os.path.exists(f"{folder}/{shards - 1}-1.sock"):
                time.sleep(0.01)
            for name, request in (("vector", vector), ("hybrid", hybrid)):
                for hedge in ((None,) if slow == 0 else (None, 4 * given.median_ms / 1000)):
                    times = sorted(asyncio.run(measure(folder, shards, hedge, request, given.questions)))
                    p50, p95, p99 = (times[min(len(times) - 1, int(len(times) * share))] * 1000 for share in (0.5, 0.95, 0.99))
                    shown = "-" if hedge is None else f"{hedge * 1000:.0f}"
                    print(f"{shards:>6}  {name:8}  {'yes' if slow else 'no':>4}  {shown:>6}  {p50:7.1f}  {p95:7.1f}  {p99:7.1f}",
                          flush=True)
                    rows.append({"shards": shards, "question": name, "slow_ms": slow * 1000,
                                 "hedge_ms": None if hedge is None else hedge * 1000, "p50_ms": round(p50, 1),
                                 "p95_ms": round(p95, 1), "p99_ms": round(p99, 1)})
            process.kill()
            process.join()
            shutil.rmtree(folder, ignore_errors=True)
    for row in rows:
        print(json.dumps(row))


if __name__ == "__main__":
    main()
