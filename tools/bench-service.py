"""Runs loads of clients against a daemon and its peers; tables, plots and figures against targets. See bench-service."""
import argparse, json, os, shutil, signal, socket, subprocess, sys, tempfile, time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "service"), str(HERE / "python")]
import numpy  # noqa: E402
import data, peers  # noqa: E402
import hilum  # noqa: E402
from hilum import requests  # noqa: E402

CLIENTS = [1, 8, 64]
K = 10
#: Conditions that leave a half, a tenth and a hundredth of the cases.
FILTERS = ["half=0", "tenth=0", "hundredth=0"]
#: The one that peers are asked with too.
SHARED = "tenth=0"


class Figures:
    def __init__(self):
        self.lines: list[dict] = []

    def at_least(self, name: str, value: float, target: float) -> None:
        self.lines.append({"figure": name, "value": round(value, 3), "target": target, "holds": bool(value >= target)})


class Server:
    """A process behind a Unix socket that answers PING."""

    def __init__(self, name: str, words: list, path: str, log: Path):
        self.name, self.path = name, path
        with open(log, "w") as errors:
            self.process = subprocess.Popen([str(word) for word in words], stdout=subprocess.DEVNULL, stderr=errors)
        end = time.monotonic() + 1800
        while True:
            try:
                with socket.socket(socket.AF_UNIX) as connection:
                    connection.connect(path)
                    connection.sendall(b"PING\n")
                    if connection.recv(64).startswith(b"OK"):
                        return
            except OSError:
                pass
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


def measure_daemon(bench: str, archive: Path, server: Server, seconds: float, rounds: int, figures: Figures) -> None:
    """The whole table of `hilum-bench serve`, with its figures."""
    words = [bench, "serve", "--archive", archive, "--socket", server.path, "--filters", ";".join(FILTERS), "--ingest",
             "--clients", ",".join(map(str, CLIENTS)), "--seconds", str(seconds), "--rounds", str(rounds)]
    run = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, text=True)
    for line in run.stdout.splitlines():
        if line.startswith('{"'):
            figures.lines.append(json.loads(line))
        else:
            print(line)
    if run.returncode not in (0, 1):
        sys.exit(f"hilum-bench serve ended with {run.returncode}")


