"""Both clients against servers that split, stall, lie and hang up."""

from __future__ import annotations

import asyncio
import select
import socket
import threading
import time
import unittest
from typing import Any, Callable, List

import hilum
from hilum import requests

from .support import FakeServer, Lines, tag


def echo(connection: socket.socket) -> None:
    """Answers each line, GET with its id; in bytes sent one by one."""
    lines = Lines(connection)
    while (line := lines.next()) is not None:
        for octet in answer(line).encode():
            connection.send(bytes((octet,)))


def answer(line: str) -> str:
    """What `echo` says to a line."""
    mark = tag(line)
    if " GET " not in line:
        return f"{mark}OK\n"
    name = line.split('id="')[1].split('"')[0]
    if name == "missing":
        return f"{mark}ERR NOTFOUND no case has this id\n"
    return f'{mark}{{"id":"{name}","has_image":true,"has_report":false}}\n{mark}OK id={name}\n'


class Both(unittest.TestCase):
    """Runs a check with the synchronous client and with the one for asyncio."""

    def both(self, serve: "Callable[[socket.socket], None]", check: "Callable[[Ask], None]", **options: Any) -> None:
        for kind in (Ask, AskAsync):
            with self.subTest(kind=kind.__name__), FakeServer(serve) as server:
                ask = kind(server, options)
                try:
                    check(ask)
                finally:
                    ask.close()


class Ask:
    """A client and the server that it asks."""

    def __init__(self, server: FakeServer, options: Any) -> None:
        self.server = server
        self.client = hilum.Client(server.path, **options)

    def send(self, request: Any) -> Any:
        return self.client.send(request)

    def pipeline(self, batch: Any) -> Any:
        return self.client.pipeline(batch)

    def close(self) -> None:
        self.client.close()


class AskAsync(Ask):
    def __init__(self, server: FakeServer, options: Any) -> None:
        self.server = server
        self.loop = asyncio.new_event_loop()
        self.asking = hilum.AsyncClient(server.path, **options)

    def send(self, request: Any) -> Any:
        return self.loop.run_until_complete(self.asking.send(request))

    def pipeline(self, batch: Any) -> Any:
        return self.loop.run_until_complete(self.asking.pipeline(batch))

    def close(self) -> None:
        self.loop.run_until_complete(self.asking.close())
        self.loop.close()


