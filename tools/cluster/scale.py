"""Carries measured costs of a case to archives that nobody has measured. Sources/SCALE.md shows what it prints.

    python3 tools/cluster/scale.py [--program .build/release/hilum] [--vectors 20000]

With --program it measures what a vector takes in memory and on disk, by an archive of drawn vectors; without, it takes what was measured last.
The other costs were measured by the commands that it names. A case is an image and a report: two vectors of 512 numbers. Prices are assumed:
give your own by --core-hour and --gigabyte-month.
"""

from __future__ import annotations

import argparse
import array
import json
import math
import os
import random
import shutil
import struct
import subprocess
import tempfile
from typing import Tuple

DIMENSION = 512
#: What was measured: value, unit, command, where and how.
COSTS = {
    "decode": (27 / 2, "images a second and core", "hilum-bench index", "PNG of 2,000 x 2,000 pixels, 12 bits in 16"),
    "image": (10.5 / 2, "images a second and core", "tools/bench-encoders", "mcr-base in bf16, Zen 4"),
    "report": (15.3 / 2, "reports a second and core", "tools/bench-encoders", "mcr-base in f32, Zen 4"),
    "insert": (200_000 / 19.5 / 2, "vectors a second and core at 200,000", "tools/bench-index", "cos512-200k, Zen 4"),
    "search": (10_800, "searches a second and core at recall 0.99 and 200,000", "tools/bench-index",
               "cos512-200k, queries of the other modality, in process"),
    "memory": (1224, "bytes of memory a vector", "tools/cluster/scale.py --program", "graph_bytes of `hilum stats`"),
    "disk": (3882, "bytes on disk a vector, with its record", "tools/cluster/scale.py --program",
             "file_bytes of `hilum stats`, no report text"),
}
#: Of one machine.
CORES, MEMORY = 32, 256e9
#: Memory that vectors may take of it; the rest is for records, words and the page cache.
SHARE = 0.8


def measure(program: str, count: int) -> Tuple[float, float]:
    """Bytes a vector takes in memory and on disk."""
    folder = tempfile.mkdtemp(prefix="hilum-scale-")
    try:
        draw = random.Random(1)
        head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({count}, {DIMENSION}), }}"
        head += " " * (-(10 + len(head) + 1) % 64) + "\n"
        with open(f"{folder}/v.npy", "wb") as vectors, open(f"{folder}/v.jsonl", "w") as lines:
            vectors.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode())
            for row in range(count):
                vectors.write(array.array("f", [byte - 127.5 for byte in draw.randbytes(DIMENSION)]).tobytes())
                lines.write(json.dumps({"row": row, "id": f"case-{row}", "kind": "image", "view": "PA",
                                        "date": "2020-01-01", "patient": f"p{row // 2}"}) + "\n")
        run = lambda *words: subprocess.run(  # noqa: E731
            [program, *words], cwd=folder, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        run("init", "archive", "--space", "scale", "--dim", str(DIMENSION))
        run("import", "archive", "v.npy", "--quiet")
        stats = json.loads(run("stats", "archive", "--json"))
        return stats["graph_bytes"] / count, stats["file_bytes"] / count
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program")
    parser.add_argument("--vectors", type=int, default=20_000)
    parser.add_argument("--core-hour", type=float, default=0.04, help="of a rented machine")
    parser.add_argument("--gigabyte-month", type=float, default=3.0, help="of its memory")
    given = parser.parse_args()
    cost = {name: value for name, (value, *_) in COSTS.items()}
    if given.program:
        cost["memory"], cost["disk"] = measure(os.path.abspath(given.program), given.vectors)
    print("| cost | measured | by | of |\n| --- | --- | --- | --- |")
    for name, (_, unit, command, what) in COSTS.items():
        print(f"| {name} | {cost[name]:,.4g} {unit} | `{command}` | {what} |")
    print("\n| vectors | 10⁷ | 10⁸ | 10⁹ |\n| --- | --- | --- | --- |")
    sizes = [10**7, 10**8, 10**9]

    def row(name: str, *values: str) -> None:
        print(f"| {name} | " + " | ".join(values) + " |")

    # A graph of n vectors takes about log n steps to insert or to search.
    grown = [math.log(size) / math.log(200_000) for size in sizes]
    cases = [size // 2 for size in sizes]
    encode = [(1 / cost["decode"] + 1 / cost["image"] + 1 / cost["report"]) * count / 3600 for count in cases]
    insert = [size / cost["insert"] * more / 3600 for size, more in zip(sizes, grown)]
    memory = [size * cost["memory"] for size in sizes]
    machines = [max(1, math.ceil(one / (MEMORY * SHARE))) for one in memory]
    row("decode and encode, core hours", *(f"{one:,.0f}" for one in encode))
    row(f"the same on 16 machines of {CORES} cores, days", *(f"{one / CORES / 16 / 24:,.1f}" for one in encode))
    row("the same, once, in money", *(f"{one * given.core_hour:,.0f}" for one in encode))
    row(f"insert into one graph, on {CORES} cores, hours", *(f"{one / CORES:,.1f}" for one in insert))
    row(f"insert, one shard a machine of {CORES} cores, hours",
        *(f"{one / CORES / count:,.1f}" for one, count in zip(insert, machines)))
    row("memory, GB", *(f"{one / 1e9:,.0f}" for one in memory))
    row("on disk without images, GB", *(f"{size * cost['disk'] / 1e9:,.0f}" for size in sizes))
    row(f"machines of {MEMORY / 1e9:.0f} GB, without copies", *(f"{one}" for one in machines))
    row("memory, money a month, without copies", *(f"{one / 1e9 * given.gigabyte_month:,.0f}" for one in memory))
    row("vector searches a second and core of each machine",
        *(f"{cost['search'] * math.log(200_000) / math.log(size / count):,.0f}" for size, count in zip(sizes, machines)))


if __name__ == "__main__":
    main()
