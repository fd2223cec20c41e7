"""Every verb against a real daemon."""

from __future__ import annotations

import asyncio
import inspect
import os
import subprocess
import sys
from pathlib import Path

import hilum
from hilum import Not, Range, requests, wire

from .support import CASE_COUNT, DaemonCase
from .test_wire import ODD


class VerbTests(DaemonCase):
    def setUp(self) -> None:
        self.client = hilum.Client(self.socket)
        self.addCleanup(self.client.close)

    def test_every_verb_and_option_of_help_has_a_place(self) -> None:
        verbs = {entry["verb"]: entry for entry in self.client.help()}
        methods = set(dir(hilum.Client)) | {"quit"}
        self.assertEqual(set(verb.lower() for verb in verbs) - methods, set())
        renamed = {"with": "include", "self": "include_self", "image": "image_path"}
        for verb in verbs:
            if verb == "QUIT":
                continue
            known = set(inspect.signature(getattr(requests, verb.lower())).parameters)
            for entry in self.client.help(verb):
                option = entry.get("option")
                if option is None:
                    continue
                name = "weights" if option.startswith("w.") else renamed.get(option, option)
                self.assertIn(name, known, f"{verb} {option}")
        self.assertEqual(
            set(name for name in dir(hilum.Client) if not name.startswith("_")),
            set(name for name in dir(hilum.AsyncClient) if not name.startswith("_")))

    def test_hello_stats_metrics(self) -> None:
        hello = self.client.hello()
        self.assertEqual((hello.proto, hello.cases, hello.dim > 0, hello.generation), (1, self.client.count(), True, 1))
        self.assertEqual(hello.limits["line_bytes"], wire.LINE_BYTES)
        self.assertEqual(hello.limits["literal_bytes"], wire.LITERAL_BYTES)
        self.assertLess(hello.limits["reply_bytes"], wire.REPLY_BYTES)
        self.assertGreaterEqual(self.client.stats()["cases"], CASE_COUNT)
        self.assertIn("\n# TYPE hilum_cases gauge\n", self.client.metrics())

    def test_what_several_archives_are_asked_by(self) -> None:
        vector = self.client.embed("effusion")
        self.assertEqual(len(vector), self.client.hello().dim)
        self.assertAlmostEqual(sum(value * value for value in vector), 1, places=3)
        self.assertEqual(len(self.client.embed(image=self.images[0].read_bytes())), len(vector))
        words = self.client.words("left effusion")
        self.assertEqual(words["reports"], self.client.count())
        corpus = [words["reports"], words["length"], *words["matches"]]
        parted = self.client.search("left effusion", mode="words", corpus=corpus, k=5)
        whole = self.client.search("left effusion", mode="words", k=5)
        self.assertEqual([hit.id for hit in parted][:1], [hit.id for hit in whole][:1])
        stands = self.client.changes()
        self.assertEqual((stands.cases, stands.left, stands.more), ([], [], False))
        self.client.put("followed", report="Large effusion.")
        came = self.client.changes(stands.position)
        self.assertEqual((len(came.cases), came.cases[0]["report"]), (1, "Large effusion."))
        self.client.delete("followed")
        self.assertEqual(len(self.client.changes(came.position).left), 1)

    def test_picture(self) -> None:
        name = self.images[0].stem
        png = self.client.picture(name, side=32)
        self.assertTrue(png.startswith(b"\x89PNG\r\n") and 0 < max(png[16:20] + png[20:24]) <= 32)
        self.assertTrue(self.client.picture(image=self.images[0].read_bytes()).startswith(b"\x89PNG"))

    def test_search_by_text_image_case_and_vector(self) -> None:
        name = self.images[3].stem
        by_image = self.client.search(image=self.images[3].read_bytes(), k=3)
        self.assertEqual((by_image[0].id, by_image[0].rank, by_image[0].via), (name, 1, "image"))
        self.assertGreater(by_image[0].score, 0.99)
        self.assertEqual(self.client.search(image_path=str(self.images[3]), k=3).hits, by_image.hits)
        case = self.client.get(name, include=["report", "vector", "path"])
        self.assertTrue(case.has_image and case.has_report and case.report and case.patient)
        self.assertEqual(Path(case.path or "").name, self.images[3].name)
        by_vector = self.client.search(vec=case.vectors["image"], target="image", k=3)
        self.assertEqual(by_vector[0].id, name)
        others = self.client.search(id=name, include_self=False, k=CASE_COUNT)
        self.assertNotIn(name, [hit.id for hit in others])
        words = self.client.search("no effusion", k=2, include=["report", "highlights", "vector", "path"])
        self.assertIsNotNone(words[0].fused)
        for hit in words:
            self.assertIsNotNone(hit.report)
            for first, end in hit.highlights:
                self.assertTrue((hit.report or "").encode()[first:end].decode())
            self.assertEqual(len(hit.vectors["report"]), self.client.hello().dim)
        self.assertEqual(self.client.search("xyzzy effusion", k=1).unknown, ("xyzzy",))

    def test_all_options_of_a_search_are_taken(self) -> None:
        name = self.images[0].stem
        result = self.client.search(
            "effusion", id=[name, self.images[1].stem], unlike=self.images[2].stem, where={"view": ["PA", "AP"]}, k=4, ef=50,
            target="case", mode="hybrid", weights={"text": 2, "id": 0.5, "unlike": 0.1, "vector": 1, "words": 1}, min_score=-1,
            include_self=False, group="patient", mmr=0.9, dedup=0.999, deadline_ms=60_000)
        self.assertEqual([hit.rank for hit in result], list(range(1, len(result) + 1)))
        self.assertEqual(result[0].group and result[0].group.by, "patient")
        self.assertIsNotNone(self.client.search(id=name, recall=0.95).recall or result)
        self.assertTrue(self.client.search(id=name, exact=True, k=1).hits)

    def test_conditions(self) -> None:
        count = self.client.count
        views = self.client.facet("view")
        self.assertEqual(sum(views.values.values()), views.cases)
        first, *rest = views.values
        self.assertEqual(count({"view": first}), views.values[first])
        self.assertEqual(count({"view": Not(first)}), views.cases - views.values[first])
        self.assertEqual(count({"view": list(views.values)}), views.cases)
        self.assertEqual(count({"date": Range(None, "2012")}) + count({"date": Range("2013", None)}), views.cases)
        self.assertLessEqual(len(self.client.facet("patient", {"view": first}, k=3).values), 3)
        self.assertEqual({hit.view for hit in self.client.search("effusion", where={"view": first}, k=40)}, {first})
        with self.assertRaises(hilum.HilumError) as caught:
            count({"vjew": "PA"})
        self.assertEqual(caught.exception.code, "BADREQ")

    def test_pages(self) -> None:
        whole = [hit.id for hit in self.client.search(id=self.images[0].stem, k=CASE_COUNT)]
        pages = list(self.client.pages(id=self.images[0].stem, k=7))
        self.assertEqual([hit.id for page in pages for hit in page], whole)
        self.assertEqual([len(page) for page in pages[:-1]], [7] * (len(pages) - 1))
        self.assertEqual([hit.id for hit in self.client.hits(id=self.images[0].stem, k=7)], whole)
        pages_left = self.client.pages(id=self.images[0].stem, k=7)
        next(pages_left)
        self.client.put("page-breaker", report="Effusion.")
        try:
            with self.assertRaises(hilum.Stale):
                next(pages_left)
        finally:
            self.client.delete("page-breaker")

    def test_put_get_delete_with_values_of_every_kind(self) -> None:
        for place, text in enumerate(ODD):
            name = f"odd-{place}"
            report = f"Effusion on the left. {text}"
            stored = self.client.put(
                name, report=report, patient="p", view="PA", date="2020-01-02", findings=["effusion", "nodule left"],
                metadata={"note": text, "number": 5})
            self.assertEqual((stored.id, stored.vectors, stored.unchanged), (name, 1, False))
            case = self.client.get(name, include="report")
            self.assertEqual((case.report, case.patient, case.findings), (report, "p", ("effusion", "nodule left")))
            self.assertEqual(case.metadata.get("note", ""), text)
            self.assertEqual(case.metadata["number"], "5")
            # What names the patient is masked in the report, so it stands alone.
            self.client.put(name, report="Effusion on the left.", patient=text)
            self.assertEqual(self.client.get(name).patient or "", text)
            self.client.delete(name)
            with self.assertRaises(hilum.NotFound):
                self.client.delete(name)

    def test_put_with_octets_and_an_id_of_any_letters(self) -> None:
        name = "胸部 7/é\"x"
        try:
            self.client.put(name, image=self.images[1].read_bytes(), report="Nodule.")
        except hilum.HilumError as error:
            self.assertEqual(error.code, "BADREQ")
            name = "胸部7é"
            self.client.put(name, image=self.images[1].read_bytes(), report="Nodule.")
        self.assertEqual(self.client.get(name).id, name)
        self.assertIn(name, [hit.id for hit in self.client.search(image=self.images[1].read_bytes(), k=2)])
        self.client.delete(name)
        with self.assertRaises(hilum.HilumError) as caught:
            self.client.put("x", image=b"no picture")
        self.assertEqual(caught.exception.code, "BADIMAGE")
        self.assertIsNone(self.client.ping())

    def test_explain(self) -> None:
        name = self.images[0].stem
        explanation = self.client.explain("effusion on the left", id=name)
        self.assertEqual(len(explanation.whole.heat), explanation.rows * explanation.columns)
        self.assertEqual([word.word for word in explanation.words], ["effusion", "on", "the", "left"])
        self.assertEqual(
            self.client.explain("nodule", image=self.images[0].read_bytes()).score,
            self.client.explain("nodule", image_path=str(self.images[0])).score)
        plan = self.client.explain_search("effusion", where={"view": "PA"}, k=3)
        self.assertEqual((plan.plan["k"], plan.filters[0]["key"], plan.result.hits), (3, "view", []))
        self.assertTrue(plan.legs and plan.stages)

    def test_reembed_and_snapshot(self) -> None:
        status = self.client.reembed()
        self.assertEqual((status.state, status.generation), (status.raw["state"], 1))
        with self.assertRaises(hilum.HilumError):
            self.client.reembed("start", model="/nowhere", precision="f32", rate=5, between="01:00-05:00")
        copy = self.client.snapshot(f"{self.folder}/copy")
        self.assertEqual(copy.cases, self.client.count())
        self.assertTrue(os.path.exists(f"{self.folder}/copy/snapshot.json"))
        self.assertEqual(len(copy.sha256), 64)
        with self.assertRaises(hilum.HilumError) as caught:
            self.client.snapshot(f"{self.folder}/copy")
        self.assertEqual(caught.exception.code, "EXISTS")

    def test_a_deadline_that_is_over(self) -> None:
        with self.assertRaises(hilum.DeadlineOver):
            self.client.search(image=self.images[0].read_bytes(), deadline_ms=0)
        with hilum.Client(self.socket, deadline_ms=0) as hurried:
            with self.assertRaises(hilum.DeadlineOver):
                hurried.search(image=self.images[0].read_bytes())

    def test_a_pipeline_of_a_thousand(self) -> None:
        names = [image.stem for image in self.images] * 25
        answers = self.client.pipeline([requests.get(name) for name in names])
        self.assertEqual([answer.id for answer in answers if isinstance(answer, hilum.Case)], names)

    def test_the_example_runs(self) -> None:
        example = Path(__file__).resolve().parents[1] / "example.py"
        lines = example.read_text().splitlines()
        self.assertLess(len(lines), 30)
        done = subprocess.run(
            [sys.executable, str(example), self.socket, str(self.images[0])], capture_output=True, text=True, timeout=60,
            env={**os.environ, "PYTHONPATH": str(example.parent)})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(self.images[0].stem, done.stdout)


