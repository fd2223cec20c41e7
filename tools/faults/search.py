"""Rows 20, 22, 23 and 24: vectors that are none, models exchanged under load, everything at once, churn."""

import base64
import json
import math
import random
import shutil
import struct
import threading
import time

from .daemon import Daemon, Gone
from .run import row
from .world import report



def encoded(values):
    return "f32:" + base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()


@row(20, "vectors that are none", full=60, quick=60, weight=0.3)
def odd_vectors(trial):
    """NaN, infinity, zero, denormals, wrong lengths, weights that cancel: refused in words, or answered with finite scores."""
    world = trial.world
    archive = world.archive(cases=30)
    with Daemon(world, archive) as daemon, daemon.client() as client:
        width = client.ask("HELLO")[0][0]["dim"]
        good = [math.sin(number + 1) for number in range(width)]

        def with_value(value, place=3):
            return good[:place] + [value] + good[place + 1 :]

        refused = [
            ("NaN", encoded(with_value(math.nan))), ("a signalling NaN", "f32:" + base64.b64encode(
                struct.pack(f"<{width - 1}f", *good[1:]) + b"\x01\x00\x80\x7f").decode()),
            ("all NaN", encoded([math.nan] * width)), ("infinity", encoded(with_value(math.inf))),
            ("-infinity", encoded(with_value(-math.inf))), ("all infinite", encoded([math.inf] * width)), ("zero", encoded([0.0] * width)),
            ("minus zero", encoded([-0.0] * width)), ("one number too few", encoded(good[1:])), ("one too many", encoded(good + [1])),
            ("none", "f32:"), ("one", encoded([1.0])), ("a million", encoded([1.0] * 10000)), ("no base64", "f32:!!!!"),
            ("base64 cut short", encoded(good)[:-3]), ("three bytes", "f32:AAAA"),
            ("f64", "f64:" + encoded(good)[4:]), ("no type", encoded(good)[4:]),
        ]
        for name, text in refused:
            status = client.status(f"SEARCH vec=\"{text}\"")
            trial.count(status.startswith(("ERR BADVEC", "ERR BADREQ", "ERR LIMIT")), f"{name}: {status}")
        allowed = [
            ("denormals", encoded([1e-42] * width)), ("one denormal", encoded([1e-42] + [0.0] * (width - 1))),
            ("the largest numbers", encoded([3e38 * (-1) ** number for number in range(width)])), ("tiny numbers", encoded([1e-30] * width)),
            ("one number alone", encoded([0.0] * (width - 1) + [5.0])), ("a good one", encoded(good)),
            ("its negative", encoded([-value for value in good])),
        ]
        for name, text in allowed:
            for rest in ("", " exact=1", " target=image", " mmr=0.5", " target=report dedup=0.9"):
                objects, status = client.ask(f"SEARCH vec=\"{text}\" k=5{rest}")
                finite = all(isinstance(hit["score"], (int, float)) and -1.001 <= hit["score"] <= 1.001 for hit in objects)
                is_refused = status.startswith("ERR BADVEC") and name not in ("a good one", "its negative")
                trial.count(is_refused or status.startswith("OK") and finite, f"{name}{rest}: {status} {objects[:1]}")
        for line in (
            "SEARCH id=c1 unlike=c1", "SEARCH id=c1 w.id=0", "SEARCH id=c1 w.id=nan", "SEARCH id=c1 w.id=inf", "SEARCH id=c1 w.id=-1",
            "SEARCH id=c1 min_score=nan", "SEARCH id=c1 mmr=nan", "SEARCH id=c1 k=0", "SEARCH id=c1 k=99999999999999999999",
            f"SEARCH vec=\"{encoded(good)}\" vec=\"{encoded([-value for value in good])}\"",
        ):
            objects, status = client.ask(line)
            finite = all(-1.001 <= hit["score"] <= 1.001 for hit in objects)
            trial.count(status.startswith("ERR") or finite, f"{line[:60]}: {status}")
        # What is stored comes from the encoder alone; odd images and reports must not make odd vectors.
        for number, text in enumerate(("", " ", "?!", "x" * 60000, "\u0000", "0 " * 20000)):
            status = client.status(f"PUT id=odd{number} report={json.dumps(text)}")
            trial.count(status.startswith(("OK", "ERR")), f"a report of {len(text)} characters: {status}")
        trial.must(daemon.stop() == 0, "it ends with 0")
    sound, words = world.check(archive)
    trial.must(sound, "the archive is sound" if sound else words)