class Table:
    """What clients saw of servers that were asked in turns: requests a second, and the median and p99 in milliseconds."""

    def __init__(self, bench: str):
        self.bench = bench
        self.rows: dict[tuple[str, str, int], list[dict]] = {}

    def measure(self, server: Server, kind: str, file: Path, clients: int, seconds: float) -> None:
        words = [self.bench, "serve", "--socket", server.path, "--requests", file, "--clients", clients, "--seconds", seconds, "--json"]
        text = subprocess.run([str(word) for word in words], check=True, stdout=subprocess.PIPE, text=True).stdout
        self.rows.setdefault((server.name, kind, clients), []).append(json.loads(text.splitlines()[0]))

    def add(self, name: str, kind: str, clients: int, rate: float, latencies: list[float]) -> None:
        at = [1000 * latencies[min(len(latencies) - 1, int(share * len(latencies)))] for share in (0.5, 0.99, 0.999)]
        self.rows.setdefault((name, kind, clients), []).append({"rate": rate, "p50_ms": at[0], "p99_ms": at[1], "p999_ms": at[2]})

    def of(self, key: tuple[str, str, int], name: str) -> float:
        """The median over the rounds."""
        return sorted(row[name] for row in self.rows[key])[len(self.rows[key]) // 2]

    def print(self) -> None:
        row = "{:<12} {:<18} {:>7} {:>11} {:>9} {:>9} {:>9}"
        print(row.format("server", "request", "clients", "requests/s", "p50 ms", "p99 ms", "p99.9 ms"))
        for key in self.rows:
            print(row.format(*key, f"{self.of(key, 'rate'):.0f}", *(f"{self.of(key, name):.3f}" for name in ("p50_ms", "p99_ms", "p999_ms"))))


def measure_peers(names: list[str], table: Table, seconds: float, queries, vectors, work: Path, rows: list[str]) -> None:
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
            rate, latencies = peers.in_process(search, queries, threads, seconds)
            table.add(name, "vec, in process", threads, rate, latencies)
        rows.append(f"{name}: recall@{K} {found / K / 200:.4f}, in process")


def plot(program: str, table: Table, folder: Path) -> None:
    for field, name in (("p50_ms", "p50"), ("p99_ms", "p99")):
        kinds = list(dict.fromkeys(key[:2] for key in table.rows))
        series = [{"name": f"{server}: {kind}", "dots": True,
                   "points": [[clients, table.of((server, kind, clients), field)] for clients in CLIENTS if (server, kind, clients) in table.rows]}
                  for server, kind in kinds]
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
    count = arguments.count or (20_000 if arguments.quick else 200_000)
    seconds = arguments.seconds or (1 if arguments.quick else 3)
    rounds = arguments.rounds or (1 if arguments.quick else 3)
    program, bench = Path(os.environ["HILUM_PROGRAM"]).resolve(), os.path.abspath(os.environ["HILUM_BENCH"])
    work, chosen, cores = arguments.work.resolve(), arguments.peers.split(","), len(os.sched_getaffinity(0))
    figures, table = Figures(), Table(bench)

    archive, _ = data.make_archive(program, work, count)
    # Ingest changes it, so a copy is served.
    served = work / "served"
    shutil.rmtree(served, ignore_errors=True)
    shutil.copytree(archive, served)
    folder = Path(tempfile.mkdtemp(prefix="hilum-bench-"))
    servers = []
    load = "load of the machine before: {:.1f}".format(os.getloadavg()[0])
    try:
        servers.append(Server("hilum", [program, "serve", served, "--socket", folder / "h"], str(folder / "h"), work / "hilum.log"))
        measure_daemon(bench, archive, servers[0], seconds, rounds, figures)
        vectors = fetch_vectors(servers[0].path, count, work / f"vectors-{count}.npy")
        queries = make_queries(vectors, 1000)
        files = {"vec": folder / "vec", f"vec, {SHARED}": folder / "filtered"}
        for (kind, file), suffix in zip(files.items(), (b"", b" " + SHARED.encode())):
            file.write_bytes(b"".join(vector_line(query, suffix) for query in queries))
        if "faiss" in chosen:
            tenths = work / f"tenths-{count}.npy"
            numpy.save(tenths, numpy.array([data.shares(number)["tenth"] for number in range(count)], "u1"))
            words = [sys.executable, "-B", HERE / "service/peers.py", "faiss", work / f"vectors-{count}.npy", tenths,
                     work / f"faiss-{count}.index", folder / "f"]
            servers.append(Server("faiss", words, str(folder / "f"), work / "faiss.log"))
        rows = [f"{server.name}: recall@{K} {recall(server.path, queries[:200], vectors):.4f}" for server in servers]
        for _ in range(rounds):
            for clients in CLIENTS:
                for kind, file in files.items():
                    for server in servers:
                        table.measure(server, kind, file, clients, seconds)
        rows += [f"{server.name}: at most {server.resident() / 1e6:.0f} MB in memory" for server in servers]
        while servers:
            servers.pop().stop()
        measure_peers([name for name in chosen if name in peers.IN_PROCESS], table, seconds, queries, vectors, work, rows)
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(served, ignore_errors=True)

    print(f"\n{count} cases, {data.DIMENSION} numbers a vector, {cores} cores for server and clients together, k={K}; {load}")
    table.print()
    print("\n".join(rows))
    plots = arguments.plots or work
    plots.mkdir(parents=True, exist_ok=True)
    plot(bench, table, plots)
    for kind in files:
        if ("faiss", kind, 1) in table.rows:
            for clients in CLIENTS:
                figures.at_least(f"{kind}: rate at {clients} clients / faiss behind a socket",
                                 table.of(("hilum", kind, clients), "rate") / table.of(("faiss", kind, clients), "rate"), 1)
    for line in figures.lines:
        print(json.dumps(line))
    return 0 if all(line["holds"] for line in figures.lines) else 1


if __name__ == "__main__":
    sys.exit(main())
