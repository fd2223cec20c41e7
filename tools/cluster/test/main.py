"""Starts Slurm, HAProxy and Ray on this one machine, kills a part of each, and ends with its figures. See tools/cluster-test."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
import traceback
from typing import List

import copies_part
import shards_part
import slurm_part
from world import Failure, World

PARTS = ("slurm", "copies", "shards")


def draw(world: World) -> "tuple[List[str], List[str]]":
    """Draws cases, in the order of their ids, and some few of them by themselves; their ids and questions about them."""
    world.run("phantom", world.path("cases"), "--count", str(world.cases), "--seed", "15", "--side", "64", "--quiet")
    manifest = world.path("cases", "cases.jsonl")
    with open(manifest, encoding="utf-8") as file:
        rows = sorted((json.loads(line) for line in file), key=lambda row: row["id"])
    with open(manifest, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    world.run("phantom", world.path("few"), "--count", "40", "--seed", "16", "--side", "64", "--quiet")
    findings = sorted({finding for row in rows[:400] for finding in row.get("findings", [])})
    texts = [text for one in findings for text in (one, f"{one} right", f"no {one}")]
    for row in rows[:: max(1, len(rows) // 60)]:
        with open(world.path("cases", row["report_file"]), encoding="utf-8") as file:
            texts.append(" ".join(file.read().split()[:12]))
    return [row["id"] for row in rows], texts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True)
    parser.add_argument("--cases", type=int)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default=",".join(PARTS), help="parts of the test, with commas: slurm,copies,shards")
    parser.add_argument("--keep", action="store_true", help="leaves the folder there")
    given = parser.parse_args()
    cases = given.cases or (300 if given.quick else 20_000)
    world = World(given.program, cases, 40 if given.quick else 500, 4 if given.quick else 16, given.quick)
    began, status = time.monotonic(), 1
    try:
        ids, texts = draw(world)
        print(f"{cases} cases drawn in {time.monotonic() - began:.0f} s", file=sys.stderr)
        only = given.only.split(",")
        if "slurm" in only:
            slurm_part.run(world)
        else:
            for name in ("merged", "single"):
                world.run("embed", "--manifest", world.path("cases", "cases.jsonl"), "--with", "fields,report,path", "--quiet",
                          "--out", world.path("whole.npy"), "--force")
                world.run("init", world.path(name))
                world.run("import", world.path(name), world.path("whole.npy"), "--quiet")
        if "copies" in only:
            copies_part.run(world, texts)
        if "shards" in only:
            shards_part.run(world, ids, texts)
        status = 0 if all(one["holds"] for one in world.figures) else 1
    except Failure as failure:
        print(f"cluster-test: {failure}", file=sys.stderr)
    except Exception:
        traceback.print_exc()
    finally:
        world.figure("seconds in all", round(time.monotonic() - began), "measured", True)
        world.close(given.keep or (status != 0 and bool(os.environ.get("HILUM_KEEP"))))
    for one in world.figures:
        print(json.dumps(one, ensure_ascii=False))
    return status


if __name__ == "__main__":
    sys.exit(main())
