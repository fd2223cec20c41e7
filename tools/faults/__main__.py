"""Runs the rows; called by tools/torture."""

import argparse
import glob
import importlib
import json
import os
import signal
import sys
import time
import traceback

from .run import ROWS, NotHere, Trial
from .world import World


for family in sorted(glob.glob(os.path.dirname(__file__) + "/*.py")):
    name = os.path.basename(family)[:-3]
    if not name.startswith("__"):
        importlib.import_module("." + name, __package__)


def options():
    parser = argparse.ArgumentParser(prog="tools/torture", add_help=False)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", default="")
    parser.add_argument("--program", required=True)
    parser.add_argument("--work", default=".build/torture")
    parser.add_argument("--sanitized", default="")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def number(name):
    digits = "".join(letter for letter in name if letter.isdigit())
    return int(digits), name


def main():
    chosen = options()
    rows = sorted(ROWS.values(), key=lambda row: number(row.number))
    if chosen.rows:
        wanted = set(chosen.rows.split(","))
        unknown = wanted - set(ROWS) - {str(number(name)[0]) for name in ROWS}
        if unknown:
            print(f"torture: there is no row {', '.join(sorted(unknown))}; --list shows them", file=sys.stderr)
            return 2
        rows = [row for row in rows if row.number in wanted or str(number(row.number)[0]) in wanted]
    if chosen.list:
        for row in rows:
            print(f"{row.number:>4}  {row.title}: {row.needed(chosen.minutes)} in {chosen.minutes:g} minutes, {row.full} in full")
        return 0
    world = World(chosen.program, chosen.work, chosen.keep, chosen.sanitized)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    record = Record(chosen, world, rows)
    results = record.results
    was_interrupted = False
    try:
        world.prepare()
        for row in rows:
            row.prepare(world)
        run(rows, chosen, world, record)
    except KeyboardInterrupt:
        print("torture: interrupted; --resume goes on with the next row", file=sys.stderr)
        was_interrupted = True
    finally:
        world.end()
    if not chosen.json:
        table(results)
    for entry in results:
        print(json.dumps({key: value for key, value in entry.items() if key not in ("notes", "failures", "failed", "took")}))
    if was_interrupted:
        return 130
    return 0 if all(entry["holds"] for entry in results) else 1


def run(rows, chosen, world, record):
    """Each row gets its share of the time that is left, so that what a quick row leaves over goes to those after it. With --rows, each
    gets what it would have among all."""
    weight = sum(row.weight for row in ROWS.values())
    end = time.monotonic() + chosen.minutes * 60 - sum(entry["took"] for entry in record.results)
    for place, row in enumerate(rows):
        if place < len(record.results):
            continue
        if chosen.rows:
            seconds = chosen.minutes * 60 * row.weight / weight
        else:
            seconds = max(1, end - time.monotonic()) * row.weight / sum(row.weight for row in rows[place:])
        record.add(result(row, world, chosen, max(5, seconds)))
        show(record.results[-1], chosen.json)


class Record:
    """What the rows came to, in a file of the work folder after each, so that a run that was broken off can go on."""

    def __init__(self, chosen, world, rows):
        self.path = os.path.join(world.work, "results.json")
        status = os.stat(chosen.program)
        self.run = {
            "minutes": chosen.minutes, "seed": chosen.seed, "rows": [row.number for row in rows], "program": chosen.program,
            "changed": status.st_mtime, "bytes": status.st_size,
        }
        self.results = []
        if chosen.resume and os.path.exists(self.path):
            with open(self.path) as file:
                former = json.load(file)
            if former["run"] != self.run:
                raise SystemExit("torture: the run before had other rows, minutes, another seed or program; leave out --resume to begin anew")
            self.results = former["results"]

    def add(self, entry):
        self.results.append(entry)
        with open(self.path + ".new", "w") as file:
            json.dump({"run": self.run, "results": self.results}, file)
        os.replace(self.path + ".new", self.path)


def result(row, world, chosen, seconds):
    trial = Trial(row, world, chosen.seed, chosen.minutes, seconds)
    trial.begin()
    missing = None
    try:
        row.code(trial)
    except NotHere as reason:
        missing = str(reason)
    except KeyboardInterrupt:
        raise
    except Exception as error:
        # A harness that breaks has proven nothing: that is a try that did not survive.
        trial.count(False, "the harness broke: " + "".join(traceback.format_exception(error))[-1200:])
    for process in list(world.processes):
        process.kill()
        process.wait()
        world.processes.discard(process)
    entry = trial.result(missing)
    entry["took"] = round(time.monotonic() - trial.started, 1)
    if not world.keep and entry["failed"] == 0:
        for name in os.listdir(world.scratch):
            world.forget(os.path.join(world.scratch, name))
    return entry


def show(entry, is_quiet):
    if is_quiet:
        return
    state = "held" if entry["holds"] else "not run here" if "not_run_here" in entry else "NOT HELD"
    print(f"{entry['figure']}: {entry['value']} of {entry['tried']} survived in {entry['took']} s, {state}", file=sys.stderr)
    for note in entry["notes"]:
        print(f"    {note}", file=sys.stderr)
    for failure in entry["failures"][:5]:
        print("    " + failure.replace("\n", "\n    "), file=sys.stderr)
    if entry["failed"] > 5:
        print(f"    … and {entry['failed'] - 5} more", file=sys.stderr)


def table(results):
    width = max(len(entry["figure"]) for entry in results)
    print(f"{'fault':<{width}}  {'tried':>7}  {'survived':>8}  {'holds'}")
    for entry in results:
        holds = "yes" if entry["holds"] else "not run here: " + entry["not_run_here"] if "not_run_here" in entry else "NO"
        print(f"{entry['figure']:<{width}}  {entry['tried']:>7}  {entry['value']:>8}  {holds}")


if __name__ == "__main__":
    sys.exit(main())