@row(22, "models exchanged under load", full=100, quick=10, weight=1)
def exchanged_models(trial):
    """The daemon switches between two generations and back while clients search; each answer is that of one model."""
    world = trial.world
    archive = world.archive(cases=200)
    question = "SEARCH text=\"left pleural effusion\" mode=vector k=5 exact=1"
    by_id = "SEARCH id=c7 k=5 exact=1"
    with Daemon(world, archive) as daemon, daemon.client() as client:

        def seen(reader, line):
            objects, status = reader.ask(line)
            words = dict(word.split("=") for word in status.split()[1:] if "=" in word)
            return status, words.get("gen"), [(hit["id"], hit["score"]) for hit in objects]

        right = {}
        status = client.status(f"REEMBED start model={world.other_model}")
        trial.must(status.startswith("OK"), f"a generation is begun ({status})")
        end = time.monotonic() + 120
        while time.monotonic() < end and "state=ready" not in status:
            time.sleep(0.05)
            status = client.status("REEMBED status")
        if "state=ready" not in status:
            trial.count(False, f"the new generation is not ready in time: {status}")
            return
        for line in (question, by_id):
            status, generation, hits = seen(client, line)
            right[line, generation] = hits
        status = client.status("REEMBED switch")
        for line in (question, by_id):
            _, generation, hits = seen(client, line)
            right[line, generation] = hits
        trial.must(len(right) == 4 and len({str(hits) for hits in right.values()}) == 4, f"two generations answer differently ({status})")
        wrong, counts, stop = [], [0, 0], threading.Event()

        def load(place):
            try:
                with daemon.client() as reader:
                    while not stop.is_set():
                        for line in (question, by_id):
                            status, generation, hits = seen(reader, line)
                            counts[place] += 1
                            if not status.startswith("OK"):
                                wrong.append(status)
                            elif right.get((line, generation)) != hits:
                                wrong.append(f"an answer of generation {generation} is of no model: {hits[:2]}")
            except Gone as error:
                wrong.append(str(error))

        readers = [threading.Thread(target=load, args=(place,)) for place in range(2)]
        started = time.monotonic()
        for reader in readers:
            reader.start()
        back = True
        while trial.goes_on():
            before, served = len(wrong), sum(counts)
            status = client.status("REEMBED rollback" if back else "REEMBED switch")
            back = not back
            # Some answers of the one, before the other.
            end = time.monotonic() + 20
            while sum(counts) < served + 20 and time.monotonic() < end and len(wrong) == before:
                time.sleep(0.01)
            trial.count(status.startswith("OK") and len(wrong) == before, f"{status} {wrong[before:before + 2]}")
        stop.set()
        for reader in readers:
            reader.join()
        trial.note(f"{sum(counts)} searches, {sum(counts) / (time.monotonic() - started):.0f} a second")
        trial.must(daemon.stop() == 0, "it ends with 0")


