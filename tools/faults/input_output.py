"""Rows 4b, 5, 6, 8 and 21: calls of the system that fail, memory that ends, maps that are full, clocks that jump."""

import contextlib
import errno
import threading
import time

from .daemon import Daemon, Gone
from .ledger import Ledger, verified
from .run import row
from .world import Control, report

KINDS = {
    "read": Control.READS, "write": Control.WRITES, "sync": Control.SYNCS, "open": Control.OPENS, "name": Control.NAMES,
}


class Failing:
    """A daemon whose calls can be made to fail, and what it has acknowledged."""

    def __init__(self, trial):
        self.trial, self.world = trial, trial.world
        self.control = Control(self.world)
        self.ledger = Ledger(trial.random, with_images=True)
        self.archive = self.world.archive(cases=20)
        for number in range(20):
            self.ledger.set(f"c{number}", report(number))
        self.daemon = None

    def start(self):
        """The daemon, if it is not running; raises Gone when it does not start."""
        if self.daemon is None or not self.daemon.is_running():
            self.control.disarm()
            self.daemon = Daemon(self.world, self.archive, environment=self.control.environment(self.archive))

    def calls(self, kinds):
        """How many calls of the kinds some changes make."""
        self.start()
        self.control.arm(kinds, 1 << 60, False, errno.EIO)
        with self.daemon.client() as client:
            self.ledger.apply(client, 4)
        count = self.control.get("calls")
        self.control.disarm()
        return count

    def strike(self, kinds, nth, sticky, number):
        """Changes and questions while the nth call fails. Returns what is wrong, in words."""
        self.start()
        self.control.arm(kinds, nth, sticky, number)
        statuses = []
        try:
            with self.daemon.client() as client:
                statuses = self.ledger.apply(client, 4)
                statuses.append(client.status("SEARCH text=\"effusion\" k=3"))
        except Gone as error:
            self.control.disarm()
            end = self.daemon.ended(5)
            return [f"the daemon is gone ({end}): {error}; {self.daemon.words()[-500:]}"]
        failures = self.control.get("failures")
        self.control.disarm()
        wrong = [status for status in statuses if not status.startswith(("OK", "ERR "))]
        if any(status.startswith("ERR INTERNAL") for status in statuses):
            wrong += [status for status in statuses if status.startswith("ERR INTERNAL")]
        try:
            with self.daemon.client() as client:
                # It must go on by itself; a moment for reopening is granted.
                change = ("again", report(self.trial.random.randrange(10**4)))
                end = time.monotonic() + 10
                while True:
                    self.ledger.asked(change)
                    status = client.status(self.ledger.line(change))
                    self.ledger.answered(change, status)
                    if status.startswith("OK") or time.monotonic() > end:
                        break
                    time.sleep(0.05)
                if not status.startswith("OK"):
                    wrong.append(f"writes do not resume: {status}")
                wrong += self.ledger.verify(client)
        except Gone as error:
            wrong.append(f"gone afterwards: {error}; {self.daemon.words()[-500:]}")
        return [f"({failures} calls failed) {text}" for text in wrong]

    def reopen(self):
        """Ends the daemon, proves the archive sound, and reads all cases with the next one."""
        if self.daemon is not None:
            self.daemon.stop()
        sound, words = self.world.check(self.archive)
        if not sound:
            return [words]
        self.daemon = None
        self.start()
        return verified(self.daemon, self.ledger)


