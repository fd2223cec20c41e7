"""The truth about an archive: what was acknowledged, and what was asked and never answered."""

from .daemon import Gone
from .images import noise
from .world import quoted, report

ABSENT = None


class Ledger:
    """Cases by id with the report each must have; of an unanswered change, every state it may have left."""

    def __init__(self, random, with_images=False):
        self.random, self.with_images = random, with_images
        self.live = {}
        self.unsure = {}
        self.next = 0
        self.acknowledged = 0

    def change(self, deletes=True):
        """Draws a change: (id, report or ABSENT)."""
        self.next += 1
        if deletes and self.live and self.random.random() < 0.15:
            return self.random.choice(list(self.live)), ABSENT
        if self.live and self.random.random() < 0.2:
            return self.random.choice(list(self.live)), report(self.next)
        return f"k{self.next}", report(self.next)

    @staticmethod
    def line(change):
        name, text = change
        return f"DELETE id={name}" if text is ABSENT else f"PUT id={name} view=PA report={quoted(text)}"

    def asked(self, change):
        """The change is under way: its case has the state before or after it."""
        name, text = change
        self.unsure.setdefault(name, [self.live.get(name)]).append(text)

    def answered(self, change, status):
        """OK makes it certain; an error leaves the case as it was."""
        name, text = change
        states = self.unsure[name]
        if status.startswith("OK"):
            self.acknowledged += 1
            self.set(name, text)
            # Later changes of the same case may still be under way.
            states[:] = states[states.index(text, 1):]
        elif status.startswith("ERR NOTFOUND"):
            self.set(name, ABSENT)
        if len(states) <= 1 or not status.startswith("OK"):
            self.unsure.pop(name, None)

    def set(self, name, text):
        if text is ABSENT:
            self.live.pop(name, None)
        else:
            self.live[name] = text

    def apply(self, client, count, window=1):
        """Makes `count` changes, `window` of them in flight, none two of one case. Returns the statuses; raises Gone with the daemon."""
        pending, statuses = [], []
        while count > 0 or pending:
            while count > 0 and len(pending) < window:
                change = self.change()
                if any(change[0] == other[0] for other in pending):
                    continue
                count -= 1
                self.asked(change)
                pending.append(change)
                if self.with_images and change[1] is not ABSENT and self.random.random() < 0.5:
                    # An image that no other case has: a file of its own in the archive.
                    image = noise(self.random)
                    client.send(f"{self.line(change)} bytes={len(image)}", image)
                else:
                    client.send(self.line(change))
            change = pending[0]
            status = client.reply()[1]
            pending.pop(0)
            self.answered(change, status)
            statuses.append(status)
        return statuses

    def verify(self, client, only=None):
        """Reads every case back; settles what was unsure. Returns what is wrong, in words."""
        wrong = []
        names = list(only) if only is not None else [*self.live, *(name for name in self.unsure if name not in self.live)]
        for start in range(0, len(names), 32):
            part = names[start : start + 32]
            for name in part:
                client.send(f"GET id={name} with=report")
            for name in part:
                objects, status = client.reply()
                if status.startswith("OK") and objects:
                    found = objects[0].get("report")
                elif status.startswith("ERR NOTFOUND"):
                    found = ABSENT
                else:
                    wrong.append(f"{name}: {status}")
                    continue
                allowed = self.unsure.get(name, [self.live.get(name)])
                if found not in allowed:
                    what = "lost" if found is ABSENT else "a ghost" if allowed == [ABSENT] else "another report"
                    wrong.append(f"{name}: {what}")
                self.unsure.pop(name, None)
                self.set(name, found)
        if only is None and not wrong:
            status = client.status("COUNT")
            if status != f"OK count={len(self.live)}":
                wrong.append(f"{status}, and {len(self.live)} cases are live")
        return wrong


def verified(daemon, ledger):
    """What is wrong with the cases of a daemon, or why it could not be asked."""
    try:
        with daemon.client() as client:
            return ledger.verify(client)
    except Gone as error:
        return [f"the daemon is gone: {error}; {daemon.words()}"]
