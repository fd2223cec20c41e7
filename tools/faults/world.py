"""What rows share: a work folder, a tiny model, drawn images, made reports, and calls of the program."""

import glob
import json
import mmap
import os
import resource
import shutil
import struct
import subprocess
import tempfile


class Call:
    """A finished call of the program."""

    def __init__(self, status, out, errors):
        self.status, self.out, self.errors = status, out, errors

    @property
    def was_signalled(self):
        return self.status < 0 or self.status in (134, 135, 136, 139)

    def object(self):
        return json.loads(self.out)

    def words(self):
        return (self.out + self.errors)[-1500:]


FINDINGS = [
    "pleural effusion", "pneumothorax", "consolidation", "cardiomegaly", "nodule", "atelectasis", "fracture", "edema", "mass", "fibrosis",
]
PLACES = ["left", "right", "upper left", "upper right", "lower left", "lower right", "middle", "bilateral", "basal", "apical"]


def report(number, random=None):
    """A report that no other number has, in words that the tiny model knows some of."""
    digits = [int(digit) for digit in f"{number:05d}"]
    parts = [f"{PLACES[digits[-1]]} {FINDINGS[digits[-2]]}".capitalize(), f"No {FINDINGS[digits[-3]]}"]
    parts.append(f"{PLACES[digits[-4]].capitalize()} {FINDINGS[digits[-5]]} is {'small' if number % 2 else 'large'}")
    return ". ".join(parts) + f". Series {number}."


def quoted(text):
    return json.dumps(text)


