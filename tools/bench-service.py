"""Runs loads of clients against a daemon and its peers; tables, plots and figures against targets. See bench-service."""
import argparse, json, os, shutil, signal, socket, subprocess, sys, tempfile, time
from array import array
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "service"), str(HERE / "python")]
import numpy  # noqa: E402
import data, load, peers  # noqa: E402
import hilum  # noqa: E402
from hilum import requests  # noqa: E402

CLIENTS = [1, 8, 64]
K = 10
#: Requests below which percentiles say nothing.
FEWEST = 20
#: Conditions by the share of cases that they leave.
FILTERS = {"50 %": "half=0", "10 %": "tenth=0", "1 %": "hundredth=0"}


class Figures:
    def __init__(self):
        self.lines: list[dict] = []

    def at_least(self, name: str, value: float, target: float) -> None:
        self.lines.append({"figure": name, "value": round(value, 3), "target": target, "holds": bool(value >= target)})

    def at_most(self, name: str, value: float, target: float) -> None:
        self.lines.append({"figure": name, "value": round(value, 3), "target": f"<= {target}", "holds": bool(value <= target)})


class Server:
    """A process behind a Unix socket that answers PING."""

    def __init__(self, name: str, words: list, path: str, log: Path):
        self.name, self.path = name, path
        with open(log, "w") as errors:
            self.process = subprocess.Popen([str(word) for word in words], stdout=subprocess.DEVNULL, stderr=errors)
        end = time.monotonic() + 1800
        while True:
            try:
                load.run(path, [b"PING\n"], 1, 0)
                return
            except RuntimeError:
                if self.process.poll() is not None or time.monotonic() > end:
                    sys.exit(f"{name} did not start; see {log}")
                time.sleep(0.05)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(120)

    def resident(self) -> int:
        """The most bytes that it has held in memory."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


class Table:
    """What was measured, by server, kind of request and number of clients."""

    def __init__(self):
        self.loads: dict[tuple[str, str, int], load.Load] = {}

    def measure(self, server: Server, kind: str, lines: list[bytes], clients: int, seconds: float) -> load.Load:
        """Measures once more, and on while there is too little to say; what was measured before counts with it."""
        key = (server.name, kind, clients)
        for _ in range(10):
            got = load.run(server.path, lines, clients, seconds)
            if got.errors:
                sys.exit(f"{server.name}: {got.errors} of {len(got.latencies)} requests ({kind}) were refused")
            before = self.loads.get(key)
            if before:
                got = load.Load(before.seconds + got.seconds, array("d", sorted(before.latencies + got.latencies)),
                                before.own_us + got.own_us, before.own_count + got.own_count, 0)
            self.loads[key] = got
            if len(got.latencies) >= FEWEST:
                return got
        sys.exit(f"{server.name}: only {len(got.latencies)} requests ({kind}) in {got.seconds:g} s; is the machine busy with something else?")

    def print(self) -> None:
        row = "{:<8} {:<22} {:>7} {:>11} {:>9} {:>9} {:>9} {:>9}"
        print(row.format("server", "request", "clients", "requests/s", "p50 ms", "p99 ms", "p99.9 ms", "own ms"))
        for (server, kind, clients), got in self.loads.items():
            own = f"{got.own_ms:.3f}" if got.own_count else ""
            print(row.format(server, kind, clients, f"{got.rate:.0f}", *(f"{got.at(share):.3f}" for share in (0.5, 0.99, 0.999)), own))


def fetch_vectors(path: str, count: int, file: Path):
    """The vectors of all cases, as the daemon has them, in the order of their ids."""
    if not file.exists():
        vectors = numpy.zeros((count, data.DIMENSION), "f4")
        with hilum.Client(path, timeout=600) as client:
            for first in range(0, count, 2000):
                batch = [requests.get(f"c{number:07}", include="vector") for number in range(first, min(first + 2000, count))]
                for place, case in enumerate(client.pipeline(batch)):
                    if isinstance(case, hilum.HilumError):
                        raise case
                    vectors[first + place] = case.vectors["report"]
        numpy.save(file, vectors)
    return numpy.load(file)


def make_queries(vectors, count: int):
    """Vectors near stored ones, none of them stored."""
    generator = numpy.random.default_rng(5)
    noise = generator.standard_normal((count, vectors.shape[1])).astype("f4")
    noise *= 0.3 / numpy.linalg.norm(noise, axis=1, keepdims=True)
    queries = vectors[generator.integers(0, len(vectors), count)] + noise
    return queries / numpy.linalg.norm(queries, axis=1, keepdims=True)


def recall(path: str, queries, vectors) -> float:
    """The share of the ten nearest that a server finds."""
    found = 0
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    stream = connection.makefile("rb")
    scores = queries @ vectors.T
    for query, row in zip(queries, scores):
        connection.sendall(vector_line(query))
        names = []
        while (line := stream.readline()).startswith(b"{"):
            names.append(int(json.loads(line)["id"][1:]))
        # By score, as equal vectors may stand for one another.
        bound = numpy.partition(row, -K)[-K] - 1e-5
        found += sum(row[name] >= bound for name in names[:K])
    connection.close()
    return found / K / len(queries)


def vector_line(query, suffix: bytes = b"") -> bytes:
    return f"SEARCH {requests.search(vec=query, k=K).line.partition(' ')[2]}".encode() + suffix + b"\n"


def lines_of(kinds: dict, reports, queries, count: int) -> None:
    """The requests by kind."""
    generator = numpy.random.default_rng(6)
    kinds["vec"] = [vector_line(query) for query in queries]
    kinds["id"] = [f"SEARCH id=c{number:07} k={K}\n".encode() for number in generator.integers(0, count, 4096)]
    kinds["text"] = [(requests.search(reports.question(number), k=K).line + "\n").encode() for number in range(512)]
    for share, condition in FILTERS.items():
        kinds[f"vec, {share}"] = [vector_line(query, f" {condition}".encode()) for query in queries]
    kinds["text, 10 %"] = [line[:-1] + b" tenth=0\n" for line in kinds["text"]]


def ingest(table: Table, server: Server, kinds: dict, reports, count: int, seconds: float) -> float:
    """Searches while cases are stored at full rate; cases a second."""
    lines = []
    for number in range(count, count + 200_000):
        row = data.case(reports, number)
        name = row.pop("id")
        own = {key: row.pop(key) for key in data.SHARES}
        lines.append((requests.put(name, metadata=own, **row).line + "\n").encode())
        # No more than the daemon can take within the time.
        if len(lines) >= 10_000 * seconds:
            break
    stored, took = 0, 0.0
    for clients in (1, 8):
        writer = load.Writer(server.path, lines[stored:])
        time.sleep(0.5)
        table.measure(server, "vec, beside ingest", kinds["vec"], clients, seconds)
        more, time_taken = writer.stop()
        stored, took = stored + more, took + time_taken
    return stored / took


def measure_peers(names: list[str], table: Table, arguments, queries, vectors, work: Path, rows: list[str]) -> None:
    """Peers in the process that asks; what is not installed is named and left out."""
    for name in names:
        try:
            search = peers.IN_PROCESS[name](vectors, work / f"{name}-{len(vectors)}")
        except ImportError as error:
            print(f"{name} is left out: {error}")
            continue
        found = 0
        for query in queries[:200]:
            row = vectors @ query
            bound = numpy.partition(row, -K)[-K] - 1e-5
            found += sum(row[item] >= bound for item in search(query))
        for threads in CLIENTS:
            rate, latencies = peers.in_process(search, queries, threads, arguments.seconds)
            got = load.Load(arguments.seconds, array("d", latencies), 0, 0, 0)
            table.loads[(name, "vec, in process", threads)] = got
        rows.append(f"{name}: recall@{K} {found / K / 200:.4f}, in process")


def judge(table: Table, figures: Figures, cores: int, stored: float) -> None:
    def of(kind: str, clients: int = 1) -> load.Load:
        return table.loads[("hilum", kind, clients)]

    for kind in ("vec", "id"):
        # What the same searches would do without socket, lines and clients: each core busy with nothing else.
        within = 1000 / of(kind).own_ms * min(8, cores)
        figures.at_least(f"rate at 8 clients / in-process rate ({kind}: {within:.0f}/s)", of(kind, 8).rate / within, 0.8)
    for clients in (1, 8):
        beside = of("vec, beside ingest", clients)
        figures.at_most(f"p99 beside ingest of {stored:.0f} cases/s, {clients} clients, ms", beside.at(0.99), 5)
    for share in FILTERS:
        figures.at_most(f"latency with a filter that leaves {share} / without (own time, 1 client)",
                        of(f"vec, {share}").own_ms / of("vec").own_ms, 1.3)
    for kind in ("COUNT", "COUNT, 10 %", "FACET"):
        figures.at_most(f"{kind} p50, us", 1000 * of(kind).at(0.5), 100)
    figures.at_most("STATS p50, ms", of("STATS").at(0.5), 2)
    others = {server for server, kind, _ in table.loads if kind == "vec" and server != "hilum"}
    for other in sorted(others):
        for clients in CLIENTS:
            figures.at_least(f"rate at {clients} clients / {other} behind a socket (vec)",
                             of("vec", clients).rate / table.loads[(other, "vec", clients)].rate, 1)


def plot(program: str, table: Table, folder: Path) -> None:
    for share, name in ((0.5, "p50"), (0.99, "p99")):
        kinds = list(dict.fromkeys((server, kind) for server, kind, clients in table.loads if clients == 64))
        series = [{"name": f"{server}: {kind}", "dots": True,
                   "points": [[clients, table.loads[(server, kind, clients)].at(share)] for clients in CLIENTS]}
                  for server, kind in kinds if kind != "PING"]
        figure = {"title": f"{name} by the number of clients", "x": "clients", "y": "ms", "log_x": True, "log_y": True, "series": series}
        target = folder / f"service-{name}.png"
        subprocess.run([program, "plot", "--in", "-", "--out", str(target)], input=json.dumps(figure), text=True, check=True)
        print(f"drawn: {target}")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--peers", default="faiss,zvec,qdrant-edge")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--plots", type=Path)
    arguments = parser.parse_args()
    arguments.count = arguments.count or (20_000 if arguments.quick else 200_000)
    arguments.seconds = arguments.seconds or (2 if arguments.quick else 5)
    arguments.rounds = arguments.rounds or (1 if arguments.quick else 2)
    program = Path(os.environ["HILUM_PROGRAM"]).resolve()
    work, chosen, cores = arguments.work.resolve(), arguments.peers.split(","), len(os.sched_getaffinity(0))
    count, seconds, figures, table = arguments.count, arguments.seconds, Figures(), Table()

    archive, reports = data.make_archive(program, work, count)
    # Ingest changes it, so a copy is served.
    served = work / "served"
    shutil.rmtree(served, ignore_errors=True)
    shutil.copytree(archive, served)
    folder = Path(tempfile.mkdtemp(prefix="hilum-bench-"))
    servers = []
    try:
        servers.append(Server("hilum", [program, "serve", served, "--socket", folder / "h"], str(folder / "h"), work / "hilum.log"))
        vectors = fetch_vectors(servers[0].path, count, work / f"vectors-{count}.npy")
        queries = make_queries(vectors, 2000)
        kinds: dict[str, list[bytes]] = {}
        lines_of(kinds, reports, queries, count)
        if "faiss" in chosen:
            tenths = work / f"tenths-{count}.npy"
            numpy.save(tenths, numpy.array([int(data.case(reports, number)["tenth"]) for number in range(count)], "u1"))
            words = [sys.executable, "-B", HERE / "service/peers.py", "faiss", work / f"vectors-{count}.npy", tenths,
                     work / f"faiss-{count}.index", folder / "f"]
            servers.append(Server("faiss", words, str(folder / "f"), work / "faiss.log"))
        rows = [f"{server.name}: recall@{K} {recall(server.path, queries[:200], vectors):.4f}" for server in servers]
        for _ in range(arguments.rounds):
            for clients in CLIENTS:
                for server in servers:
                    for kind in ["PING", "vec", "vec, 10 %"] if server.name == "faiss" else ["PING", *kinds]:
                        table.measure(server, kind, kinds.get(kind, [b"PING\n"]), clients, seconds)
            for kind, line in (("COUNT", b"COUNT\n"), ("COUNT, 10 %", b"COUNT tenth=0\n"), ("FACET", b"FACET by=view\n"),
                               ("STATS", b"STATS\n")):
                table.measure(servers[0], kind, [line], 1, min(2, seconds))
        rows += [f"{server.name}: at most {server.resident() / 1e6:.0f} MB in memory" for server in servers]
        stored = ingest(table, servers[0], kinds, reports, count, seconds)
        while servers:
            servers.pop().stop()
        measure_peers([name for name in chosen if name != "faiss"], table, arguments, queries, vectors, work, rows)
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(served, ignore_errors=True)

    print(f"{count} cases, {data.DIMENSION} numbers a vector, {cores} cores for server and clients together, k={K}")
    table.print()
    print("\n".join(rows))
    plots = arguments.plots or work
    plots.mkdir(parents=True, exist_ok=True)
    plot(os.path.abspath(os.environ["HILUM_BENCH"]), table, plots)
    judge(table, figures, cores, stored)
    for line in figures.lines:
        print(json.dumps(line))
    return 0 if all(line["holds"] for line in figures.lines) else 1


if __name__ == "__main__":
    sys.exit(main())
