"""Rows 15b and 23b: readers of bytes under libFuzzer and the address sanitizer, readers beside a writer under the thread sanitizer.

Both need programs that are built from the source tree with a sanitizer, each in a folder of its own below `.build`. That takes minutes,
once, and is done before the clock of the rows starts. `--sanitized DIR` names a folder with both, already built, instead.
"""

import glob
import os
import re
import shutil
import subprocess
import sys
import time

from .run import NotHere, row

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
COVERAGE = "edge,indirect-calls,trace-cmp,inline-8bit-counters,pc-table"
EACH = 10**7
RARE = re.compile(r"ERROR: AddressSanitizer: [\w-]+|ERROR: libFuzzer: [\w -]+|Fatal error: .*|SUMMARY: .*")


def built(world, kind):
    """The program `hilum-KIND` with its sanitizer; raises NotHere where it cannot be built."""
    if world.sanitized:
        program = os.path.join(world.sanitized, kind, "release", "hilum-" + kind)
        if not os.access(program, os.X_OK):
            raise NotHere(f"there is no {program}")
        return program
    swift, clang = shutil.which("swift"), shutil.which("clang")
    if swift is None:
        raise NotHere("no Swift compiler")
    words = [swift, "build", "-c", "release", "--scratch-path", ".build/" + kind, "--product", "hilum-" + kind, "-Xswiftc", "-enable-testing"]
    if kind == "fuzz":
        asked = [clang or "clang", "-print-file-name=libclang_rt.fuzzer_no_main-x86_64.a"]
        runtime = subprocess.run(asked, capture_output=True, text=True).stdout.strip() if clang else ""
        if not os.path.isfile(runtime):
            raise NotHere("the compiler has no libFuzzer for this machine")
        words += [
            "--sanitize=address", "-Xswiftc", "-sanitize-coverage=" + COVERAGE, "-Xcc", "-fsanitize-coverage=" + COVERAGE,
            "-Xlinker", runtime, "-Xlinker", "-lstdc++",
        ]
    else:
        words += ["--sanitize=thread"]
    print(f"torture: building hilum-{kind}; minutes, the first time", file=sys.stderr)
    done = subprocess.run(words, cwd=TOP, env={**os.environ, "HILUM_SANITIZED": "1"}, capture_output=True, text=True)
    if done.returncode != 0:
        raise NotHere(f"hilum-{kind} cannot be built: {(done.stdout + done.stderr).strip()[-600:]}")
    return os.path.join(TOP, ".build", kind, "release", "hilum-" + kind)


def prepared(kind):
    def prepare(world):
        try:
            world.built[kind] = built(world, kind)
        except NotHere as reason:
            world.built[kind] = reason
    return prepare


def program(world, kind):
    found = world.built[kind]
    if isinstance(found, NotHere):
        raise found
    return found


def call(words, limit, **environment):
    """Exit status and words; a hang beyond the limit is status None."""
    # Without this a crash of Swift takes minutes to describe itself.
    environment = {**os.environ, "SWIFT_BACKTRACE": "enable=no", **environment}
    try:
        done = subprocess.run(words, capture_output=True, env=environment, timeout=limit)
    except subprocess.TimeoutExpired as late:
        return None, (late.stderr or b"").decode("utf-8", "replace")
    return done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace")


