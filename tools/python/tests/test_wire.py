"""The bytes of requests and replies, without a socket."""

import json
import random
import unittest
from array import array
from datetime import date
from typing import Any, Dict, List

import hilum
from hilum import Not, Range, requests, wire
from hilum.errors import HilumError, ProtocolError

ODD = [
    "", " ", "a b", 'say "no"', "back\\slash", "\\", "line\nfeed", "\r\n", "tab\t", "右上葉の結節", "é", "e\u0301", "😀",
    "\x01\x1f", "\x7f\x80\x9f", "\u2028\u2029", "=", "a=b", "k=1", "@7", "#", "bytes=5", "..", "a,b", "\ufeff", "\U0010ffff",
]


class QuotingTests(unittest.TestCase):
    def test_every_text_is_one_line_of_printable_characters_that_means_it(self) -> None:
        generator = random.Random(5)
        alphabet = [chr(code) for code in range(1, 0x250)] + list("結節😀\u2028\\\"\n ")
        texts = ODD + ["".join(generator.choices(alphabet, k=generator.randrange(40))) for _ in range(2000)]
        for text in texts:
            quoted = wire.quote(text)
            self.assertEqual(json.loads(quoted), text)
            self.assertEqual(quoted.splitlines(), [quoted])
            self.assertFalse(any(ord(character) < 32 or 127 <= ord(character) < 160 for character in quoted))

    def test_what_no_request_can_hold_is_refused_before_it_is_sent(self) -> None:
        for text in ["a\0b", "\ud800", "x\udfff"]:
            with self.assertRaises(ValueError):
                requests.search(text)

    def test_a_line_feed_in_a_verb_or_key_begins_no_request(self) -> None:
        with self.assertRaises(ValueError):
            requests.help("SEARCH\nDELETE id=1")
        with self.assertRaises(ValueError):
            requests.count({"view=PA\nDELETE id": "1"})
        with self.assertRaises(ValueError):
            requests.reembed("status\nPING")
        with self.assertRaises(ValueError):
            wire.Request("PING\nDELETE id=1", lambda reply: None).encode("1")