@row(23, "inserts, searches and deletions at once", full=3600, quick=60, weight=1)
def all_at_once(trial):
    """Writers, readers, snapshots side by side, a second a try: every hit was live at some moment of its search, and none is lost."""
    world = trial.world
    archive = world.archive(cases=100)
    births, deaths, lock = {f"c{number}": 0.0 for number in range(100)}, {}, threading.Lock()
    wrong, stop, counts = [], threading.Event(), {"changes": 0, "searches": 0, "snapshots": 0}

    def writer(place):
        spread = random.Random(f"{trial.seed}/{place}")
        mine = []
        try:
            with daemon.client() as client:
                number = 0
                while not stop.is_set():
                    number += 1
                    if mine and spread.random() < 0.4:
                        name = mine.pop(spread.randrange(len(mine)))
                        status = client.status(f"DELETE id={name}")
                        with lock:
                            deaths[name] = time.monotonic()
                    else:
                        name = f"w{place}-{number}"
                        with lock:
                            births[name] = time.monotonic()
                        status = client.status(f"PUT id={name} report=\"{report(place * 40000 + number)}\"")
                        mine.append(name)
                    counts["changes"] += 1
                    if not status.startswith("OK"):
                        wrong.append(status)
        except Gone as error:
            wrong.append(f"a writer: {error}")

    def reader(place):
        spread = random.Random(f"{trial.seed}/reader {place}")
        try:
            with daemon.client() as client:
                while not stop.is_set():
                    started = time.monotonic()
                    line = spread.choice([
                        "SEARCH text=\"left pleural effusion\" k=20 mode=vector", "SEARCH text=\"no fracture\" k=20",
                        f"SEARCH id=c{spread.randrange(100)} k=20", "SEARCH text=\"nodule\" k=50 exact=1 mode=vector"])
                    objects, status = client.ask(line)
                    counts["searches"] += 1
                    with lock:
                        dead = [hit["id"] for hit in objects if deaths.get(hit["id"], 1e18) < started]
                        unborn = [hit["id"] for hit in objects if hit["id"] not in births]
                    if not status.startswith("OK") or dead or unborn or len({hit["id"] for hit in objects}) != len(objects):
                        wrong.append(f"{line}: {status}, dead {dead[:3]}, unborn {unborn[:3]}")
        except Gone as error:
            wrong.append(f"a reader: {error}")

    with Daemon(world, archive) as daemon:
        threads = [threading.Thread(target=writer, args=(place,)) for place in range(2)]
        threads += [threading.Thread(target=reader, args=(place,)) for place in range(3)]
        for thread in threads:
            thread.start()
        with daemon.client() as client:
            while trial.goes_on():
                before = len(wrong)
                if trial.tried % 5 == 4:
                    snapshot = world.file("snapshot")
                    status = client.status(f"SNAPSHOT to={snapshot}")
                    counts["snapshots"] += 1
                    if not status.startswith("OK"):
                        wrong.append(status)
                    world.forget(snapshot)
                time.sleep(1)
                trial.count(len(wrong) == before, f"{wrong[before:before + 3]}")
            stop.set()
            for thread in threads:
                thread.join()
            live = len(births) - len(deaths)
            status = client.status("COUNT")
            trial.must(status == f"OK count={live}", f"{status}, and {live} are live")
        trial.must(daemon.stop() == 0, "it ends with 0")
    sound, words = world.check(archive)
    trial.must(sound, "the archive is sound" if sound else words)
    compacted = world.run("compact", archive)
    words = "" if compacted.status == 0 else compacted.words()
    trial.must(compacted.status == 0 and world.check(archive)[0], f"and so it is after compacting {words}")
    trial.note(", ".join(f"{count} {name}" for name, count in counts.items()))


def check_figures(world, archive, recall=True):
    words = ["check", archive, "--deep", "--json"] + (["--recall", "100"] if recall else [])
    call = world.run(*words, limit=1200)
    return call, call.object() if call.out.startswith("{") else {}


