"""Embedding on Slurm: a two-node cluster on this machine, one node of which dies in the middle of the array."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from typing import Dict, List

from world import CLUSTER, Failure, World, until

CONF = """
ClusterName=hiluminone
SlurmctldHost=localhost
SlurmctldPort={controller}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# A task waits so long before it is done again, 120 seconds without this.
AuthInfo=socket={folder}/munge.sock,cred_expire=6
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/controller.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/controller.log
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
# A node that is silent for so long is down, and its tasks go elsewhere.
SlurmdTimeout=5
SlurmctldTimeout=5
KillWait=2
MinJobAge=300
SchedulerParameters=sched_interval=1,batch_sched_delay=0,bf_interval=1
NodeName=n1 NodeHostname=localhost NodeAddr=127.0.0.1 Port={first} CPUs=1 State=UNKNOWN
NodeName=n2 NodeHostname=localhost NodeAddr=127.0.0.1 Port={second} CPUs=1 State=UNKNOWN
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
"""


class Slurm:
    """A controller and two nodes."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.folder = world.path("slurm")
        for name in ("state", "spool.n1", "spool.n2"):
            os.makedirs(f"{self.folder}/{name}")
        ports = free_ports(3)
        with open(f"{self.folder}/slurm.conf", "w") as file:
            file.write(CONF.format(folder=self.folder, controller=ports[0], first=ports[1], second=ports[2]))
        with open(os.open(f"{self.folder}/munge.key", os.O_WRONLY | os.O_CREAT, 0o400), "wb") as file:
            file.write(os.urandom(1024))
        self.environment = dict(os.environ, SLURM_CONF=f"{self.folder}/slurm.conf", HILUM_PROGRAM=world.program)
        munge = [f"--key-file={self.folder}/munge.key", f"--socket={self.folder}/munge.sock",
                 f"--pid-file={self.folder}/munge.pid", f"--log-file={self.folder}/munge.log",
                 f"--seed-file={self.folder}/munge.seed"]
        world.start("munged", "--foreground", "--force", *munge, log="munged")
        until(lambda: os.path.exists(f"{self.folder}/munge.sock"), "munged")
        world.start("slurmctld", "-D", log="slurmctld", env=self.environment)
        self.nodes = {name: self.node(name) for name in ("n1", "n2")}
        until(lambda: self.states() == {"n1": "idle", "n2": "idle"}, "both nodes", pause=0.2)

    def node(self, name: str) -> "subprocess.Popen[bytes]":
        return self.world.start("slurmd", "-D", "-N", name, log=f"slurmd-{name}", env=self.environment)

    def ask(self, *arguments: str) -> str:
        done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self.environment)
        return done.stdout

    def states(self) -> Dict[str, str]:
        return dict(row.split() for row in self.ask("sinfo", "-h", "-N", "-o", "%N %t").splitlines() if len(row.split()) == 2)

    def submit(self, *arguments: str) -> List[str]:
        done = subprocess.run(
            [f"{CLUSTER}/slurm/submit", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=self.environment, cwd=self.folder)
        if done.returncode:
            raise Failure(f"submit: {done.stderr}")
        return done.stdout.split()

    def tasks(self, job: str) -> List[str]:
        """The states of all tasks of a job."""
        rows = self.ask("scontrol", "show", "job", job, "-o").splitlines()
        return [word[len("JobState="):] for row in rows for word in row.split() if word.startswith("JobState=")]

    def wait(self, job: str, seconds: float) -> None:
        def is_over() -> bool:
            states = self.tasks(job)
            bad = [state for state in states if state in ("FAILED", "CANCELLED", "TIMEOUT", "DEADLINE", "BOOT_FAIL")]
            if bad:
                raise Failure(f"a job of Slurm ended as {bad[0]}; see {self.folder}")
            return bool(states) and all(state == "COMPLETED" for state in states)

        until(is_over, f"job {job} of Slurm", seconds, pause=0.2)

    def children(self, name: str) -> List[int]:
        """The steps of a node and what they run; a machine that dies takes them along."""
        found = []
        for number in os.listdir("/proc"):
            if not number.isdigit():
                continue
            try:
                with open(f"/proc/{number}/environ", "rb") as file:
                    variables = file.read()
            except OSError:
                continue
            if f"SLURMD_NODENAME={name}\0".encode() in variables and self.folder.encode() in variables:
                found.append(int(number))
        return found

    def kill(self, name: str) -> int:
        """Kills a node with all that it runs, as when its machine dies; how many processes that were."""
        self.world.kill(self.nodes[name])
        killed = 0
        # A step may start another process meanwhile.
        for _ in range(3):
            tasks = self.children(name)
            # The steps first: one that lives would say that its task has failed, which a dead machine cannot.
            for number in [*{step for task in tasks for step in self.steps(task)}, *tasks]:
                try:
                    os.kill(number, 9)
                    killed += 1
                except ProcessLookupError:
                    pass
            time.sleep(0.05)
        return killed

    @staticmethod
    def steps(number: int) -> List[int]:
        """The slurmstepd above a process."""
        while number > 1:
            try:
                with open(f"/proc/{number}/stat") as file:
                    above = int(file.read().rpartition(")")[2].split()[1])
                if os.path.basename(os.readlink(f"/proc/{above}/exe")).startswith("slurmstepd"):
                    return [above]
            except OSError:
                return []
            number = above
        return []


def free_ports(count: int) -> List[int]:
    ends = [socket.socket() for _ in range(count)]
    for end in ends:
        end.bind(("127.0.0.1", 0))
    ports = [end.getsockname()[1] for end in ends]
    for end in ends:
        end.close()
    return ports


def exported(world: World, archive: str) -> Dict[str, bytes]:
    """The vectors of an archive and what its lines say, without the seals."""
    folder = archive + ".exported"
    world.run("export", archive, folder, "--with", "fields,report,path", "--quiet")
    found = {}
    for kind in ("images", "reports"):
        with open(f"{folder}/{kind}.npy", "rb") as file:
            found[kind] = file.read()
        with open(f"{folder}/{kind}.jsonl", encoding="utf-8") as lines:
            rows = [json.loads(row) for row in lines]
        for row in rows:
            row.pop("seal", None)
        found[kind + " lines"] = json.dumps(rows).encode()
    return found


def run(world: World) -> None:
    """Leaves the archive `merged` behind, and the one of a single run, `single`."""
    slurm = Slurm(world)
    parts, count = world.path("parts"), world.parts
    began = time.monotonic()
    array, merge = slurm.submit("embed", world.path("merged"), world.path("cases", "cases.jsonl"), parts, str(count))
    until(lambda: slurm.children("n2"), "a task on the second node")
    killed = slurm.kill("n2")
    at = time.monotonic()
    slurm.wait(array, 1800)
    requeued = slurm.ask("scontrol", "show", "job", array, "-o").count("Restarts=1")
    slurm.wait(merge, 600)
    seconds = time.monotonic() - began
    there = sum(os.path.exists(f"{parts}/part-{part}-of-{count}.npy") for part in range(1, count + 1))
    world.figure("slurm parts there after a node was killed", f"{there}/{count}", f"{count}/{count}", there == count)
    world.figure("slurm tasks done again", requeued, ">= 1", requeued >= 1 and killed > 0)
    world.figure("slurm array and merge, seconds", round(seconds, 1), "measured", True)
    world.figure("slurm seconds from the kill to the merged archive", round(time.monotonic() - at, 1), "measured", True)
    # The node comes back for what follows.
    slurm.nodes["n2"] = slurm.node("n2")

    single = world.path("single")
    world.run("embed", "--manifest", world.path("cases", "cases.jsonl"), "--with", "fields,report,path", "--quiet",
              "--out", world.path("whole.npy"))
    world.run("init", single)
    world.run("import", single, world.path("whole.npy"), "--quiet")
    one, other = exported(world, world.path("merged")), exported(world, single)
    same = [name for name in one if one[name] == other[name]]
    world.figure("merged vectors and lines equal to a single run", f"{len(same)}/{len(one)}", "4/4, byte for byte",
                 len(same) == len(one) == 4)
    stats = json.loads(world.run("stats", world.path("merged"), "--json"))
    world.figure("cases in the merged archive", stats["cases"], str(world.cases), stats["cases"] == world.cases)

    again = slurm.submit("embed", world.path("merged"), world.path("cases", "cases.jsonl"), parts, str(count))
    slurm.wait(again[1], 600)
    stats = json.loads(world.run("stats", world.path("merged"), "--json"))
    world.figure("cases after the same run again", stats["cases"], str(world.cases), stats["cases"] == world.cases)
    os.rename(f"{parts}/part-1-of-{count}.npy", world.path("away.npy"))
    spoiled = world.path("spoiled")
    world.run("init", spoiled)
    said = subprocess.run(
        [world.program, "import", spoiled, *(f"{parts}/part-{part}-of-{count}.npy" for part in range(2, count + 1)),
         "--quiet", "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    world.figure("a part that is missing is named", f"exit {said.returncode}", "exit 3, part 1 named",
                 said.returncode == 3 and f"part 1/{count}" in said.stdout)
    os.rename(world.path("away.npy"), f"{parts}/part-1-of-{count}.npy")

    # Another model for the same cases, made of one step of training, and the switch.
    model = world.path("other-model")
    world.run("train", "--data", world.path("few"), "--init", "builtin", "--out", model, "--steps", "1", "--batch", "2",
              "--quiet")
    archive = world.path("reembedded")
    world.run("init", archive)
    world.run("import", archive, world.path("whole.npy"), "--quiet")
    jobs = slurm.submit("reembed", archive, world.path("cases", "cases.jsonl"), world.path("new-parts"), str(count), model)
    slurm.wait(jobs[1], 1800)
    stats = json.loads(world.run("stats", archive, "--json"))
    world.figure("generation after reembed.sbatch", stats["generation"], "2", stats["generation"] == 2)