class Fuzzer:
    """One target; what it found of interest stays in the work folder, for the next run to begin with."""

    def __init__(self, world, name, longest):
        self.program, self.name, self.longest = program(world, "fuzz"), name, longest
        self.kept = os.path.join(TOP, "Tests", "FuzzTests", "Corpus", name)
        self.found = os.path.join(world.work, "corpus", name)
        self.crashes = os.path.join(world.work, "crashes")
        for folder in (self.found, self.crashes):
            os.makedirs(folder, exist_ok=True)
        self.seeds = world.file("seeds-" + name)
        subprocess.run([self.program, "--seeds", name, self.seeds], check=True)

    def folders(self):
        """Where inputs lie; what is new goes into the first."""
        return [folder for folder in (self.found, self.seeds, self.kept) if os.path.isdir(folder)]

    def forget(self):
        """Its inputs are of no use."""
        for path in glob.glob(f"{self.crashes}/{self.name}-*"):
            os.unlink(path)
        shutil.rmtree(self.found)

    def run(self, seconds, runs, seed):
        """How many inputs were tried, and what went wrong, in words."""
        words = [
            self.program, self.name, f"-max_len={self.longest}", "-timeout=25", "-rss_limit_mb=1024", f"-runs={runs}",
            f"-max_total_time={max(1, int(seconds))}", f"-seed={seed}", f"-dict={self.seeds}.words", f"-artifact_prefix={self.crashes}/{self.name}-",
            "-print_final_stats=1", "-close_fd_mask=0", *self.folders(),
        ]
        # Each input frees all that it took, so little need be held back from reuse: 1.6 times as many inputs.
        asan = "quarantine_size_mb=1:thread_local_quarantine_size_kb=64:malloc_context_size=0"
        status, text = call(words, seconds + 300, ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", asan))
        counted = re.search(r"stat::number_of_executed_units:\s*(\d+)", text) or re.search(r"#(\d+)\s+DONE", text)
        tried = int(counted.group(1)) if counted else 0
        if status == 0:
            return tried, ""
        where = re.search(r"Test unit written to (\S+)", text)
        what = "; ".join(dict.fromkeys(RARE.findall(text))) or text[-400:]
        return tried, f"{self.name} (seed {seed}) ended with {status}: {what}; the input: {where.group(1) if where else 'none'}"


@row("15b", "readers of bytes under libFuzzer", full=18 * EACH, quick=100_000, weight=5, prepare=prepared("fuzz"))
def in_process(trial):
    """Each target for the same time; no crash, no hang, no broken promise, at most 1 GiB."""
    world = trial.world
    listed = subprocess.run([program(world, "fuzz"), "--list"], capture_output=True, text=True, check=True).stdout
    targets = [line.split() for line in listed.splitlines()]
    planted = Fuzzer(world, "planted", 16)
    tried, wrong = planted.run(120, 10**7, trial.seed)
    trial.must("heap-buffer-overflow" in wrong, f"a planted read behind a buffer is found, after {tried} inputs")
    planted.forget()
    counts = {name: 0 for name, _ in targets}
    turn = 0
    # A busy machine takes more than one turn, as long as other rows would go on too.
    while turn == 0 or trial.goes_on() and not trial.failures:
        left = max(3 * len(targets), trial.end - time.monotonic())
        for name, longest in targets:
            tried, wrong = Fuzzer(world, name, longest).run(left / len(targets), trial.full // len(targets), trial.seed + 1000 * turn)
            counts[name] += tried
            trial.tried += tried
            trial.survived += tried - (1 if wrong and tried else 0)
            if wrong:
                trial.failures.append(wrong)
                trial.must(False, wrong)
        turn += 1
    trial.note("inputs: " + ", ".join(f"{name} {count}" for name, count in counts.items()))
    least = max(50, trial.needed // (40 * len(targets)))
    trial.must(min(counts.values()) >= least, f"at least {least} each")


@row("23b", "readers beside a writer under the thread sanitizer", full=10**7, quick=10_000, weight=1, prepare=prepared("race"))
def thread_sanitizer(trial):
    """Three readers ask of everything while a writer stores, replaces, deletes and makes checkpoints. A try is a change or an answer."""
    options = "halt_on_error=0 exitcode=66 history_size=4"
    for kind in ("counter", "array", "locks"):
        status, text = call([program(trial.world, "race"), "--planted", kind], 120, TSAN_OPTIONS=options)
        # Swift tells it of each access of a variable, which it then names before the read or write itself.
        found = re.search(r"WARNING: ThreadSanitizer: (data|Swift access) race", text)
        trial.must(found is not None and status == 66, f"a planted race is found: {kind}")
    sums, turn = [0, 0, 0], 0
    # A busy machine takes more than one turn, as long as other rows would go on too.
    while turn == 0 or trial.goes_on() and not trial.failures:
        seconds = int(max(10, trial.end - time.monotonic()))
        words = [program(trial.world, "race"), trial.world.file(f"race-{turn}"), str(seconds)]
        status, text = call(words, seconds + 300, TSAN_OPTIONS=options)
        counted = re.findall(r"^(\d+) (\d+) (\d+)$", text, re.M)
        numbers = [int(number) for number in counted[-1]] if counted else [0, 0, 0]
        sums = [sum(pair) for pair in zip(sums, numbers)]
        races = re.findall(r"WARNING: ThreadSanitizer: .*(?:\n.*){0,14}", text)
        trial.tried += sum(numbers)
        trial.survived += sum(numbers) - len(races)
        trial.failures += races[:5]
        trial.must(not races, f"{len(races)} races")
        trial.must(status == 0, f"it ends with {status}" + ("" if status == 0 else f": {text[-600:]}"))
        turn += 1
        if not counted:
            break
    trial.note("{} changes, {} searches, {} reads".format(*sums))
