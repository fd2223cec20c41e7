"""The rows, and the run that gives each its time and counts what it tried."""

import random
import time

ROWS = {}


class NotHere(Exception):
    """A row cannot run on this machine; the reason is its text."""


class Row:
    """One fault: its number in the table, what a full night tries, what twenty minutes try, and how much time it gets."""

    def __init__(self, number, title, full, quick, weight, share, prepare, code):
        self.number, self.title, self.full, self.quick = number, title, full, quick
        self.weight, self.share, self.prepare, self.code = weight, share, prepare, code

    def needed(self, minutes):
        """How many tries a run of so many minutes owes."""
        return max(1, min(self.full, round(self.quick * minutes / 20)))


def row(number, title, full, quick, weight, share=1.0, prepare=lambda world: None):
    """Registers a function as a row; `share` of its tries must survive. A row of the table may have parts, such as 16 and 16b.

    `prepare` is called with the world before the clock starts.
    """

    def register(code):
        ROWS[str(number)] = Row(str(number), title, full, quick, weight, share, prepare, code)
        return code

    return register


class Trial:
    """What a row gets: its random numbers, its clock and its counters."""

    def __init__(self, row, world, seed, minutes, seconds):
        self.row, self.world = row, world
        self.seed = seed
        self.random = random.Random(f"{seed}/{row.number}")
        self.needed = row.needed(minutes)
        self.full = row.full
        self.end = time.monotonic() + seconds
        self.tried = self.survived = 0
        self.failures = []
        self.notes = []
        self.conditions = []

    def goes_on(self):
        """Whether another try is due: there is time, or too few were made and not everything fails."""
        if self.tried >= self.full:
            return False
        if time.monotonic() < self.end:
            return True
        # A busy machine may be slow; a row then takes up to three times its share to reach what it owes.
        return self.tried < self.needed and time.monotonic() < self.end + 2 * max(30, self.end - self.started)

    def begin(self):
        self.started = time.monotonic()

    def count(self, survived, why=""):
        """One try."""
        self.tried += 1
        if survived:
            self.survived += 1
        else:
            self.failures.append(why)

    def note(self, text):
        """A figure for people."""
        self.notes.append(text)

    def must(self, holds, text):
        """A condition of the row besides its tries."""
        self.conditions.append((bool(holds), text))

    def result(self, missing=None):
        holds = (
            missing is None and self.tried >= self.needed and self.survived >= self.row.share * self.tried
            and all(holds for holds, _ in self.conditions)
        )
        part = "all" if self.row.share == 1 else f"{self.row.share:.0%}"
        return {
            "figure": f"row {self.row.number}: {self.row.title}",
            "value": self.survived,
            "target": f"{part} of at least {self.needed} tried (in full {self.full})",
            "tried": self.tried,
            "holds": holds,
            "notes": self.notes + [("" if ok else "NOT HELD: ") + text for ok, text in self.conditions],
            "failures": self.failures[:20],
            "failed": len(self.failures),
            **({"not_run_here": missing} if missing else {}),
        }