class AsyncTests(DaemonCase):
    def test_many_tasks_on_one_connection(self) -> None:
        async def run() -> None:
            async with hilum.AsyncClient(self.socket) as client:
                names = [image.stem for image in self.images]
                results = await asyncio.gather(*(client.search(id=name, k=1) for name in names))
                self.assertEqual([result[0].id for result in results], names)
                self.assertEqual([hit.id async for hit in client.hits(id=names[0], k=7)],
                                 [hit.id for hit in await client.search(id=names[0], k=CASE_COUNT)])
                with self.assertRaises(hilum.NotFound):
                    await client.get("nobody")
                stored = await client.put("from-a-task", image=self.images[0].read_bytes(), report="Effusion.")
                self.assertEqual(stored.vectors, 2)
                await client.delete("from-a-task")

        asyncio.run(run())

    def test_a_daemon_that_was_started_again(self) -> None:
        async def run() -> None:
            client = hilum.AsyncClient(self.socket)
            self.assertEqual(await client.count(), CASE_COUNT)
            self.stop()
            with self.assertRaises(hilum.HilumError):
                await client.count()
            self.start()
            self.assertEqual(await client.count(), CASE_COUNT)
            await client.close()

        with hilum.Client(self.socket) as kept:
            kept.ping()
            asyncio.run(run())
            # Also a change: that the connection had ended could be seen before it was sent.
            kept.put("again", report="Effusion.")
            kept.delete("again")