@row(24, "churn and duplicates", full=100, quick=20, weight=2)
def churn(trial):
    """Cycles that replace 5 % of an archive in which 60 % of the reports are copies; then what a search starts from goes, then 99 %."""
    world = trial.world
    size = 1500
    spread = trial.random
    templates = [report(number) for number in range(40)]

    def text(number):
        return spread.choice(templates) if spread.random() < 0.6 else report(number)

    archive = world.archive()
    number, live = size, [f"d{place}" for place in range(size)]
    with Daemon(world, archive) as daemon, daemon.client() as client:

        def put(name, words):
            return f"PUT id={name} report=\"{words}\""

        def all_of(lines):
            bad = []
            for start in range(0, len(lines), 32):
                part = lines[start : start + 32]
                for line in part:
                    client.send(line)
                bad += [status for _, status in (client.reply() for _ in part) if not status.startswith("OK")]
            return bad

        bad = all_of([put(name, text(place)) for place, name in enumerate(live)])
        trial.must(not bad, f"{size} cases are stored {bad[:1] or ''}")
        while trial.goes_on():
            lines = []
            for _ in range(size // 20):
                place = spread.randrange(len(live))
                number += 1
                if spread.random() < 0.5:
                    lines.append(put(live[place], text(number)))
                else:
                    lines += [f"DELETE id={live[place]}", put(f"d{number}", text(number))]
                    live[place] = f"d{number}"
            bad = all_of(lines)
            missing = []
            for name in spread.sample(live, 10):
                # A case is found by its own vector, or a copy of it fills its place with the same score.
                objects, status = client.ask(f"SEARCH id={name} k=1")
                if not status.startswith("OK") or not objects or objects[0]["score"] < 0.9999:
                    missing.append(name)
            trial.count(not bad and not missing, f"cycle {trial.tried}: {bad[:2]} not found: {missing[:3]}")
        trial.must(daemon.stop() == 0, "the daemon ends with 0")
    _, figures = check_figures(world, archive)
    # The same cases in a new archive.
    rebuilt = world.file("rebuilt")
    world.must("init", rebuilt, "--model", world.model)
    manifest = world.file("cases.jsonl")
    with Daemon(world, archive) as daemon, daemon.client() as client, open(manifest, "w") as file:
        for name in live:
            objects, _ = client.ask(f"GET id={name} with=report")
            file.write(json.dumps({"id": name, "report": objects[0]["report"]}) + "\n")
        daemon.stop()
    world.must("index", rebuilt, manifest, "--quiet")
    _, fresh = check_figures(world, rebuilt)
    compare(trial, figures, fresh, "after the cycles")
    # What a search starts from goes: whichever it is, nearly all cases go, one in a hundred stays.
    with Daemon(world, archive) as daemon, daemon.client() as client:
        kept = set(spread.sample(live, size // 100))
        for name in live:
            if name not in kept:
                client.send(f"DELETE id={name}")
                client.reply()
        for name in kept:
            objects, status = client.ask(f"SEARCH id={name} k=1")
            if not objects or objects[0]["score"] < 0.9999:
                trial.must(False, f"{name} is not found after 99 % went: {status}")
        status = client.status("COUNT")
        trial.must(status == f"OK count={len(kept)}", f"after 99 % were deleted: {status}")
        trial.must(daemon.stop() == 0, "the daemon ends with 0")
    call, figures = check_figures(world, archive, recall=False)
    trial.must(call.status == 0, f"it is sound then: {call.words() if call.status else 'check --deep'}")
    shutil.rmtree(rebuilt)


def compare(trial, figures, fresh, when):
    graph, other = figures.get("graphs", {}).get("report", {}), fresh.get("graphs", {}).get("report", {})
    lost = graph.get("vectors", 0) - graph.get("found", -1)
    trial.must(figures.get("clean"), f"{when} it is sound {figures.get('findings', '')}")
    trial.must(lost == 0, f"{when} {lost} of {graph.get('vectors')} vectors are not found by their own search")
    recall, rebuilt = graph.get("recall", 0), other.get("recall", 0)
    trial.must(recall >= rebuilt - 0.005, f"{when} recall@10 is {recall:.4f}, and {rebuilt:.4f} built anew; half a point less at most")
