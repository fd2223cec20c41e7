"""Row 7: a store that is damaged. The program refuses in words or answers rightly; it never dies by a signal and never answers wrongly."""

import os
import struct

from .daemon import Daemon, Gone
from .run import row
from .world import report

PAGE = 4096
CASES = 160


class Whole:
    """A sound archive, and the right answers to questions about it."""

    def __init__(self, trial):
        self.world = trial.world
        # What became of damaged archives: refused when opened, refused some questions or answered all rightly.
        self.outcomes = {"refused at open": 0, "refused questions": 0, "answered all": 0}
        self.archive = self.world.archive(cases=CASES)
        # Changes after the checkpoint, deletions and free pages belong to what can be damaged.
        with Daemon(self.world, self.archive) as daemon, daemon.client() as client:
            for number in range(20):
                client.status(f"PUT id=c{number} report=\"{report(number + 1000)}\"")
            for number in range(20, 30):
                client.status(f"DELETE id=c{number}")
            daemon.kill()
        self.questions = [f"GET id=c{number} with=report" for number in range(CASES)]
        self.questions += ["COUNT", "COUNT n=40..60", "GET id=none", "FACET by=n k=1000"]
        self.questions += [f"SEARCH id=c{number} k=5 exact=1" for number in range(30, CASES, 20)]
        self.questions += [f"SEARCH text=\"{words}\" k=5" for words in ("left effusion", "no fracture", "mass")]
        with open(self.archive + "/data.mdb", "rb") as file:
            self.bytes = file.read()
        with Daemon(self.world, self.archive) as daemon, daemon.client() as client:
            self.answers = ask(client, self.questions)
            daemon.kill()
        # Opening may write; the bytes that are damaged are those that were answered from.
        with open(self.archive + "/data.mdb", "wb") as file:
            file.write(self.bytes)


def ask(client, questions):
    answers = []
    for start in range(0, len(questions), 32):
        part = questions[start : start + 32]
        for question in part:
            client.send(question)
        for _ in part:
            objects, status = client.reply()
            # Times differ from call to call.
            words = [word for word in status.split() if not word.startswith(("us=", "visited="))]
            answers.append((objects, " ".join(words)))
    return answers


def trouble(whole, archive, running=None):
    """Why a damaged archive did not survive; empty if it did. `running` damages it while the daemon serves."""
    world = whole.world
    wrong = []
    daemon = Daemon(world, archive, wait=False)
    try:
        daemon.wait(60)
        if running:
            running()
        with daemon.client() as client:
            answers, refused = ask(client, whole.questions), 0
            for question, answer, right in zip(whole.questions, answers, whole.answers):
                is_refused = answer[1].startswith("ERR ") and not answer[1].startswith("ERR NOTFOUND")
                refused += is_refused
                if answer != right and not is_refused:
                    wrong.append(f"{question.split(' report')[0]}: {answer[1]} in place of {right[1]}")
            whole.outcomes["refused questions" if refused else "answered all"] += 1
            status = client.status("PUT id=new report=\"a new case\"")
            if status.startswith("OK") and not client.status("GET id=new").startswith("OK"):
                wrong.append("an acknowledged case is not there")
    except Gone as error:
        status = daemon.process.poll()
        if status is None:
            status = daemon.ended(2)
        if not isinstance(status, int) or status < 0:
            return [f"the daemon ended by a signal or hung ({status}): {error}"]
        if not daemon.words().strip():
            return ["refused without a sentence"]
        whole.outcomes["refused at open"] += 1
        return wrong
    finally:
        daemon.kill()
    return wrong


# The kinds of damage; each changes a bytearray.


def truncated(data, random):
    del data[random.randrange(len(data)) :]