class RequestTests(unittest.TestCase):
    def test_all_options_of_a_search_stand_in_the_line(self) -> None:
        where: Dict[str, requests.Condition] = {
            "view": ["PA", "AP"], "site": Not("B"), "date": Range(date(2019, 1, 2), None), "age": Range(None, 7)}
        request = requests.search(
            ["a", "b"], id="1", image=b"PNG", image_path="/x.png", vec=[[1, 0], [0, 1]], unlike=["u"], where=where, k=5, ef=64,
            target="image", mode="vector", weights={"text": 2, "words": 0.5}, min_score=-0.25, include_self=False,
            group="patient", mmr=0.5, dedup=0.98, exact=True, cursor="start", include=["report", "vector"], deadline_ms=9)
        octets = request.encode("7")
        self.assertTrue(octets.endswith(b" deadline_ms=9 bytes=3\nPNG\n"), octets)
        self.assertEqual(
            octets.split(b"\n")[0].decode().split(" ")[:-2],
            ["@7", "SEARCH", 'text="a"', 'text="b"', 'id="1"', 'image="/x.png"', 'unlike="u"', "vec=f32:AACAPwAAAAA=",
             "vec=f32:AAAAAAAAgD8=", "w.text=2", "w.words=0.5", "k=5", "ef=64", "exact=1", 'target="image"', 'mode="vector"',
             "min_score=-0.25", "self=0", 'group="patient"', "mmr=0.5", "dedup=0.98", 'cursor="start"', 'with="report,vector"',
             'view="PA,AP"', 'site!="B"', 'date="2019-01-02.."', 'age="..7"'])
        self.assertIn(" recall=0.95", requests.search("a", recall=0.95).line)

    def test_vectors_of_any_kind_are_the_same_bytes(self) -> None:
        wanted = "f32:AACAPwAAAL8="
        kinds: List[Any] = [[1, -0.5], (1.0, -0.5), array("f", [1, -0.5]), array("d", [1, -0.5])]
        if wire.numpy is not None:
            kinds += [wire.numpy.array([1, -0.5], dtype) for dtype in ("<f8", "<f4", ">f4", "f2")]
            kinds.append(wire.numpy.array([1, 9, -0.5, 9], "f4")[::2])
        for vector in kinds:
            self.assertEqual(wire.vector_text(vector), wanted)
            self.assertIn(" vec=" + wanted, requests.search(vec=vector).line)
        self.assertEqual(list(wire.read_vector(wanted)), [1, -0.5])

    def test_vectors_without_numpy(self) -> None:
        kept = wire.numpy
        wire.numpy = None  # type: ignore[assignment]
        try:
            self.assertEqual(wire.vector_text([1, -0.5]), "f32:AACAPwAAAL8=")
            self.assertEqual(wire.read_vector("f32:AACAPwAAAL8="), array("f", [1, -0.5]))
        finally:
            wire.numpy = kept

    def test_conditions_that_would_mean_something_else_are_refused(self) -> None:
        for where in [{"k": 5}, {"w.text": 1}, {"id": "1"}, {"with": "report"}, {"view": []}, {"view": "PA,AP"}, {"date": "2019.."},
                      {"date": Range()}, {"View": "PA"}, {"": "PA"}, {"normal": True}]:
            with self.assertRaises(ValueError, msg=str(where)):
                requests.search("a", where=where)  # type: ignore[arg-type]
        self.assertEqual(requests.count([("view", "PA"), ("view", Not(["AP", "LL"]))]).line, 'COUNT view="PA" view!="AP,LL"')

    def test_what_the_daemon_would_close_the_connection_for_is_not_sent(self) -> None:
        for request in [requests.put("1", report="x" * 70_000), requests.put("1", image=bytes((64 << 20) + 1))]:
            with self.assertRaises(HilumError) as caught:
                request.encode("1")
            self.assertEqual(caught.exception.code, "LIMIT")


class ReplyTests(unittest.TestCase):
    STREAM = (
        '@1 {"id":"結"}\n@1 OK hits=1 id="a b\\" c=d" gen=2\n@2 ERR NOTFOUND no case has this id\nOK PONG\n'.encode())

    def test_replies_are_the_same_however_the_bytes_are_cut(self) -> None:
        for size in range(1, len(self.STREAM) + 1):
            reader = wire.ReplyReader()
            items = []
            for start in range(0, len(self.STREAM), size):
                reader.feed(self.STREAM[start:start + size])
                while item := reader.next():
                    items.append(item)
            (first_tag, first), (second_tag, second), (third_tag, third) = items
            self.assertEqual((first_tag, second_tag, third_tag), ("1", "2", None))
            self.assertEqual(first, wire.Reply([{"id": "結"}], {"hits": "1", "id": 'a b" c=d', "gen": "2"}))
            assert isinstance(second, hilum.NotFound)
            self.assertEqual((second.code, second.text), ("NOTFOUND", "no case has this id"))
            self.assertEqual(third, wire.Reply([], {"PONG": "PONG"}))
            self.assertFalse(reader.is_inside)

    def test_what_is_no_reply_is_an_error(self) -> None:
        for octets in [b"HTTP/1.1 400 Bad Request\n", b"{\"id\":\n", b"\xff\xfe\n", b"OK id=\"a\n", b"[1]\n"]:
            with self.assertRaises(ProtocolError):
                wire.ReplyReader().feed(octets)

    def test_an_endless_reply_is_an_error(self) -> None:
        reader = wire.ReplyReader()
        with self.assertRaises(ProtocolError):
            for _ in range(200):
                reader.feed(b"{" * (1 << 20))

    def test_errors_survive_pickling(self) -> None:
        import pickle

        error = pickle.loads(pickle.dumps(hilum.Busy("BUSY", "later")))
        self.assertEqual((type(error), error.code, error.text), (hilum.Busy, "BUSY", "later"))
