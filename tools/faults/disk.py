"""Rows 4 and 9: a disk that is full, and readers that die."""

import contextlib
import os
import struct
import subprocess
import time

from .daemon import Daemon, Gone
from .ledger import Ledger, verified
from .run import NotHere, row
from .world import report


@contextlib.contextmanager
def small_disk(world, mebibytes):
    """A file system of its own in memory; grows by `grow`."""
    path = world.file("disk")
    os.makedirs(path)
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "torture", path], capture_output=True)
    if made.returncode != 0:
        raise NotHere("this user cannot mount a small file system")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", path], capture_output=True)


def resize(path, mebibytes):
    subprocess.run(["mount", "-o", f"remount,size={mebibytes}m", path], check=True, capture_output=True)


@row(4, "the disk is full", full=100, quick=4, weight=2)
def full_disk(trial):
    """8 MiB fill up under a daemon. It refuses with a sentence, still answers, and takes changes again after space came, unrestarted."""
    world = trial.world
    long = "Small left pleural effusion. No pneumothorax. " * 100
    while trial.goes_on():
        with small_disk(world, 8) as disk:
            archive = disk + "/archive"
            world.must("init", archive, "--model", world.model)
            ledger = Ledger(trial.random)
            wrong, refusals = [], set()
            try:
                with Daemon(world, archive) as daemon, daemon.client() as client:
                    while len(refusals) == 0 or trial.random.random() < 0.9:
                        change = (f"k{ledger.next}", f"{long}{ledger.next}")
                        ledger.next += 1
                        ledger.asked(change)
                        status = client.status(ledger.line(change))
                        ledger.answered(change, status)
                        if not status.startswith("OK"):
                            refusals.add(status)
                        if ledger.next > 5000:
                            break
                    if not refusals:
                        wrong.append("the disk never filled")
                    if any("ERR IO" not in text and "ERR READONLY" not in text for text in refusals):
                        wrong.append(f"refused in other words: {sorted(refusals)[:2]}")
                    if not client.status("SEARCH text=\"effusion\" k=3").startswith("OK"):
                        wrong.append("a full disk stops searches")
                    wrong += ledger.verify(client)
                    resize(disk, 64)
                    end = time.monotonic() + 15
                    while True:
                        change = ("again", report(trial.tried))
                        ledger.asked(change)
                        status = client.status(ledger.line(change))
                        ledger.answered(change, status)
                        if status.startswith("OK") or time.monotonic() > end:
                            break
                        time.sleep(0.1)
                    if not status.startswith("OK"):
                        wrong.append(f"changes do not go on after space came: {status}")
                    wrong += ledger.verify(client)
                    if daemon.stop() != 0:
                        wrong.append("it does not end with 0")
                with Daemon(world, archive) as daemon:
                    wrong += verified(daemon, ledger)
            except Gone as error:
                wrong.append(f"gone: {error}")
            sound, words = world.check(archive)
            trial.count(not wrong and sound, f"{wrong[:4]} {'' if sound else words}")
    trial.note("a refusal: " + (sorted(refusals)[0] if refusals else "none"))


def readers(archive):
    """Processes in the store's table of readers: `lock.mdb`, slots of 64 bytes behind 128 (number of the snapshot, process)."""
    with open(archive + "/lock.mdb", "rb") as file:
        data = file.read()
    slots = [struct.unpack_from("<Qi", data, place) for place in range(128, len(data) - 63, 64)]
    return {process for _, process in slots if process > 0}


@row(9, "readers killed mid-scan", full=20, quick=20, weight=1)
def killed_readers(trial):
    """Processes that read the store are killed while a daemon writes. Whoever opens the store next forgets them, and so does the daemon
    itself, with the first change after a minute; from then on the store does not grow on their account."""
    world = trial.world
    archive = world.archive(cases=600)

    def replace(client, rounds):
        for number in range(rounds):
            for offset in range(16):
                client.send(f"PUT id=c{(number * 16 + offset) % 600} report=\"{report(trial.random.randrange(10**5))}\"")
            for _ in range(16):
                if not client.reply()[1].startswith("OK"):
                    raise RuntimeError("a change is refused")

    def size():
        return os.stat(archive + "/data.mdb").st_size

    def held():
        """A process amid a snapshot."""
        reader = subprocess.Popen([world.executable("hold", "-llmdb"), archive], stdout=subprocess.PIPE)
        world.processes.add(reader)
        if reader.stdout.readline() != b"held\n" or reader.pid not in readers(archive):
            raise RuntimeError("no reader begins")
        return reader

    def killed(reader):
        reader.kill()
        reader.wait()
        world.processes.discard(reader)

    with Daemon(world, archive) as daemon, daemon.client() as client:
        while trial.goes_on():
            scan = subprocess.Popen(
                [world.program, "check", archive, "--deep", "--quiet"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env=world.environment())
            time.sleep(trial.random.uniform(0.02, 0.4))
            killed(scan)
            reader = held()
            replace(client, 2)
            killed(reader)
            was_there = reader.pid in readers(archive)
            world.must("stats", archive, "--json")
            trial.count(was_there and reader.pid not in readers(archive), "a dead reader is still in the table")
        # Nobody else opens the store now.
        reader = held()
        killed(reader)
        end = time.monotonic() + 70
        while reader.pid in readers(archive) and time.monotonic() < end:
            time.sleep(1)
            client.status(f"PUT id=c1 report=\"{report(trial.random.randrange(10**5))}\"")
        trial.must(reader.pid not in readers(archive), "the daemon forgets a dead reader within a minute")
        before = size()
        replace(client, 100)
        growth = size() / before
        trial.must(growth <= 1.2, f"the file grew {growth:.2f} times, at most 1.2")
        # What is bounded here must be what readers do to the file: one that lives lets it grow.
        reader = held()
        replace(client, 100)
        killed(reader)
        growth = size() / before
        trial.must(growth > 1.2, f"a reader that stands still is noticed: the file grows {growth:.2f} times beside it")
        trial.must(daemon.stop() == 0, "the daemon ends with 0")
    sound, words = world.check(archive)
    trial.must(sound, "the archive is sound" if sound else words)
