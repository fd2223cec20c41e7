"""Embeds a data set on all machines of a Ray cluster and brings the vectors into an archive: slurm/ for sites without Slurm.

    python3 embed.py MANIFEST PARTS ARCHIVE [--shards 16] [--model MODEL] [--generation next] [--hilum PROGRAM]

MANIFEST and PARTS lie on a disk that all machines see, and ARCHIVE where this runs. Each part is a task; one whose machine dies is tried
again elsewhere. A part that is there and whole is not made twice, so call it again after whatever went wrong. Without --generation the
archive gets the cases; with it, stored cases get vectors of MODEL beside their present ones, and one transaction switches.
"""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys

# Ray would tell its makers how it is used; nothing leaves these machines.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
import ray  # noqa: E402


@ray.remote(max_retries=-1, num_cpus=1)
def embed(program: str, manifest: str, part: str, shard: str, model: str) -> int:
    """Makes one part; 3 where some of its images cannot be read, each named in the log of the task."""
    run = subprocess.run(
        [program, "embed", "--manifest", manifest, "--shard", shard, "--model", model, "--with", "fields,report,path",
         "--out", part, "--quiet"], env=dict(os.environ, OMP_NUM_THREADS="1"))
    if run.returncode not in (0, 3):
        raise RuntimeError(f"{shard}: hilum embed ended with {run.returncode}")
    return run.returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("manifest", "parts", "archive"):
        parser.add_argument(name)
    parser.add_argument("--shards", type=int, default=16)
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--generation", choices=["next"])
    parser.add_argument("--hilum", default="hilum")
    given = parser.parse_args()
    # Before hours of computing.
    if not os.path.exists(given.manifest):
        parser.error(f"{given.manifest}: there is no such manifest here")
    if not os.path.exists(given.archive + "/data.mdb"):
        parser.error(f"{given.archive}: there is no archive here; make one with hilum init")
    try:
        ray.init(address=os.environ.get("RAY_ADDRESS", "auto"), logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ray.exceptions.RayError) as error:
        sys.exit(f"embed: no Ray answers, so start it first, with the same RAY_AUTH_MODE (README.md): {error}")
    os.makedirs(given.parts, exist_ok=True)
    folder, count = os.path.abspath(given.parts), given.shards
    parts = [f"{folder}/part-{number}-of-{count}.npy" for number in range(1, count + 1)]
    try:
        codes = ray.get([
            embed.remote(given.hilum, os.path.abspath(given.manifest), part, f"{number}/{count}", given.model)
            for number, part in enumerate(parts, 1)
        ])
    except ray.exceptions.RayTaskError as error:
        sys.exit(f"embed: part {error.cause}; what it said stands above. Parts that are done stay: call the same again")
    beside = ["--generation", "next", "--model", given.model] if given.generation else []
    imported = subprocess.run([given.hilum, "import", given.archive, *parts, *beside]).returncode
    if given.generation and imported == 0:
        imported = subprocess.run([given.hilum, "reembed", given.archive, "--switch"]).returncode
    return imported or max(codes)


if __name__ == "__main__":
    sys.exit(main())
