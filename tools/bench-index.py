"""Runs peers.py over the sets of vectors with Hilum as one of the peers; tables, plots and figures against targets. See bench-index."""
import argparse, importlib.util, json, os, subprocess, sys
from pathlib import Path

SETS = {
    "fashion": ["fashion", "--src", "{data}/fashion-mnist"],
    "cos512-200k": ["synth", "--name", "cos512-200k", "--n", "200000", "--dim", "512", "--clusters", "2000"],
    "cos256-1m": ["synth", "--name", "cos256-1m", "--n", "1000000", "--dim", "256", "--clusters", "5000"],
}
PEERS = {
    "fashion": "hnswlib,faiss:sq8direct,faiss:sqbf16,faiss:flat,usearch:bf16,usearch:i8,hannoy:f32",
    "cos512-200k": "hnswlib,faiss:sq8,faiss:sqbf16,faiss:flat,usearch:bf16,hannoy:f32",
    "cos256-1m": "hnswlib,faiss:sq8,faiss:sqbf16,usearch:bf16",
}
QUICK_PEERS = "hnswlib,faiss:sq8direct,faiss:sqbf16"
# The highest references that install from PyPI (peers_extra.py).
EXTRA_PEERS = "rabitqlib:symqg32,rabitqlib:symqg32q8,glass:sq8u"
OURS = "hilum"


class Results:
    """The lines of one set, and what they say of a peer."""

    def __init__(self, path: Path, at_recall):
        self.lines = [json.loads(line) for line in path.read_text().splitlines()]
        self.at_recall = at_recall
        # Rates that are lower bounds: better already at the smallest setting.
        self.bounds: set[tuple] = set()

    def peers(self) -> list[str]:
        return list(dict.fromkeys(line["peer"] for line in self.lines if line["event"] == "search"))

    def points(self, peer: str, queries: str) -> list[tuple[float, float]]:
        """Recall and rate at each ef, the better of the rounds."""
        best: dict = {}
        for line in self.lines:
            if line["event"] == "search" and line["peer"] == peer and line["qset"] == queries and "recall10" in line:
                if line["qps"] > best.get(line["ef"], (0, 0))[1]:
                    best[line["ef"]] = (line["recall10"], line["qps"])
        return sorted(best.values())

    def rate(self, peer: str, queries: str, recall: float) -> float | None:
        """Queries a second at a recall; a peer that is better already at its smallest setting counts with that."""
        points = self.points(peer, queries)
        value = self.at_recall(points, recall) if points else None
        if value is not None and value < 0:
            self.bounds.add((peer, queries, recall))
        return abs(value) if value is not None else None

    def least(self, peer: str, event: str, field: str, **wanted) -> float | None:
        values = [line[field] for line in self.lines if line["event"] == event and line["peer"] == peer and field in line
                  and all(line.get(key) == value for key, value in wanted.items())]
        return min(values) if values else None

    def resident(self, peer: str) -> float | None:
        """Bytes that loading and searching add to a process, at the most."""
        values = [1024 * (line["peak_rss_kb"] - line.get("import_rss_kb", 0))
                  for line in self.lines if line["event"] == "search" and line["peer"] == peer]
        return max(values) if values else None

    def insertions(self, peer: str) -> float | None:
        """Durable insertions a second, many in a commit."""
        for line in self.lines:
            if line["event"] == "insert" and line["peer"] == peer and line.get("durable"):
                return max(value for key, value in line.items() if key.startswith("batch") and value)
        return None

    def single_insertions(self, peer: str) -> float | None:
        """Durable insertions a second, one in a commit."""
        return next((line.get("per_s") for line in self.lines
                     if line["event"] == "insert" and line["peer"] == peer and line.get("durable")), None)


class Figures:
    def __init__(self):
        self.lines: list[dict] = []

    def missing(self, name: str) -> None:
        """A figure of ours that could not be measured."""
        self.lines.append({"figure": name, "value": None, "target": None, "holds": False})

    def at_least(self, name: str, value: float, target: float) -> None:
        self.lines.append({"figure": name, "value": round(value, 3), "target": target, "holds": value >= target})

    def at_most(self, name: str, value: float, target: float) -> None:
        self.lines.append({"figure": name, "value": round(value, 3), "target": f"<= {target}", "holds": value <= target})


