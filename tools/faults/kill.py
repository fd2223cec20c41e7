"""Rows 1 and 25: kill -9 amid ingest and amid re-embedding."""

import subprocess
import threading
import time

from .daemon import Daemon, Gone
from .ledger import Ledger
from .run import row


@row(1, "kill -9 anywhere in ingest", full=1000, quick=60, weight=3)
def killed_ingest(trial):
    """A daemon takes changes, four in flight, and is killed at a random moment; the next one must have all that was acknowledged."""
    world = trial.world
    ledger = Ledger(trial.random)
    archive = world.archive()
    daemon = Daemon(world, archive)
    acknowledged = unanswered = 0
    while trial.goes_on():
        # After a number of answers rather than a time, so that a slow machine does not move all kills into the opening.
        answers, delay = trial.random.randint(0, 60), trial.random.uniform(0, 0.02)
        killer = threading.Timer(delay, daemon.process.kill)
        try:
            with daemon.client() as client:
                ledger.apply(client, answers, window=4)
                killer.start()
                while True:
                    ledger.apply(client, 16, window=4)
        except Gone:
            pass
        killer.join()
        daemon.kill()
        try:
            # Now and then the first daemon after a kill is killed too, while it opens.
            if trial.random.random() < 0.2:
                early = Daemon(world, archive, wait=False)
                time.sleep(trial.random.uniform(0, 0.1))
                early.kill()
            daemon = Daemon(world, archive)
        except Gone as error:
            trial.count(False, f"the archive does not open after kill {trial.tried}: {error}")
            return
        unanswered += len(ledger.unsure)
        with daemon.client() as client:
            wrong = ledger.verify(client)
        if not wrong and trial.tried % 5 == 4:
            daemon.kill()
            sound, words = world.check(archive)
            if not sound:
                wrong = [words]
            daemon = Daemon(world, archive)
        trial.count(not wrong, f"kill {trial.tried}: {wrong[:5]}")
        if len(ledger.live) > 3000:
            # A small archive opens faster, and so leaves time for more kills.
            daemon.kill()
            world.forget(archive)
            acknowledged += ledger.acknowledged
            ledger, archive = Ledger(trial.random), world.archive()
            daemon = Daemon(world, archive)
    trial.must(daemon.stop() == 0, "the last daemon ends with 0")
    sound, words = world.check(archive)
    trial.must(sound, f"the archive is sound in the end ({words if not sound else 'check --deep'})")
    trial.note(f"{acknowledged + ledger.acknowledged} changes were acknowledged, {unanswered} were under way when a kill came")


@row(25, "re-embedding killed half-way", full=200, quick=30, weight=2)
def killed_reembedding(trial):
    """`hilum reembed` is killed at random; the old generation answers as before, and the next call repeats at most one batch."""
    world = trial.world
    whole = world.archive(cases=400)

    def hits(archive):
        return world.run("search", archive, "--text", "left pleural effusion", "--mode", "vector", "--exact", "--json").out

    before = hits(whole)
    copy = world.copy(whole)
    started = time.monotonic()
    world.must("reembed", copy, "--model", world.other_model, "--quiet")
    duration = time.monotonic() - started
    world.must("reembed", copy, "--switch")
    after = hits(copy)
    trial.must(before != after and before, "the two models give different answers")
    world.forget(copy)
    finished = resumed = 0
    while trial.goes_on():
        archive, done = world.copy(whole), 0
        for _ in range(trial.random.randint(1, 6)):
            why, done = killed_once(trial, archive, trial.random.uniform(0.02, duration), done)
            if not why and hits(archive) != before:
                why = "the old generation answers otherwise while the new one is made"
            resumed += done > 0
            trial.count(not why, f"kill {trial.tried}: {why}")
        final = world.run("reembed", archive, "--model", world.other_model, "--json")
        switched = world.run("reembed", archive, "--switch")
        sound, words = world.check(archive)
        if final.status or switched.status:
            trial.must(False, f"it cannot be finished: {final.words()} {switched.words()}")
        elif hits(archive) != after:
            trial.must(False, "the finished generation answers otherwise than one that was never killed")
        elif not sound:
            trial.must(False, words)
        finished += 1
        world.forget(archive)
    trial.note(f"{finished} archives were finished and switched after their kills; {resumed} kills had cases behind them")


def killed_once(trial, archive, delay, done):
    """Kills one run. Returns what is wrong, and how many cases are done then."""
    world = trial.world
    process = subprocess.Popen(
        [world.program, "reembed", archive, "--model", world.other_model, "--quiet"], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, env=world.environment())
    time.sleep(delay)
    process.kill()
    process.wait()
    status = world.run("reembed", archive, "--status", "--json")
    if status.status != 0:
        return f"status ended with {status.status}: {status.words()}", done
    reached = status.object().get("done", 0)
    return f"{done} cases were done before the kill, {reached} after it" if reached < done else "", reached
