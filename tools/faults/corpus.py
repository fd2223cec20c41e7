"""Fuzzes every reader at length, and keeps what is worth it in `Tests/FuzzTests/Corpus`.

    PYTHONPATH=tools python3 -m faults.corpus --fuzz PROGRAM [--minutes N] [--runs N] [--targets A,B] [--files N] [--write]

PROGRAM is `hilum-fuzz` with its sanitizer, as row 15b builds it. The time is shared among the targets. With `--write`, the inputs that
together reach most take the places of the kept ones: at most `--files` of each target, none above 4,096 bytes. Those whose names begin with
`mended-` broke something once and stay. All inputs come from the seeds of the targets, which the source makes, and from nothing else.
"""

import argparse
import glob
import hashlib
import os
import subprocess
import sys
import time
import types

from .sanitized import Fuzzer, call

LONGEST = 4096


def fuzzed(fuzzer, seconds, runs, seed):
    """How many inputs were tried, and what they broke: an input that breaks something ends a run of libFuzzer, and the next one begins."""
    tried, wrong = 0, []
    end = time.monotonic() + seconds
    while tried < runs and time.monotonic() < end and len(wrong) < 20:
        count, words = fuzzer.run(end - time.monotonic(), runs - tried, seed + len(wrong))
        tried += count
        if not words:
            break
        wrong.append(words)
    return tried, wrong


def features(fuzzer):
    """What each input of a target reaches, by its path; the inner step of libFuzzer's `-merge=1`, which writes down each as it goes."""
    paths = sorted(path for folder in fuzzer.folders() for path in glob.glob(folder + "/*") if os.path.getsize(path) <= LONGEST)
    control = f"{fuzzer.seeds}.control"
    with open(control, "w") as file:
        file.write("\n".join([str(len(paths)), "0", *paths]) + "\n")
    words = [fuzzer.program, fuzzer.name, "-merge_inner=1", f"-max_len={LONGEST}", f"-merge_control_file={control}"]
    for _ in range(20):
        # An input that ends the process is passed over by the next call.
        status, text = call(words, 1800)
        if status == 0:
            break
    else:
        raise RuntimeError(f"{fuzzer.name} cannot be merged: {text[-500:]}")
    reached = {}
    with open(control, errors="replace") as file:
        for line in file:
            kind, _, rest = line.partition(" ")
            if kind == "FT":
                number, *numbers = rest.split()
                reached[paths[int(number)]] = set(numbers)
    return reached


def chosen(reached, most):
    """Paths of inputs that together reach most, each taken for what it adds; of those that add the same, the shortest."""
    sizes = {path: os.path.getsize(path) for path in reached}
    left = {path for path in reached if 0 < sizes[path] <= LONGEST}
    so_far, result = set(), []
    while left and len(result) < most:
        best = max(left, key=lambda path: (len(reached[path] - so_far), -sizes[path], path))
        if not reached[best] - so_far:
            break
        so_far |= reached[best]
        left.remove(best)
        result.append(best)
    return result, len(so_far)


def keep(fuzzer, most):
    reached = features(fuzzer)
    paths, count = chosen(reached, most)
    contents = []
    for path in paths:
        with open(path, "rb") as file:
            contents.append(file.read())
    os.makedirs(fuzzer.kept, exist_ok=True)
    for path in glob.glob(fuzzer.kept + "/*"):
        if not os.path.basename(path).startswith("mended-"):
            os.unlink(path)
    for content in contents:
        with open(os.path.join(fuzzer.kept, hashlib.sha256(content).hexdigest()[:16]), "wb") as file:
            file.write(content)
    total = len(set().union(*reached.values()))
    print(f"{fuzzer.name}: {len(contents)} files, {sum(map(len, contents))} bytes, reach {count} of {total} features", flush=True)


def main():
    parser = argparse.ArgumentParser(prog="faults.corpus", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fuzz", required=True)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--runs", type=int, default=10**7)
    parser.add_argument("--targets", default="")
    parser.add_argument("--files", type=int, default=22)
    parser.add_argument("--work", default=".build/torture")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true")
    words = parser.parse_args()
    work = os.path.abspath(words.work)
    program = os.path.abspath(words.fuzz)
    world = types.SimpleNamespace(work=work, built={"fuzz": program}, file=lambda name: os.path.join(work, name))
    listed = subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout
    entries = [line.split() for line in listed.splitlines()]
    if words.targets:
        entries = [entry for entry in entries if entry[0] in words.targets.split(",")]
    fuzzers = [Fuzzer(world, name, longest) for name, longest in entries]
    end = time.monotonic() + words.minutes * 60
    broken = False
    for place, fuzzer in enumerate(fuzzers):
        share = max(1, end - time.monotonic()) / (len(fuzzers) - place)
        tried, wrong = fuzzed(fuzzer, share, words.runs, words.seed)
        print(f"{fuzzer.name}: {tried} inputs, {len(wrong)} findings", flush=True)
        for finding in wrong:
            print(f"    {finding}", flush=True)
        broken = broken or bool(wrong)
    if words.write:
        for fuzzer in fuzzers:
            keep(fuzzer, words.files)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