class World:
    """The work folder and what lies in it."""

    def __init__(self, program, work, keep, sanitized=""):
        self.program = program
        # Where programs with sanitizers lie, or nothing; and those that were built.
        self.sanitized = os.path.abspath(sanitized) if sanitized else ""
        self.built = {}
        self.work = os.path.abspath(work)
        self.keep = keep
        os.makedirs(self.work, exist_ok=True)
        # Sockets have short names, so they lie elsewhere.
        self.sockets = tempfile.mkdtemp(prefix="torture-")
        self.processes = set()
        self.count = 0
        self.scratch = os.path.join(self.work, "scratch")
        shutil.rmtree(self.scratch, ignore_errors=True)
        os.makedirs(self.scratch)
        self.phantoms = os.path.join(self.work, "phantoms")
        self.model = os.path.join(self.work, "model")
        self.other_model = os.path.join(self.work, "model-2")
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    def prepare(self):
        """Draws phantoms and trains two tiny models for a few steps, unless the work folder has them."""
        if not os.path.exists(self.phantoms + "/cases.jsonl"):
            self.must("phantom", self.phantoms, "--count", "64", "--side", "64", "--seed", "11", "--quiet")
        for model, seed in ((self.model, 1), (self.other_model, 2)):
            if not os.path.exists(model + "/weights.safetensors"):
                shutil.rmtree(model, ignore_errors=True)
                self.must(
                    "train", "--data", self.phantoms, "--out", model, "--config", "mcr-micro", "--steps", "8", "--batch", "16",
                    "--hold-out", "8", "--seed", str(seed), "--quiet")
        self.images = []
        for path in sorted(glob.glob(self.phantoms + "/images/*.png"))[:32]:
            with open(path, "rb") as file:
                self.images.append(file.read())

    def end(self):
        for process in list(self.processes):
            process.kill()
            process.wait()
        shutil.rmtree(self.sockets, ignore_errors=True)
        if not self.keep:
            shutil.rmtree(self.scratch, ignore_errors=True)

    def file(self, name):
        """A path in the scratch folder that was not given before."""
        self.count += 1
        return os.path.join(self.scratch, f"{self.count}-{name}")

    def socket(self):
        self.count += 1
        return os.path.join(self.sockets, str(self.count))

    def environment(self, more=None):
        return {**os.environ, "HILUM_LOG": "info", "SWIFT_BACKTRACE": "enable=no", **(more or {})}

    def run(self, *words, environment=None, limit=300, binary=None, standard_input=None, **popen):
        """Calls the program; a hang ends as status -9 with words that say so."""
        try:
            done = subprocess.run(
                [binary or self.program, *words], input=standard_input, capture_output=True, timeout=limit,
                env=self.environment(environment), **popen)
        except subprocess.TimeoutExpired:
            return Call(-9, "", f"hung for {limit} s")
        return Call(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))

    def must(self, *words, **options):
        call = self.run(*words, **options)
        if call.status != 0:
            raise RuntimeError(f"hilum {' '.join(words)} ended with {call.status}: {call.words()}")
        return call

    def measured(self, *words, limit=60):
        """A call with the processor time and the peak of memory that it took."""
        took = self.file("took")
        launcher = [self.executable("measure"), took, str(limit)]
        call = self.run(*launcher[1:], self.program, *words, binary=launcher[0], limit=limit + 30)
        if call.status != 0:
            raise RuntimeError(f"the launcher ended with {call.status}")
        with open(took) as file:
            microseconds, kibibytes, status = map(int, file.read().split())
        call.status, call.seconds, call.memory = status, microseconds / 1e6, kibibytes * 1024
        return call

    def archive(self, name="archive", cases=0, images=False):
        """A new archive with the tiny model; with so many cases of a report, or the drawn cases."""
        path = self.file(name)
        self.must("init", path, "--model", self.model)
        if images:
            self.must("index", path, self.phantoms, "--quiet")
        if cases:
            manifest = self.file("cases.jsonl")
            with open(manifest, "w") as file:
                for number in range(cases):
                    file.write(json.dumps({"id": f"c{number}", "report": report(number), "n": str(number)}) + "\n")
            self.must("index", path, manifest, "--quiet")
        return path

    def copy(self, archive, name="copy"):
        path = self.file(name)
        shutil.copytree(archive, path)
        return path

    def forget(self, *paths):
        for path in paths:
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path, ignore_errors=True)
            elif os.path.lexists(path):
                os.unlink(path)

    def check(self, archive):
        """What `hilum check --deep` says: whether it is sound, and its words."""
        call = self.run("check", archive, "--deep", "--json")
        return call.status == 0, f"check ended with {call.status}: {call.words()}"

    def library(self, name):
        """A library to preload, compiled once."""
        return self.compiled(name, name + ".so", ["-shared", "-fPIC"], ["-ldl"])

    def executable(self, name, *libraries):
        return self.compiled(name, name, [], list(libraries))

    def compiled(self, name, result, options, libraries):
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "native", name + ".c")
        built = os.path.join(self.work, result)
        if not os.path.exists(built) or os.path.getmtime(built) < os.path.getmtime(source):
            subprocess.run(["cc", "-O1", *options, "-o", built, source, *libraries], check=True)
        return built


class Control:
    """The page that `faults.c` reads: which calls fail, and how far the clock is off."""

    READS, WRITES, SYNCS, OPENS, MEMORY, NAMES = 1, 2, 4, 8, 16, 32
    FIELDS = ["kinds", "nth", "sticky", "number", "calls", "failures", "clock_offset", "map_limit", "map_growths", "longest_map"]

    def __init__(self, world):
        self.path = world.file("control")
        with open(self.path, "wb") as file:
            file.write(bytes(4096))
        with open(self.path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 4096)
        self.library = world.library("faults")

    def environment(self, root):
        return {"LD_PRELOAD": self.library, "TORTURE_CONTROL": self.path, "TORTURE_ROOT": root}

    def get(self, field):
        return struct.unpack_from("<q", self.map, 8 * self.FIELDS.index(field))[0]

    def set(self, field, value):
        struct.pack_into("<q", self.map, 8 * self.FIELDS.index(field), value)

    def arm(self, kinds, nth, sticky, number):
        """From now on the nth call of the kinds fails with the error number, once or from then on."""
        self.set("kinds", 0)
        for field, value in (("calls", 0), ("failures", 0), ("nth", nth), ("sticky", int(sticky)), ("number", number)):
            self.set(field, value)
        self.set("kinds", kinds)

    def disarm(self):
        self.set("kinds", 0)