class ServerTests(Both):
    def test_replies_in_single_bytes(self) -> None:
        def check(ask: Ask) -> None:
            self.assertEqual(ask.send(requests.get("結")).id, "結")
            with self.assertRaises(hilum.NotFound):
                ask.send(requests.get("missing"))
            self.assertEqual(ask.send(requests.get("2")).id, "2")
            self.assertEqual(ask.server.connection_count, 1)

        self.both(echo, check)

    def test_a_pipeline_keeps_order_and_a_refusal_takes_no_other_answer_along(self) -> None:
        def check(ask: Ask) -> None:
            names = ["missing" if number % 7 == 3 else str(number) for number in range(100)]
            answers = ask.pipeline([requests.get(name) for name in names])
            for name, got in zip(names, answers):
                if name == "missing":
                    self.assertEqual(got.code, "NOTFOUND")
                else:
                    self.assertEqual(got.id, name)
            self.assertEqual(ask.pipeline([]), [])

        self.both(echo, check)

    def test_a_server_that_reads_nothing_before_its_replies_are_read_blocks_nobody(self) -> None:
        """Both directions hold more than the socket's buffers: who only sends, then reads, would wait for ever."""
        pad = "x" * 4000

        def serve(connection: socket.socket) -> None:
            lines = Lines(connection)
            while (line := lines.next()) is not None:
                mark = tag(line)
                connection.sendall(f'{mark}{{"pad":"{pad}"}}\n{mark}OK\n'.encode())

        def check(ask: Ask) -> None:
            batch = [requests.stats() for _ in range(10)]
            batch = [hilum.Request(f'STATS pad="{pad}"', request.read) for request in batch * 100]
            self.assertEqual({len(got["pad"]) for got in ask.pipeline(batch)}, {4000})

        self.both(serve, check, timeout=60)

    def test_octets_come_whole(self) -> None:
        image = bytes(range(256)) * 5000

        def serve(connection: socket.socket) -> None:
            lines = Lines(connection)
            while (line := lines.next()) is not None:
                count = int(line.rpartition("bytes=")[2])
                is_whole = lines.octets(count) == image
                connection.sendall(f"{tag(line)}OK id=1 vectors={int(is_whole)}\n".encode())

        def check(ask: Ask) -> None:
            self.assertEqual(ask.send(requests.put("1", image=image)).vectors, 1)
            self.assertEqual(ask.send(requests.put("1", image=image)).vectors, 1)

        self.both(serve, check)

    def test_a_reply_that_is_late_is_no_answer_to_the_next_request(self) -> None:
        gate = threading.Event()

        def serve(connection: socket.socket) -> None:
            lines = Lines(connection)
            while (line := lines.next()) is not None:
                if '"slow"' in line:
                    gate.wait(30)
                connection.sendall(answer(line).encode())

        for kind in (Ask, AskAsync):
            gate.clear()
            with FakeServer(serve) as server:
                ask = kind(server, {"timeout": 0.2})
                start = time.monotonic()
                with self.assertRaises(hilum.TimedOut) as caught:
                    ask.send(requests.get("slow"))
                self.assertIsInstance(caught.exception, TimeoutError)
                self.assertEqual(caught.exception.code, "TIMEOUT")
                self.assertLess(time.monotonic() - start, 10)
                gate.set()
                if isinstance(ask, AskAsync):
                    ask.asking.timeout = 30
                else:
                    ask.client.timeout = 30
                self.assertEqual(ask.send(requests.get("next")).id, "next")
                ask.close()

    def test_a_server_that_hangs_up_within_a_reply(self) -> None:
        def serve(connection: socket.socket) -> None:
            line = Lines(connection).next()
            if line is not None:
                connection.sendall(f'{tag(line)}{{"id":"1","has'.encode())

        def check(ask: Ask) -> None:
            with self.assertRaises(hilum.Closed) as caught:
                ask.send(requests.get("1"))
            self.assertIsInstance(caught.exception, ConnectionError)

        self.both(serve, check)

    def test_a_connection_that_ended_while_it_was_quiet_is_made_again(self) -> None:
        def serve(connection: socket.socket) -> None:
            line = Lines(connection).next()
            if line is not None:
                connection.sendall(answer(line).encode() + b"ERR LIMIT no request came for 300 s; connect again\n")

        def check(ask: Ask) -> None:
            for number in range(1, 5):
                self.assertEqual(ask.send(requests.get(str(number))).id, str(number))
                self.assertEqual(ask.server.connection_count, number)
                # The end of the connection has to come before the next request, or this would test something else.
                if isinstance(ask, AskAsync):
                    connection = ask.asking._connection
                    assert connection is not None
                    ask.loop.run_until_complete(asyncio.wait_for(connection.task, 30))
                else:
                    assert ask.client._socket is not None
                    select.select([ask.client._socket], [], [], 30)

        self.both(serve, check)

    def test_a_change_is_never_sent_twice(self) -> None:
        seen = []

        def serve(connection: socket.socket) -> None:
            lines = Lines(connection)
            first = lines.next()
            if first is None:
                return
            connection.sendall(answer(first).encode())
            seen.append(lines.next())

        def check(ask: Ask) -> None:
            seen.clear()
            ask.send(requests.ping())
            with self.assertRaises(hilum.Closed):
                ask.send(requests.delete("1"))
            self.assertEqual(len(seen), 1)

        self.both(serve, check)

    def test_a_refused_connection_says_why(self) -> None:
        def serve(connection: socket.socket) -> None:
            connection.sendall(b"ERR BUSY too many clients\n")
            connection.recv(1000)

        def check(ask: Ask) -> None:
            with self.assertRaises(hilum.Busy) as caught:
                ask.send(requests.ping())
            self.assertEqual(caught.exception.text, "too many clients")

        self.both(serve, check)

    def test_what_is_no_daemon_and_what_answers_another_request_is_an_error_of_the_protocol(self) -> None:
        for reply in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"@other OK PONG\n", b"OK PONG\n", b"\x00\x01\n"):
            def serve(connection: socket.socket) -> None:
                if Lines(connection).next() is not None:
                    connection.sendall(reply)
                    connection.recv(1000)

            def check(ask: Ask) -> None:
                with self.assertRaises(hilum.ProtocolError):
                    ask.send(requests.ping())

            self.both(serve, check)

    def test_a_reply_without_what_it_must_have_is_an_error_of_the_protocol(self) -> None:
        def serve(connection: socket.socket) -> None:
            lines = Lines(connection)
            while (line := lines.next()) is not None:
                connection.sendall(f'{tag(line)}{{"rank":1}}\n{tag(line)}OK hits=1\n'.encode())

        def check(ask: Ask) -> None:
            for request in (requests.search("a"), requests.get("1"), requests.hello(), requests.explain_search("a")):
                with self.assertRaises(hilum.ProtocolError):
                    ask.send(request)
            self.assertEqual(ask.server.connection_count, 1)

        self.both(serve, check)

    def test_no_daemon_at_all(self) -> None:
        def check(ask: Ask) -> None:
            for client in (hilum.Client("/nowhere/s"), hilum.Client("/dev/null"), hilum.Client("/tmp/" + "x" * 200)):
                with self.assertRaises(hilum.Unreachable) as caught:
                    client.ping()
                self.assertEqual(caught.exception.code, "UNREACHABLE")
            with self.assertRaises(hilum.Unreachable):
                asyncio.run(hilum.AsyncClient("/nowhere/s").ping())

        self.both(echo, check)

    def test_what_is_too_large_is_refused_and_the_connection_goes_on(self) -> None:
        def check(ask: Ask) -> None:
            ask.send(requests.ping())
            with self.assertRaises(hilum.HilumError):
                ask.send(requests.put("1", report="x" * 70_000))
            ask.send(requests.ping())
            self.assertEqual(ask.server.connection_count, 1)

        self.both(echo, check)


class TaskTests(unittest.TestCase):
    def test_tasks_share_a_connection_and_a_cancelled_one_disturbs_no_other(self) -> None:
        async def run(path: str) -> None:
            async with hilum.AsyncClient(path) as client:
                tasks = [asyncio.ensure_future(client.get(str(number))) for number in range(50)]
                await asyncio.sleep(0)
                for task in tasks[::5]:
                    task.cancel()
                answers = await asyncio.gather(*tasks, return_exceptions=True)
                for number, got in enumerate(answers):
                    if number % 5 == 0:
                        self.assertIsInstance(got, asyncio.CancelledError)
                    else:
                        self.assertEqual(got.id, str(number))  # type: ignore[union-attr]
                self.assertEqual((await client.get("last")).id, "last")

        with FakeServer(echo) as server:
            asyncio.run(run(server.path))
            self.assertEqual(server.connection_count, 1)

    def test_threads_share_a_client(self) -> None:
        with FakeServer(echo) as server, hilum.Client(server.path) as client:
            got: List[Any] = [None] * 8

            def ask(number: int) -> None:
                got[number] = [client.get(f"{number}-{turn}").id for turn in range(20)]

            threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(got, [[f"{number}-{turn}" for turn in range(20)] for number in range(8)])
            self.assertEqual(server.connection_count, 1)