def nth_calls(trial, number, kinds):
    failing = Failing(trial)
    counts = {name: failing.calls(kind) for name, kind in kinds.items()}
    trial.note("calls that four changes make: " + ", ".join(f"{name} {count}" for name, count in counts.items()))
    kinds = {name: kind for name, kind in kinds.items() if counts[name] > 0}
    nth = 0
    while trial.goes_on():
        nth += 1
        if nth > max(counts.values()) + 2:
            nth = 1
        for name, kind in kinds.items():
            if nth > counts[name] + 2:
                continue
            for sticky in (False, True):
                if not trial.goes_on():
                    break
                try:
                    wrong = failing.strike(kind, nth, sticky, number)
                    if not wrong and (trial.tried % 20 == 19 or not failing.daemon.is_running()):
                        wrong = failing.reopen()
                except Gone as error:
                    trial.count(False, f"{name} {nth}: the daemon does not start again: {error}")
                    return
                trial.count(not wrong, f"{name} {nth}{' and after' if sticky else ''}: {wrong[:3]}")
                if wrong:
                    failing.daemon.kill()
                    failing = Failing(trial)
    wrong = failing.reopen()
    trial.must(not wrong, f"after all of it the archive is sound and whole {wrong[:3] or ''}")


@row(5, "I/O errors at every Nth call", full=2000, quick=60, weight=3)
def io_errors(trial):
    """EIO from reads, writes, syncs, opens and changes of names, once or from then on, while a daemon serves."""
    nth_calls(trial, errno.EIO, KINDS)


@row("5b", "I/O errors while opening", full=400, quick=30, weight=2)
def io_errors_at_start(trial):
    """The Nth call fails while a daemon starts: it starts all the same, or ends with a sentence; never by a signal."""
    failing = Failing(trial)
    archive = failing.archive
    nth = 0
    limit = {}
    for name, kind in KINDS.items():
        failing.control.arm(kind, 1 << 60, False, errno.EIO)
        Daemon(trial.world, archive, environment=failing.control.environment(archive)).stop()
        limit[name] = failing.control.get("calls")
    trial.note("calls while opening and closing: " + ", ".join(f"{name} {count}" for name, count in limit.items()))
    places = [(kind, name, nth) for name, kind in KINDS.items() for nth in range(1, min(limit[name], 200) + 1)]
    trial.random.shuffle(places)
    for kind, name, nth in places:
        if not trial.goes_on():
            break
        failing.control.arm(kind, nth, trial.random.random() < 0.5, errno.EIO)
        wrong = []
        try:
            daemon = Daemon(trial.world, archive, environment=failing.control.environment(archive), limit=30)
            failing.control.disarm()
            daemon.stop()
        except Gone as error:
            if "ended with -" in str(error) or "in time" in str(error):
                wrong.append(str(error))
            elif "hilum serve:" not in str(error):
                wrong.append(f"no sentence: {error}")
        failing.control.disarm()
        if not wrong:
            try:
                with Daemon(trial.world, archive) as daemon:
                    wrong = verified(daemon, failing.ledger)
                    daemon.stop()
            except Gone as error:
                wrong = [f"does not open afterwards: {error}"]
        trial.count(not wrong, f"{name} {nth}: {wrong[:2]}")


@row("4b", "no space at every Nth write", full=400, quick=20, weight=1)
def no_space_at_nth_write(trial):
    nth_calls(trial, errno.ENOSPC, {"write": Control.WRITES, "open": Control.OPENS, "name": Control.NAMES})


@row(6, "no memory at every Nth allocation", full=500, quick=20, weight=1)
def no_memory(trial):
    """malloc fails once. The process may end, as Swift does where it cannot allocate; what it acknowledged must be there for the next."""
    failing = Failing(trial)
    ends = 0
    while trial.goes_on():
        try:
            failing.start()
        except Gone as error:
            trial.count(False, f"the archive does not open: {error}")
            return
        failing.control.arm(Control.MEMORY, trial.random.randint(1, 2000), False, errno.ENOMEM)
        try:
            with failing.daemon.client(timeout=20) as client:
                failing.ledger.apply(client, 12, window=4)
        except Gone as error:
            ends += 1
            if "timed out" in str(error):
                trial.count(False, "a request hangs after a failed allocation")
                failing.daemon.kill()
                continue
        failing.control.disarm()
        failing.daemon.kill()
        try:
            failing.start()
            wrong = verified(failing.daemon, failing.ledger)
        except Gone as error:
            wrong = [f"does not open: {error}"]
        if not wrong and trial.tried % 5 == 4:
            wrong = failing.reopen()
        trial.count(not wrong, f"{wrong[:3]}")
    trial.note(f"{ends} times the daemon ended")