def judge(name: str, results: Results, query_sets: list[str], figures: Figures, build_share: float) -> None:
    """The targets: rates against hnswlib and the best peer, build, memory, opening, durable insertion.

    build_share: of the time of the fastest peer that reaches a recall of 0.99.
    """
    others = [peer for peer in results.peers() if peer != OURS]
    for queries in query_sets:
        label = name if queries == "query" else f"{name} cross-modal"
        for recall in (0.95, 0.99):
            ours = results.rate(OURS, queries, recall)
            rates = {peer: rate for peer in others if (rate := results.rate(peer, queries, recall))}
            if not ours:
                figures.missing(f"{label} rate at {recall}")
            if not ours or not rates:
                continue
            best = max(rates, key=rates.get)
            def named(peer: str) -> str:
                is_bound = (peer, queries, recall) in results.bounds
                return f"{peer}, which is better still at its smallest ef" if is_bound else peer

            if "hnswlib" in rates:
                figures.at_least(f"{label} rate at {recall} / {named('hnswlib')}", ours / rates["hnswlib"], 2)
            target = 2 if queries != "query" and recall == 0.95 else 1.3
            figures.at_least(f"{label} rate at {recall} / best peer ({named(best)})", ours / rates[best], target)
    reaching = [peer for peer in others if results.rate(peer, "query", 0.99)]
    builds = {peer: seconds for peer in reaching if (seconds := results.least(peer, "build", "build_s"))}
    ours = results.least(OURS, "build", "build_s")
    if ours and builds:
        fastest = min(builds, key=builds.get)
        figures.at_most(f"{name} build / fastest that reaches 0.99 ({fastest})", ours / builds[fastest], build_share)
    if not ours:
        figures.missing(f"{name} build")
    ours, theirs = results.resident(OURS), results.resident("hnswlib")
    if ours and theirs:
        figures.at_most(f"{name} resident bytes / hnswlib", ours / theirs, 0.6)
    opens = {peer: time for peer in others if "view" not in peer
             and (time := results.least(peer, "open", "open_ms", page_cache="cold"))}
    ours = results.least(OURS, "open", "open_ms", page_cache="cold")
    if not ours:
        figures.missing(f"{name} cold open")
    if ours and opens:
        fastest = min(opens, key=opens.get)
        figures.at_most(f"{name} cold open / fastest that loads ({fastest})", ours / opens[fastest], 1)
    whole = results.least(OURS, "open", "whole_ms", page_cache="cold")
    if whole:
        print(f"{name}: {OURS} answers {ours:.0f} ms after a cold open, and has all in memory that searches read after {whole:.0f} ms")
    ours, theirs = results.insertions(OURS), results.insertions("hannoy:f32")
    if not ours:
        figures.missing(f"{name} durable insertions")
    else:
        figures.at_least(f"{name} durable insertions a second, 100 a commit", ours, 10_000)
    singles = results.single_insertions(OURS)
    if singles:
        figures.at_least(f"{name} durable insertions a second, one a commit", singles, 2000)
    else:
        figures.missing(f"{name} durable insertions, one a commit")
    if ours and theirs:
        figures.at_least(f"{name} durable insertions / hannoy", ours / theirs, 10)


def plot(program: str, name: str, results: Results, query_sets: list[str], folder: Path) -> None:
    for queries in query_sets:
        series = [{"name": peer, "dots": True, "points": [[recall, rate] for recall, rate in results.points(peer, queries)
                                                          if recall >= 0.8]} for peer in results.peers()]
        series = [line for line in series if line["points"]]
        label = name if queries == "query" else f"{name}-cross-modal"
        figure = {"title": f"{label}: queries a second on one core", "x": "recall@10", "y": "queries a second", "log_y": True,
                  "x_range": [0.8, 1.0], "series": series}
        target = folder / f"index-{label}.png"
        subprocess.run([program, "plot", "--in", "-", "--out", str(target)], input=json.dumps(figure), text=True, check=True)
        print(f"drawn: {target}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--bench", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--peers")
    parser.add_argument("--extra", action="store_true", help="with the highest references too, and half of their time to build")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--plots", type=Path)
    parser.add_argument("--reuse", action="store_true", help="keep results that are there, only judge and draw them")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.sets, arguments.rounds = "fashion", 1
        arguments.peers = arguments.peers or QUICK_PEERS
    names = arguments.sets.split(",")
    if unknown := [name for name in names if name not in SETS]:
        sys.exit(f"unknown set {unknown[0]}; there are {', '.join(SETS)}")
    driver = arguments.bench / ("peers_extra.py" if arguments.extra else "peers.py")
    spec = importlib.util.spec_from_file_location("peers", arguments.bench / "peers.py")
    peers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(peers)
    program = os.path.abspath(os.environ["HILUM_BENCH"])
    plots = arguments.plots or arguments.work
    plots.mkdir(parents=True, exist_ok=True)
    figures = Figures()
    for name in names:
        data = arguments.work / name
        if not (data / "meta.json").exists():
            make = [word.format(data=arguments.bench.parent / "data") for word in SETS[name]]
            subprocess.run([sys.executable, str(arguments.bench / "make_data.py"), *make, "--out", str(data)], check=True)
        query_sets = ["query"] + (["query_ood"] if (data / "query_ood.fvecs").exists() else [])
        out = arguments.work / f"{name}.jsonl"
        if not (arguments.reuse and out.exists()):
            out.unlink(missing_ok=True)
            partial = out.with_suffix(".partial")
            partial.unlink(missing_ok=True)
            call = [sys.executable, str(driver), "run", "--data", str(data),
                    "--external", f"{OURS}={program} ann", "--build-threads", "2",
                    "--query-sets", ",".join(query_sets), "--work", str(arguments.work / "indexes"), "--timeout", "1500",
                    "--out", str(partial)]
            chosen = arguments.peers or PEERS[name] + ("," + EXTRA_PEERS if arguments.extra else "")
            # A run opens each index from the disk once; opening varies most, so it is done twice more, in turns.
            for more in (["--rounds", str(arguments.rounds), "--keep"],
                         ["--rounds", "0", "--reuse", "--no-insert", "--keep"], ["--rounds", "0", "--reuse", "--no-insert"]):
                subprocess.run([*call, "--peers", chosen, *more], check=True, stdout=subprocess.DEVNULL)
                lines = [json.loads(line) for line in partial.read_text().splitlines()]
                built = {line["peer"] for line in lines if line["event"] == "build"}
                chosen = ",".join(peer for peer in chosen.split(",") if peer in built)
            partial.rename(out)
        subprocess.run([sys.executable, str(driver), "summary", str(out)], check=True)
        results = Results(out, peers.at_recall)
        plot(program, name, results, query_sets, plots)
        judge(name, results, query_sets, figures, 0.5 if arguments.extra else 1)
    for line in figures.lines:
        print(json.dumps(line))
    return 0 if all(line["holds"] for line in figures.lines) else 1


if __name__ == "__main__":
    sys.exit(main())
