"""Tests of growing without Ray: what happens where a router or a new shard is away at the wrong moment.

    python3 -m unittest discover -s tools/cluster/ray
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
import types
import unittest
from typing import Any, Callable, Dict, List, Optional

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)


class RayError(Exception):
    """As Ray's own."""


class Call:
    """A call of an actor or of a task, which happens when its result is asked for."""

    def __init__(self, body: Callable[[], Any]) -> None:
        self.body = body


class Method:
    def __init__(self, body: Callable[..., Any]) -> None:
        self.body = body

    def remote(self, *arguments: Any) -> Call:
        return Call(lambda: self.body(*arguments))

    def options(self, **_: Any) -> "Method":
        return self


class Actor:
    def __init__(self, **bodies: Callable[..., Any]) -> None:
        for name, body in bodies.items():
            setattr(self, name, Method(body))


def stub_ray(actors: Dict[str, Actor]) -> types.ModuleType:
    """What `serve` uses of Ray, within this process."""
    ray = types.ModuleType("ray")

    def get(asked: Any, timeout: Optional[float] = None) -> Any:
        return [get(one) for one in asked] if isinstance(asked, list) else asked.body()

    def get_actor(name: str, namespace: str) -> Actor:
        if name not in actors:
            raise ValueError(name)
        return actors[name]

    def remote(*given: Any, **_: Any) -> Any:
        return Method(given[0]) if given else Method

    ray.get, ray.get_actor, ray.remote = get, get_actor, remote  # type: ignore[attr-defined]
    ray.wait = lambda tasks, num_returns: None  # type: ignore[attr-defined]
    ray.kill = lambda actor, no_restart: None  # type: ignore[attr-defined]
    ray.exceptions = types.SimpleNamespace(RayError=RayError)  # type: ignore[attr-defined]
    return ray


class GrowTests(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="hilum-g-", dir="/tmp")
        self.addCleanup(shutil.rmtree, self.folder)
        self.config, self.grown = f"{self.folder}/shards.json", f"{self.folder}/grown.json"
        self.write(self.config, {"socket": f"{self.folder}/r.sock", "shards": self.shards("old", 2)})
        self.write(self.grown, {"shards": self.shards("new", 3)})
        former = sys.modules.get("ray")
        self.actors: Dict[str, Actor] = {}
        sys.modules["ray"] = stub_ray(self.actors)
        sys.modules.pop("serve", None)
        import serve

        self.serve = serve
        sys.modules.pop("serve")
        sys.modules.pop("ray") if former is None else sys.modules.__setitem__("ray", former)
        #: By router, how often it is away before it answers; what it was told; archives that were stopped, and removed.
        self.away = [0, 0]
        self.told: List[List[str]] = [[], []]
        self.stopped: List[str] = []
        self.discarded: List[str] = []
        for number, name in enumerate(serve.router_names(self.config)):
            self.actors[name] = Actor(reload=lambda number=number: self.reload(number))
        for shard in self.shards("old", 2):
            self.actors[serve.name_of(shard[0])] = Actor(
                figures=lambda program: {"deid": "off", "dates": "keep", "model": "m", "cases": 30},
                parts=lambda program, count: ["part"] * count, key=lambda: b"k")
        serve.stop_replicas = lambda shards: self.stopped.extend(one["archive"] for shard in shards for one in shard)
        serve.start_replicas = lambda config, shards: None
        serve.fill = Method(lambda *given: 20)
        serve.stands = Method(lambda archive: False)
        serve.discard = Method(self.discarded.append)
        serve.time = types.SimpleNamespace(monotonic=lambda: 0.0, sleep=self.sleep)
        self.slept = 0

    def shards(self, name: str, count: int) -> List[List[Dict[str, str]]]:
        return [[{"archive": f"{self.folder}/{name}-{number}"}] for number in range(count)]

    @staticmethod
    def write(path: str, value: Any) -> None:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(value, file)

    def sleep(self, _: float) -> None:
        # Whoever waits for ever gives up some time.
        self.slept += 1
        if self.slept > 20:
            self.serve.time.monotonic = lambda: 1e9

    def named(self) -> str:
        with open(self.config, encoding="utf-8") as file:
            return os.path.basename(json.load(file)["shards"][0][0]["archive"])[:3]

    def reload(self, number: int) -> None:
        if self.away[number] > 0:
            self.away[number] -= 1
            raise RayError("away")
        self.told[number].append(self.named() + (" frozen" if os.path.exists(self.config + ".growing") else ""))

    def grow(self) -> str:
        """What it said before it gave up; nothing where it did not."""
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            try:
                self.serve.grow(self.config, self.grown)
            except SystemExit as end:
                return str(end)
        return ""

    def test_changes_are_taken_again_when_every_router_has_the_new_shards(self) -> None:
        self.assertEqual(self.grow(), "")
        self.assertEqual(self.told, [["old frozen", "new frozen", "new"]] * 2)
        self.assertEqual(self.named(), "new")
        self.assertEqual(self.stopped, [shard[0]["archive"] for shard in self.shards("old", 2)])
        self.assertFalse(os.path.exists(self.config + ".growing"))

    def test_a_router_that_is_away_for_a_moment_is_waited_for(self) -> None:
        self.away = [3, 5]
        self.assertEqual(self.grow(), "")
        self.assertEqual(self.told, [["old frozen", "new frozen", "new"]] * 2)

    def test_nothing_is_cut_where_a_router_does_not_hear_of_it(self) -> None:
        self.away = [0, 1000]
        self.assertIn("nothing was switched", self.grow())
        self.assertEqual(self.told[0], ["old frozen", "old"])
        self.assertEqual(self.named(), "old")
        self.assertFalse(os.path.exists(self.config + ".growing"), "the other one takes changes again")

    def test_a_router_that_is_away_after_the_switch_keeps_changes_back(self) -> None:
        def switched(number: int) -> None:
            if self.named() == "new" and number == 1:
                raise RayError("away")
            self.reload(number)

        name = self.serve.router_names(self.config)[1]
        self.actors[name] = Actor(reload=lambda: switched(1))
        self.assertIn("does not answer", self.grow())
        self.assertEqual((self.told[0][-1], self.named()), ("new frozen", "new"))
        self.assertTrue(os.path.exists(self.config + ".growing"), "nobody stores what the other shards would not have")
        self.assertEqual(self.stopped, [], "the old shards still answer the router that asks them")
        # And 'start' ends it.
        self.assertTrue(self.serve.is_stale(self.config + ".growing"))

    def test_what_failed_before_the_switch_leaves_nothing_behind(self) -> None:
        self.serve.fill = Method(lambda *given: 21)
        self.assertIn("hold 63 cases and the old ones 60", self.grow())
        self.assertEqual(self.told, [["old frozen", "old"]] * 2)
        self.assertEqual(self.discarded, [shard[0]["archive"] for shard in self.shards("new", 3)])
        self.assertEqual(self.named(), "old")
        self.assertFalse(os.path.exists(self.config + ".growing"))

    def test_shards_of_different_models_are_not_mixed(self) -> None:
        name = self.serve.name_of(self.shards("old", 2)[1][0])
        self.actors[name].figures = Method(lambda program: {"deid": "off", "dates": "keep", "model": "n", "cases": 30})
        self.assertIn("different models", self.grow())
        self.assertEqual(self.told, [[], []])


if __name__ == "__main__":
    unittest.main()