def zeroed(data, random):
    page = random.randrange(len(data) // PAGE) * PAGE
    data[page : page + PAGE] = bytes(PAGE)


def filled(data, random):
    page = random.randrange(len(data) // PAGE) * PAGE
    data[page : page + PAGE] = random.randbytes(PAGE)


def swapped(data, random):
    one, two = (random.randrange(2, len(data) // PAGE) * PAGE for _ in range(2))
    data[one : one + PAGE], data[two : two + PAGE] = data[two : two + PAGE], data[one : one + PAGE]


def flipped(data, random):
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def header(data, random):
    data[random.randrange(len(data) // PAGE) * PAGE + random.randrange(16)] ^= random.randrange(1, 256)


def meta(data, random):
    place = random.randrange(2) * PAGE + random.randrange(0, PAGE - 511, 8)
    data[place : place + 512] = random.randbytes(512)


def rolled_back(data, random):
    """A page as it was: the newer meta page has the older one's bytes."""
    numbers = [struct.unpack_from("<Q", data, page * PAGE + 16 + 128)[0] for page in range(2)]
    newer, older = (0, 1) if numbers[0] > numbers[1] else (1, 0)
    data[newer * PAGE : newer * PAGE + PAGE] = data[older * PAGE : older * PAGE + PAGE]
    data[newer * PAGE] = data[newer * PAGE] if random.random() < 0.5 else newer


KINDS = [truncated, zeroed, filled, swapped, flipped, header, meta, rolled_back]


def write(archive, data):
    with open(archive + "/data.mdb", "wb") as file:
        file.write(data)


@row(7, "a damaged store: eight kinds", full=4000, quick=120, weight=4)
def damaged(trial):
    whole = Whole(trial)
    world = trial.world
    archive = world.copy(whole.archive)
    counts = dict.fromkeys((kind.__name__ for kind in KINDS), 0)
    while trial.goes_on():
        kind = KINDS[trial.tried % len(KINDS)]
        data = bytearray(whole.bytes)
        kind(data, trial.random)
        write(archive, data)
        world.forget(archive + "/lock.mdb")
        wrong = trouble(whole, archive)
        if not wrong and trial.tried % 8 == 0:
            call = world.run("check", archive, "--deep", "--json")
            if call.was_signalled:
                wrong = [f"check ended with {call.status}: {call.words()}"]
        counts[kind.__name__] += 1
        trial.count(not wrong, f"{kind.__name__} (seed {trial.seed}, try {trial.tried}): {wrong[:3]}")
    trial.note(", ".join(f"{name} {count}" for name, count in counts.items()))
    trial.note(", ".join(f"{count} {name}" for name, count in whole.outcomes.items()))


@row("7b", "meta pages bit by bit", full=2 * 152 * 8, quick=80, weight=2)
def meta_bits(trial):
    """Every bit of the header and the fields of both meta pages, flipped alone; in a short run a sample of them."""
    whole = Whole(trial)
    world = trial.world
    archive = world.copy(whole.archive)
    bits = [(page, byte, bit) for page in range(2) for byte in range(152) for bit in range(8)]
    trial.random.shuffle(bits)
    for page, byte, bit in bits:
        if not trial.goes_on():
            break
        data = bytearray(whole.bytes)
        data[page * PAGE + byte] ^= 1 << bit
        write(archive, data)
        world.forget(archive + "/lock.mdb")
        wrong = trouble(whole, archive)
        trial.count(not wrong, f"bit {bit} of byte {byte} of meta page {page}: {wrong[:3]}")
    trial.note(", ".join(f"{count} {name}" for name, count in whole.outcomes.items()))


@row("7c", "a store truncated while it is served", full=500, quick=20, weight=1)
def truncated_while_served(trial):
    whole = Whole(trial)
    world = trial.world
    archive = world.copy(whole.archive)
    while trial.goes_on():
        write(archive, whole.bytes)
        world.forget(archive + "/lock.mdb")
        length = trial.random.randrange(len(whole.bytes))
        wrong = trouble(whole, archive, running=lambda length=length: os.truncate(archive + "/data.mdb", length))
        trial.count(not wrong, f"cut to {length} of {len(whole.bytes)} bytes: {wrong[:3]}")
    trial.note(", ".join(f"{count} {name}" for name, count in whole.outcomes.items()))
