"""Tests of the router, without Ray: reading lines, merging, replicas that die, and the same answers as one archive.

    HILUM_PROGRAM=.build/release/hilum python3 -m unittest discover -s tools/cluster/ray
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import unicodedata
import unittest
from typing import Any, Dict, List, Optional

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "python")]

import cut  # noqa: E402
import merge  # noqa: E402
from lines import Argument, Daemon, Refused, Reply, Request, Unavailable, parse, quote  # noqa: E402
from router import Router, Shard, home  # noqa: E402

import hilum  # noqa: E402


class Stub:
    """A replica that answers lines of a table by their verb, after a while, or not at all."""

    def __init__(self, replies: Dict[str, str], delay: float = 0, fails: bool = False) -> None:
        self.replies, self.delay, self.fails = replies, delay, fails
        self.asked: List[str] = []

    async def ask(self, octets: bytes) -> bytes:
        self.asked.append(octets.decode())
        await asyncio.sleep(self.delay)
        if self.fails:
            raise Unavailable("gone")
        return self.replies[octets.split()[0].decode()].encode()


class LineTests(unittest.TestCase):
    def test_a_line_is_read_as_the_daemon_reads_it(self) -> None:
        request, count = parse('@7 search text="left \\"x\\" 胸水" view!=PA,AP k=3 bytes=12')
        self.assertEqual((request.tag, request.verb, count), ("7", "SEARCH", 12))
        self.assertEqual(request.value("text"), 'left "x" 胸水')
        self.assertEqual(request.arguments[1], Argument("view", "PA,AP", True))
        again, _ = parse(request.encoded().decode().rstrip("\n"))
        self.assertEqual(again.arguments, request.arguments)

    def test_what_is_no_line_is_refused(self) -> None:
        for line in ('SEARCH text="open', "k=3", "SEARCH bytes=many", "{}"):
            with self.assertRaises(Refused, msg=line):
                parse(line)

    def test_values_are_quoted_where_they_must_be(self) -> None:
        for text in ("plain", "", "two words", 'a"b', "胸水", "a\nb", "tab\t"):
            request, _ = parse(f"GET id={quote(text)}")
            self.assertEqual(request.value("id"), text)
            self.assertNotIn("\n", quote(text))


class MergeTests(unittest.TestCase):
    @staticmethod
    def hits(draw: random.Random, count: int) -> List[Dict[str, Any]]:
        """Candidates with few different scores, so that many are equal."""
        found = []
        for number in range(count):
            words = draw.choice([None, 3.5, 2.25, 1.125])
            exact: Dict[str, Any] = {"score": draw.choice([0.5, 0.25, 0.75, 0.625]), "degree": draw.choice([0, 4, -4])}
            if words is not None:
                exact["words"] = words
            if words is None or draw.random() < 0.7:
                legs: Dict[str, Any] = {"vector": {"rank": 1, "score": 0}}
            else:
                legs = {"vector": None}
            found.append({"id": f"c{number:03d}", "score": exact["score"], "exact": exact, **legs})
        return found

    def test_shards_are_merged_as_one_list_is(self) -> None:
        draw = random.Random(3)
        for trial in range(60):
            hits = self.hits(draw, draw.randint(1, 80))
            count = draw.randint(2, 5)
            shards = [[hit for hit in hits if home(hit["id"], count) == place] for place in range(count)]
            k, weight = draw.randint(1, 20), draw.choice([0.25, 1.0])
            one = merge.by_both([hits], k, 200, weight, 1)
            self.assertEqual(one, merge.by_both(shards, k, 200, weight, 1))
            self.assertEqual([hit["rank"] for hit in one], list(range(1, len(one) + 1)))
            self.assertNotIn("exact", one[0])
            self.assertEqual(merge.by_vectors([hits], k), merge.by_vectors(shards, k))

    def test_what_a_question_demands_comes_before_any_rank(self) -> None:
        def hit(id: str, degree: int, score: float) -> Dict[str, Any]:
            return {"id": id, "score": score, "exact": {"score": score, "words": score, "degree": degree},
                    "vector": {"rank": 1, "score": score}}

        merged = merge.by_both([[hit("near", 0, 0.9)], [hit("affirms", 4, 0.1), hit("denies", -4, 0.8)]], 3, 200, 0.25, 1)
        self.assertEqual([one["id"] for one in merged], ["affirms", "near", "denies"])

    def test_a_leg_ends_at_its_depth(self) -> None:
        hits = [{"id": f"c{number}", "score": 1 - number / 10, "vector": {"rank": 1, "score": 0},
                 "exact": {"score": 1 - number / 10, "degree": 0}} for number in range(9)]
        self.assertEqual([one["id"] for one in merge.by_both([hits], 9, 4, 1, 1)], ["c0", "c1", "c2", "c3"])

    def test_a_shard_that_may_have_more_of_the_best_is_noticed(self) -> None:
        def hit(shard: int, number: int, score: float) -> Dict[str, Any]:
            return {"id": f"{shard}-{number}", "exact": {"score": score}}

        full = [hit(0, number, 0.9) for number in range(5)]
        other = [hit(1, number, 0.1) for number in range(5)]
        self.assertEqual(merge.cut_short([full, other], 8, 5, False), [0])
        self.assertEqual(merge.cut_short([full[:4], other], 8, 5, False), [])
        self.assertEqual(merge.cut_short([full, other], 5, 5, False), [])
        self.assertEqual(merge.share(10, 4), 10)
        self.assertLess(merge.share(200, 64), 30)


class ShardTests(unittest.TestCase):
    def test_another_replica_answers_where_one_is_gone(self) -> None:
        gone, there = Stub({}, fails=True), Stub({"PING": "OK PONG\n"})
        shard = Shard([gone, there])

        async def ask() -> None:
            for _ in range(4):
                self.assertEqual(await shard.read(b"PING\n"), b"OK PONG\n")

        asyncio.run(ask())
        self.assertEqual(len(there.asked), 4)
        self.assertEqual(len(gone.asked), 1, "it is asked last once it is known to be gone")

    def test_a_slow_replica_is_overtaken(self) -> None:
        slow, quick = Stub({"PING": "OK slow\n"}, delay=5), Stub({"PING": "OK quick\n"})
        shard = Shard([quick, slow], hedge=0.02)

        async def ask() -> List[bytes]:
            return [await shard.read(b"PING\n") for _ in range(4)]

        began = time.monotonic()
        self.assertEqual(set(asyncio.run(ask())), {b"OK quick\n"})
        self.assertLess(time.monotonic() - began, 3)
        self.assertEqual(shard.hedged, 2)

    def test_nobody_left(self) -> None:
        with self.assertRaises(Unavailable):
            asyncio.run(Shard([Stub({}, fails=True)]).read(b"PING\n"))

    def test_a_change_is_never_sent_twice(self) -> None:
        leader, copy = Stub({}, fails=True), Stub({"PUT": "OK\n"})
        with self.assertRaises(Unavailable):
            asyncio.run(Shard([leader, copy]).write(b"PUT id=a\n"))
        self.assertEqual((len(leader.asked), copy.asked), (1, []))


class DaemonLineTests(unittest.TestCase):
    """What comes over a socket, in whatever pieces."""

    def test_a_reply_is_put_together_and_a_connection_is_used_again(self) -> None:
        connections = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connections
            connections += 1
            while line := await reader.readline():
                if line == b"END\n":
                    break
                if line == b"SLOW\n":
                    await asyncio.sleep(5)
                for piece in (b'{"a":', b'"OK"}\n', b'{"b":1}', b"\nOK hi", b"ts=2\n"):
                    writer.write(piece)
                    await asyncio.sleep(0.002)
            writer.close()

        async def ask() -> None:
            with tempfile.TemporaryDirectory() as folder:
                server = await asyncio.start_unix_server(serve, f"{folder}/s")
                daemon = Daemon(f"{folder}/s", timeout=0.3)
                for _ in range(3):
                    reply = Reply.read(await daemon.ask(b"SEARCH\n"))
                    self.assertEqual((reply.objects, reply.status), ([{"a": "OK"}, {"b": 1}], "OK hits=2"))
                self.assertEqual(connections, 1)
                began = time.monotonic()
                with self.assertRaises(Unavailable):
                    await daemon.ask(b"SLOW\n")
                self.assertLess(time.monotonic() - began, 2)
                # Whoever stops waiting leaves no reply behind for the next one.
                task = asyncio.ensure_future(daemon.ask(b"SEARCH\n"))
                await asyncio.sleep(0.003)
                task.cancel()
                self.assertEqual(Reply.read(await daemon.ask(b"SEARCH\n")).status, "OK hits=2")
                with self.assertRaises(Unavailable):
                    await daemon.ask(b"END\n")
                with self.assertRaises(Unavailable):
                    await Daemon(f"{folder}/none").ask(b"PING\n")
                server.close()

        asyncio.run(ask())

    def test_a_hit_is_sketched_as_it_would_be_read(self) -> None:
        for id, view, vector in (("a", "PA", None), ('q"\\', 'x"exact":{', {"rank": 1, "score": 0.5}), ("胸", '"vector":null', {})):
            hit = {"rank": 1, "id": id, "score": 0.5, "view": view, "vector": vector,
                   "exact": {"score": 0.123456789, "words": 3.5, "degree": -4, "alone": 1}}
            line = json.dumps(hit, ensure_ascii=False, separators=(",", ":"))
            sketch = merge.sketch(line)
            self.assertEqual((sketch["id"], sketch["exact"]), (id, hit["exact"]))
            self.assertEqual(sketch["vector"] is None, vector is None)
        self.assertEqual(merge.sketch('{"id": "a", "exact": {"score": 1}}')["exact"], {"score": 1})


class PartialTests(unittest.TestCase):
    def answer(self, router: Router, line: str) -> "tuple[List[Dict[str, Any]], str]":
        return asyncio.run(router.answer(parse(line)[0]))

    def shard(self, count: Optional[int]) -> Shard:
        hit = json.dumps({"id": f"c{count}", "score": 0.5, "exact": {"score": 0.5}})
        replies = {"COUNT": f"OK count={count}\n", "SEARCH": f"{hit}\nOK hits=1 gen=1 ef=64 visited=9 us=1\n",
                   "FACET": '{"value":"PA","count":2}\nOK distinct=1 cases=2\n'}
        return Shard([Stub(replies, fails=count is None)])

    def test_a_shard_that_is_away_is_said_and_not_passed_over(self) -> None:
        router = Router([self.shard(3), self.shard(None), self.shard(4)])
        self.assertEqual(self.answer(router, "COUNT view=PA")[1], "OK count=7 shards=2/3")
        hits, status = self.answer(router, "SEARCH vec=f32:AACAPw== k=5")
        self.assertEqual(([hit["id"] for hit in hits], status.endswith(" shards=2/3")), (["c3", "c4"], True))
        self.assertEqual(router.counts["partial"], 2)
        self.assertEqual(self.answer(router, "FACET by=view")[0], [{"value": "PA", "count": 4}])
        with self.assertRaises(Unavailable):
            self.answer(Router([self.shard(None)]), "COUNT")

    def test_what_cannot_be_merged_is_refused_in_words(self) -> None:
        router = Router([self.shard(1)])
        for line in ("SEARCH text=a group=patient", "SEARCH id=a cursor=start", "SEARCH", "SEARCH text=a k=0",
                     "SEARCH mode=words id=a", "REEMBED start", "SEARCH text=a w.text=0"):
            with self.assertRaises(Refused, msg=line):
                self.answer(router, line)

    def test_changes_wait_while_cases_are_cut_anew(self) -> None:
        router = Router([self.shard(1)])
        router.frozen = "soon"
        with self.assertRaises(Refused) as refusal:
            self.answer(router, "PUT id=a report=b")
        self.assertEqual(refusal.exception.code, "BUSY")

    def test_changes_that_are_under_way_are_counted(self) -> None:
        async def main() -> List[int]:
            router = Router([Shard([Stub({"PUT": "OK\n"}, delay=0.05)]), Shard([Stub({}, delay=0.05, fails=True)])])
            ids = {home(f"c{number}", 2): f"c{number}" for number in range(9)}
            tasks = [asyncio.ensure_future(router.answer(parse(f"PUT id={id} report=b")[0])) for id in ids.values()]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            counts = [router.changing]
            # Whoever cuts the cases anew waits for these, also where a shard is gone.
            await asyncio.gather(*tasks, return_exceptions=True)
            return counts + [router.changing]

        self.assertEqual(asyncio.run(main()), [2, 0])

    def test_whoever_may_only_search_changes_nothing(self) -> None:
        async def ask(writers: "set[int]") -> List[bytes]:
            with tempfile.TemporaryDirectory() as folder:
                router = Router([self.shard(1)])
                router.writers = writers
                server = await router.serve(f"{folder}/s")
                reader, writer = await asyncio.open_unix_connection(f"{folder}/s")
                replies = []
                for line in (b"PUT id=a report=b\n", b"DELETE id=a\n", b"COUNT\n"):
                    writer.write(line)
                    replies.append(await reader.readline())
                writer.close()
                server.close()
                return replies
        self.assertEqual(Router([]).writers, {0, os.getuid()})
        denied = asyncio.run(ask(set()))
        self.assertEqual([reply.split()[1] for reply in denied[:2]], [b"DENIED", b"DENIED"])
        self.assertTrue(denied[2].startswith(b"OK count=1"))
        self.assertNotIn(b"DENIED", asyncio.run(ask({os.getuid()}))[0])

    def test_one_id_in_two_spellings_has_one_shard(self) -> None:
        for name in ("Müller", "gähn", "ブ"):
            self.assertEqual(len({home(unicodedata.normalize(form, name), 64) for form in ("NFC", "NFD")}), 1)


PROGRAM = os.environ.get("HILUM_PROGRAM", "")


@unittest.skipUnless(os.access(PROGRAM, os.X_OK), "HILUM_PROGRAM names no program")
class DaemonTests(unittest.TestCase):
    """Two shards by their daemons, and one archive of all cases."""

    CASES = 60

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = tempfile.mkdtemp(prefix="hilum-r-", dir="/tmp")
        cls.run_program("phantom", "cases", "--count", str(cls.CASES), "--seed", "9", "--side", "64", "--quiet")
        manifest = f"{cls.folder}/cases/cases.jsonl"
        with open(manifest, encoding="utf-8") as file:
            rows = sorted((json.loads(line) for line in file), key=lambda row: row["id"])
        with open(manifest, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
        cls.ids = [row["id"] for row in rows]
        for part in (1, 2):
            cls.run_program("embed", "--manifest", "cases/cases.jsonl", "--shard", f"{part}/2", "--with",
                            "fields,report,path", "--out", f"part-{part}.npy", "--quiet")
        cls.processes = []
        for name, parts in (("one", (1, 2)), ("shard-1", (1,)), ("shard-2", (2,))):
            cls.run_program("init", name)
            cls.run_program("import", name, *(f"part-{part}.npy" for part in parts), "--shard", "--quiet")
            cls.processes.append(subprocess.Popen(
                [PROGRAM, "serve", name, "--socket", f"{name}.sock"], cwd=cls.folder, stderr=subprocess.DEVNULL))
        for name in ("one", "shard-1", "shard-2"):
            end = time.monotonic() + 60
            while time.monotonic() < end:
                try:
                    with hilum.Client(f"{cls.folder}/{name}.sock") as client:
                        client.ping()
                    break
                except hilum.HilumError:
                    time.sleep(0.02)

    @classmethod
    def tearDownClass(cls) -> None:
        for process in cls.processes:
            process.terminate()
        for process in cls.processes:
            process.wait()
        shutil.rmtree(cls.folder, ignore_errors=True)

    @classmethod
    def run_program(cls, *arguments: str) -> str:
        done = subprocess.run(
            [PROGRAM, *arguments], cwd=cls.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 0, (arguments, done.returncode, done.stderr)
        return done.stdout

    def both(self, requests: List[Any], check: Any) -> None:
        """Sends requests to the router and to the one archive, and compares."""

        async def main() -> None:
            router = Router([Shard([Daemon(f"{self.folder}/shard-{part}.sock")]) for part in (1, 2)])
            server = await router.serve(f"{self.folder}/router.sock")
            one = hilum.AsyncClient(f"{self.folder}/one.sock")
            many = hilum.AsyncClient(f"{self.folder}/router.sock")
            for request in requests:
                left, right = await asyncio.gather(one.send(request), many.send(request), return_exceptions=True)
                check(request, left, right)
            await one.close()
            await many.close()
            server.close()

        asyncio.run(main())

    def test_the_same_hits_as_one_archive(self) -> None:
        with open(f"{self.folder}/cases/images/{self.ids[5]}.png", "rb") as file:
            picture = file.read()
        ask = hilum.requests.search
        with hilum.Client(f"{self.folder}/one.sock") as one:
            nearest = one.send(ask("nodule", exact=True, k=1))[0].id
        requests = [
            *(ask(text, k=10, exact=True) for text in (
                "left effusion", "no nodule", "cardiomegaly", "any:pneumothorax", "nodule -left", "右上葉の結節",
                "xyzzy", "effusion xyzzy", '"tip at"')),
            ask("effusion", mode="words", k=10), ask("effusion", mode="vector", exact=True),
            ask("effusion", where={"view": "PA"}, exact=True, k=30), ask(id=self.ids[3], exact=True),
            ask(id=self.ids[3], exact=True, include_self=False), ask(image=picture, exact=True, target="report"),
            ask("nodule", image=picture, exact=True, weights={"text": 2.0}, k=5),
            ask("nodule", unlike=nearest, exact=True, k=5),
            ask("nodule", unlike=nearest, mode="words", k=5), ask("effusion", exact=True, min_score=0.2),
        ]

        def check(request: Any, left: Any, right: Any) -> None:
            self.assertEqual([hit.id for hit in left], [hit.id for hit in right], request.line)
            for one, other in zip(left, right):
                self.assertAlmostEqual(one.score, other.score, places=5)
                self.assertEqual(one.findings, other.findings)

        self.both(requests, check)

    def test_counts_cases_and_refusals(self) -> None:
        make = hilum.requests
        requests = [
            make.count(), make.count({"view": "PA"}), make.facet("view"), make.get(self.ids[7], include="report"),
            make.get("nobody"), make.search("a", k=0), make.count({"viwe": "PA"}), make.search(id="nobody"),
        ]

        def check(request: Any, left: Any, right: Any) -> None:
            self.assertEqual(type(left), type(right), (request.line, left, right))
            if isinstance(left, hilum.HilumError):
                self.assertEqual(left.code, right.code)
            elif isinstance(left, hilum.Facet):
                self.assertEqual(left.values, right.values)
            elif isinstance(left, hilum.Case):
                self.assertEqual((left.id, left.report), (right.id, right.report))
            else:
                self.assertEqual(left, right)

        self.both(requests, check)

    def test_a_case_is_stored_found_and_deleted(self) -> None:
        async def main() -> None:
            router = Router([Shard([Daemon(f"{self.folder}/shard-{part}.sock")]) for part in (1, 2)])
            for number in range(4):
                _, status = await router.answer(parse(f'PUT id=new-{number} report="Large zebra, number {number}."')[0])
                self.assertTrue(status.startswith("OK id="), status)
            hits, _ = await router.answer(parse("SEARCH text=zebra mode=words k=10")[0])
            self.assertEqual({hit["id"] for hit in hits}, {f"new-{number}" for number in range(4)})
            for number in range(4):
                await router.answer(parse(f"DELETE id=new-{number}")[0])
            self.assertEqual((await router.answer(parse("COUNT")[0]))[1], f"OK count={self.CASES} shards=2/2")

        asyncio.run(main())

    def test_cut_anew_no_case_is_lost_or_twice(self) -> None:
        found: List[str] = []
        parts = []
        bare = [f"bare-{number}" for number in range(8)]
        manifest = f"{self.folder}/bare.jsonl"
        for number, name in enumerate(("shard-1", "shard-2")):
            # Cases that no vector stands for go along.
            with open(manifest, "w", encoding="utf-8") as file:
                file.writelines(json.dumps({"id": id, "report": f"quux zyzzy {id}", "view": "PA"}) + "\n"
                                for id in bare if home(id, 2) == number)
            shutil.copytree(f"{self.folder}/{name}", f"{self.folder}/{name}.old", ignore=shutil.ignore_patterns("*.sock", "lock*"))
            name += ".old"
            self.run_program("index", name, manifest, "--quiet")
            self.run_program("export", name, f"{name}.out", "--with", "fields,report,path", "--settled", "--quiet")
            parts.append(cut.cut(f"{self.folder}/{name}.out", f"{self.folder}/{name}", 3, 1))
        proofs = [word for name in ("shard-1", "shard-2") for word in ("--settled", f"{name}.old/log.key")]
        for shard in range(3):
            folder = f"{self.folder}/cut-{shard}"
            model = cut.write_joined([of[shard] for of in parts], folder)
            self.run_program("init", f"new-{shard}", "--model", model)
            summary = json.loads(
                self.run_program("import", f"new-{shard}", folder + "/rows", *proofs, "--quiet", "--json"))
            self.run_program("export", f"new-{shard}", f"new-{shard}.out", "--with", "fields,report", "--quiet")
            with open(f"{self.folder}/new-{shard}.out/reports.jsonl", encoding="utf-8") as lines:
                ids = [json.loads(line)["id"] for line in lines]
            self.assertEqual(ids, sorted(ids))
            with open(f"{self.folder}/new-{shard}.out/{cut.BARE}", encoding="utf-8") as lines:
                rows = [json.loads(line) for line in lines]
            self.assertTrue(all(row["report"] == f"quux zyzzy {row['id']}" and row["view"] == "PA" for row in rows))
            ids += [row["id"] for row in rows]
            self.assertEqual(summary["stored"], len(ids))
            self.assertTrue(all(home(id, 3) == shard for id in ids))
            found += ids
        self.assertEqual(sorted(found), sorted(self.ids + bare))

    def test_cut_anew_the_model_is_the_one_that_is_searched(self) -> None:
        name = "rolled"
        shutil.copytree(f"{self.folder}/shard-1", f"{self.folder}/{name}", ignore=shutil.ignore_patterns("*.sock", "lock*", "*.lock"))
        self.run_program("train", "--data", "cases", "--init", "builtin", "--out", "other", "--steps", "1", "--batch", "2", "--quiet")
        self.run_program("embed", "--manifest", "cases/cases.jsonl", "--shard", "1/2", "--model", "other", "--with",
                         "fields,report,path", "--out", "other.npy", "--quiet")
        self.run_program("import", name, "other.npy", "--generation", "next", "--model", "other", "--shard", "--quiet")

        def figures(archive: str) -> Dict[str, Any]:
            return json.loads(self.run_program("stats", archive, "--json"))

        def carried() -> str:
            """The model that comes along."""
            shutil.rmtree(f"{self.folder}/{name}.out", ignore_errors=True)
            self.run_program("export", name, f"{name}.out", "--with", "fields,report", "--settled", "--quiet")
            parts = cut.cut(f"{self.folder}/{name}.out", f"{self.folder}/{name}", 1, figures(name)["generation"])
            model = cut.write_joined(parts, f"{self.folder}/{name}-{len(os.listdir(self.folder))}")
            return json.loads(self.run_program("model", "inspect", model, "--json"))["id"]

        first = figures(name)["model"]
        self.assertEqual(carried(), first, "a generation that is not searched yet")
        self.run_program("reembed", name, "--switch")
        second = figures(name)["model"]
        self.assertNotEqual(second, first)
        self.assertEqual(carried(), second)
        self.run_program("reembed", name, "--rollback")
        self.assertEqual((figures(name)["model"], figures(name)["generation"]), (first, 1))
        self.assertIn("model.2", os.listdir(f"{self.folder}/{name}"))
        self.assertEqual(carried(), first, "the newest one is not searched any more")


if __name__ == "__main__":
    unittest.main()