@row(8, "the map is full", full=100000, quick=2500, weight=2)
def full_map(trial):
    """The map of the store starts at 4 MiB; changes go on while it grows. A try is an acknowledged change."""
    world = trial.world
    archive = world.archive()
    control = Control(world)
    control.set("map_limit", 4 << 20)
    long = "Small left pleural effusion. No pneumothorax. " * 800
    with Daemon(world, archive, environment=control.environment(archive)) as daemon, daemon.client() as client:
        while trial.goes_on():
            for offset in range(64):
                client.send(f"PUT id=m{trial.tried + offset} report=\"{long}{trial.tried + offset}\"")
            for _ in range(64):
                status = client.reply()[1]
                trial.count(status.startswith("OK"), status)
        status = client.status("COUNT")
        trial.must(status == f"OK count={trial.survived}", f"{status} of {trial.survived} acknowledged")
        growths = control.get("map_growths")
        trial.must(growths >= 3, f"{growths} growths (10 in full: doubled from 4 MiB to 4 GiB)")
        longest = control.get("longest_map") / 1e6
        trial.must(longest <= 50, f"the longest growth took {longest:.2f} ms, at most 50")
        trial.must(daemon.stop() == 0, "it ends with 0")
    sound, words = world.check(archive)
    trial.must(sound, "the archive is sound" if sound else words)


@row(21, "the clock jumps during ingest", full=500, quick=60, weight=1)
def jumping_clock(trial):
    """The wall clock jumps by a day and more, both ways, while changes and an idle client go on; no limit of time may misfire."""
    world = trial.world
    archive = world.archive()
    control = Control(world)
    ledger = Ledger(trial.random)
    day = 86400 * 10**9
    jumps = [0, day, -day, 366 * day, -366 * day, 10**9, -(10**9), 3600 * 10**9, -40 * 366 * day]
    daemon = Daemon(world, archive, environment=control.environment(archive))
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: daemon.kill())
        idle, half = daemon.client(), daemon.client()
        while trial.goes_on():
            half.send("# a comment has no answer")
            # At any moment, so also while the writer waits for more changes of its group.
            before, jump = control.get("clock_offset"), trial.random.choice(jumps)
            jumper = threading.Timer(trial.random.uniform(0, 0.05), control.set, ("clock_offset", jump))
            jumper.start()
            wrong = []
            try:
                with daemon.client(timeout=20) as client:
                    statuses = ledger.apply(client, 6, window=3)
                    wrong += [text for text in statuses if not text.startswith(("OK", "ERR NOTFOUND"))]
                    control.set("clock_offset", trial.random.choice(jumps))
                    status = client.status("SEARCH text=\"effusion\" k=3 deadline_ms=20000")
                    if not status.startswith("OK"):
                        wrong.append(status)
                    wrong += ledger.verify(client, only=trial.random.sample(list(ledger.live), min(8, len(ledger.live))))
                for client in (idle, half):
                    if client.status("PING") != "OK PONG":
                        wrong.append("an idle client was not answered")
            except Gone as error:
                wrong.append(f"after a jump to {jump / day:.2f} days from {before / day:.2f}: {error}")
                # The same daemon may never answer again.
                daemon.kill()
                daemon = Daemon(world, archive, environment=control.environment(archive))
                ledger.verify(daemon.client())
                idle, half = daemon.client(), daemon.client()
            jumper.join()
            trial.count(not wrong, f"{wrong[:3]}")
        wrong = verified(daemon, ledger)
        trial.must(not wrong, f"every case is there {wrong[:3] or ''}")
        trial.must(daemon.stop() == 0, "it ends with 0")
    sound, words = world.check(archive)
    trial.must(sound, "the archive is sound" if sound else words)
