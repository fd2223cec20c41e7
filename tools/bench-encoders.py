"""Runs hilum-bench and PyTorch on the same weights and inputs, in turns, and compares; started by tools/bench-encoders."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools" / "reference"))
import model as reference  # noqa: E402
import stem as reference_stem  # noqa: E402

BATCHES = (1, 8, 32)
clock = time.perf_counter
extra: list[str] = []


def hilum(arguments: list[str]) -> dict:
    """The JSON line of a hilum-bench call."""
    out = subprocess.run(
        [os.environ["HILUM_BENCH"], *arguments, *extra, "--json"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(out.strip().splitlines()[-1])


def rate(count: int, seconds: float, body) -> float:
    """Items a second: the median over calls, after one call to warm up."""
    body()
    times: list[float] = []
    while sum(times) < seconds:
        start = clock()
        body()
        times.append(clock() - start)
    return count / statistics.median(times)


def cpu_info(key: str) -> str:
    """What /proc/cpuinfo says of the first processor."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return ""


class Torch:
    """The model and the inputs that hilum-bench wrote."""

    def __init__(self, folder: Path):
        self.model = reference.load(folder)
        side = self.model.config.image_side
        self.pixels = torch.from_numpy(np.fromfile(folder / "pixels.f32", np.float32).reshape(-1, side, side))
        lines = (folder / "ids.txt").read_text().splitlines()
        self.ids = [torch.tensor([int(word) for word in line.split()]) for line in lines]
        self.hilum_images = np.fromfile(folder / "images.f32", np.float32).reshape(len(self.pixels), -1)
        self.hilum_reports = np.fromfile(folder / "reports.f32", np.float32).reshape(len(self.ids), -1)

    @torch.inference_mode()
    def images(self, batch: int, half: bool = False) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            parts = [self.model.embed_images(part) for part in self.pixels.split(batch)]
        return torch.cat(parts)

    @torch.inference_mode()
    def reports(self, batch: int, half: bool = False) -> torch.Tensor:
        parts = []
        for start in range(0, len(self.ids), batch):
            ids = torch.nn.utils.rnn.pad_sequence(
                self.ids[start:start + batch], batch_first=True, padding_value=self.model.special.pad)
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                parts.append(self.model.embed_reports(ids))
        return torch.cat(parts)

    def check(self) -> float:
        """The largest difference between the two sides' embeddings; they time the same computation."""
        worst = float(np.abs(self.images(8).numpy() - self.hilum_images).max())
        return max(worst, float(np.abs(self.reports(8).numpy() - self.hilum_reports).max()))

    def best_batch(self, embed) -> int:
        def once(batch: int) -> float:
            start = clock()
            embed(batch)
            return clock() - start

        embed(len(self.ids))

        return min((size for size in BATCHES if size <= len(self.ids)), key=once)


def train_step(model: reference.MCR, pixels, ids, optimiser) -> None:
    """One masked step: half of the patches, a quarter of the tokens; all three losses, clipping and AdamW."""
    config, batch = model.config, len(pixels)
    count = config.patch_count
    order = torch.rand(batch, count).argsort(dim=1)
    kept = order[:, : count - count // 2].sort(dim=1).values
    present = ids != model.special.pad
    maskable = present & (ids != model.special.cls) & (ids != model.special.sep)
    hidden = maskable & (torch.rand(ids.shape) < 0.25)
    hidden[:, 1] |= ~hidden.any(dim=1)
    image_states, image = model.image_states(pixels, kept)
    report_states, report, keys = model.report_states(ids, hidden)
    logits = model.logit_scale.exp() * image @ report.T
    target = torch.arange(batch)
    contrast = (torch.nn.functional.cross_entropy(logits, target)
                + torch.nn.functional.cross_entropy(logits.T, target)) / 2
    patches, words = model.decoder(image_states, kept, report_states, keys)
    unseen = torch.ones(batch, count, dtype=torch.bool).scatter(1, kept, False)
    truth = reference.patches_of(pixels, config.patch_side)[unseen]
    truth = (truth - truth.mean(1, keepdim=True)) / (truth.var(1, unbiased=False, keepdim=True) + 1e-4).sqrt()
    pixel_loss = (model.decoder.pixel_head(patches[unseen]) - truth).square().mean()
    word_loss = torch.nn.functional.cross_entropy(model.word_logits(words[hidden]), ids[hidden])
    optimiser.zero_grad()
    (contrast + pixel_loss + word_loss).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()


class Figures:
    """The table, and a JSON line for each figure that has a target."""

    def __init__(self):
        self.rows: list[tuple] = []
        self.bounds: list[tuple] = []

    def add(self, name: str, ours: float, theirs: float, target: float | None, note: str = "") -> None:
        self.rows.append((name, ours, theirs, target, note))
        print(f"{name}: {ours:.2f}, PyTorch {theirs:.2f}, ratio {ours / theirs:.2f}", flush=True)

    def add_bound(self, name: str, value: float, low: float, high: float) -> None:
        """A figure that must lie between two bounds."""
        self.bounds.append((name, value, low, high))

    def finish(self) -> int:
        print(f"\n{'':34}{'hilum':>10}{'PyTorch':>10}{'ratio':>8}{'target':>8}")
        for name, ours, theirs, target, note in self.rows:
            goal = f"{target:8.2f}" if target else f"{'':8}"
            print(f"{name:34}{ours:10.2f}{theirs:10.2f}{ours / theirs:8.2f}{goal}  {note}")
        print()
        holds = True
        for name, ours, theirs, target, _ in self.rows:
            if target is not None:
                holds = holds and ours / theirs >= target
                print(json.dumps({"figure": name, "value": round(ours / theirs, 3), "target": target,
                                  "holds": ours / theirs >= target}))
        for name, value, low, high in self.bounds:
            inside = low <= value <= high
            holds = holds and inside
            print(json.dumps({"figure": name, "value": round(value, 3), "target": [low, high], "holds": inside}))
        return 0 if holds else 1


def compare_encoders(figures: Figures, config: str, folder: Path, rounds: int, seconds: float, count: int) -> None:
    written = hilum(
        ["encode", "--config", config, "--images", str(count), "--seconds", "0.01", "--write", str(folder)])
    side = Torch(folder)
    difference = side.check()
    print(f"{config}: embeddings differ by at most {difference:.1e}; kernels of hilum: {written['kernels']}", flush=True)
    if difference > 1e-4:
        sys.exit(f"{config}: the two sides do not compute the same")
    embed = {"images": side.images, "reports": side.reports}
    batches = {kind: side.best_batch(body) for kind, body in embed.items()}
    # Without the processor's own instruction PyTorch's bfloat16 is so slow that batches are not worth trying, nor rounds.
    has_half = "avx512_bf16" in cpu_info("flags").split()
    half_batches = {
        kind: side.best_batch(lambda size, body=body: body(size, True)) if has_half else 1 for kind, body in embed.items()}
    ours, halves, theirs, their_halves = ({kind: [] for kind in embed} for _ in range(4))
    call = ["encode", "--model", str(folder), "--images", str(count), "--seconds", str(seconds)]
    peak = 0.0
    for turn in range(rounds):
        line = hilum(call)
        peak = max(peak, line["peak_gflop_per_s"])
        half = hilum([*call, "--precision", "bf16"]) if has_half else line
        for kind, body in embed.items():
            ours[kind].append(line[f"{kind}_per_s"])
            halves[kind].append(half[f"{kind}_per_s"])
            theirs[kind].append(rate(count, seconds, lambda body=body, kind=kind: body(batches[kind])))
            if has_half or (turn == 0 and kind == "images" and config == "mcr-base"):
                their_halves[kind].append(
                    rate(count, seconds, lambda body=body, kind=kind: body(half_batches[kind], True)))
    middle = statistics.median
    for kind in embed:
        flops = line[f"{kind[:-1]}_gflop_per_s"] / line[f"{kind}_per_s"]
        print(f"{config}: {kind} in f32 at {middle(ours[kind]) * flops:.0f} GFLOP/s, PyTorch at "
              f"{middle(theirs[kind]) * flops:.0f}", flush=True)
    print(f"{config}: the multipliers make {peak:.0f} GFLOP/s in f32 where nothing waits for memory", flush=True)
    for kind in embed:
        note = f", {line['tokens']:.0f} tokens" if kind == "reports" else ""
        figures.add(f"{config} {kind} a second", middle(ours[kind]), middle(theirs[kind]),
                    1.3 if (config, kind) == ("mcr-base", "images") else 2.0, f"batch {batches[kind]}{note}")
        if their_halves[kind]:
            figures.add(f"{config} {kind} a second, bf16", middle(halves[kind]), middle(their_halves[kind]),
                        1.2 if (config, kind) == ("mcr-base", "images") else None,
                        f"batch {half_batches[kind]}{note}; hilum runs {half['precision']}")
            figures.add(f"{config} {kind}, bf16 to f32", middle(halves[kind]), middle(theirs[kind]), None,
                        f"hilum in {half['precision']}, PyTorch in f32")


def compare_training(figures: Figures, config: str, folder: Path, rounds: int, steps: int, batch: int) -> None:
    hilum(["encode", "--config", config, "--images", str(batch), "--seconds", "0.01", "--write", str(folder)])
    side = Torch(folder)
    side.model.train()
    optimiser = torch.optim.AdamW(side.model.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=0.05)
    ids = torch.nn.utils.rnn.pad_sequence(side.ids, batch_first=True, padding_value=side.model.special.pad)
    ours, theirs = [], []
    for _ in range(rounds):
        line = hilum(["train", "--config", config, "--batch", str(batch), "--steps", str(steps)])
        ours.append(line["pairs_per_s"])
        train_step(side.model, side.pixels, ids, optimiser)
        start = clock()
        for _ in range(steps):
            train_step(side.model, side.pixels, ids, optimiser)
        theirs.append(batch * steps / (clock() - start))
    share = line["activation_bytes_per_pair"] / line["implied_bytes_per_pair"]
    figures.add(f"{config} training pairs a second", statistics.median(ours), statistics.median(theirs), 1.3,
                f"batch {batch}")
    print(f"{config}: {line['activation_bytes_per_pair']} bytes of activations a pair, {share:.3f} of what the shapes "
          f"imply; peak {line['peak_rss_kb'] >> 10} MiB", flush=True)
    figures.add_bound(f"{config} activation memory", share, 0.9, 1.1)


@torch.inference_mode()
def compare_stem(figures: Figures, folder: Path, rounds: int, seconds: float, count: int) -> None:
    """The convolutional stem; PyTorch with channels first and last, in the batch that is best for each."""
    folder.mkdir(parents=True, exist_ok=True)
    call = ["stem", "--images", str(count)]
    written = hilum([*call, "--seconds", "0.01", "--write", str(folder)])
    side = written["side"]
    pixels = torch.from_numpy(np.fromfile(folder / "pixels.f32", np.float32).reshape(-1, 1, side, side))
    features = torch.from_numpy(np.fromfile(folder / "features.f32", np.float32).reshape(count, side // 16, side // 16, -1))
    first, last = reference_stem.load(), reference_stem.load().to(memory_format=torch.channels_last)
    # One channel is contiguous either way: its strides have to say which way is meant.
    pixels_last = torch.empty_strided(pixels.shape, (side * side, 1, side, 1)).copy_(pixels)
    difference = float((first(pixels).permute(0, 2, 3, 1) - features).abs().max() / features.std())
    print(f"stem: features differ by at most {difference:.1e} of their deviation; kernels of hilum: {written['kernels']}",
          flush=True)
    if difference > 1e-4:
        sys.exit("stem: the two sides do not compute the same")
    layouts = {"channels first": (first, pixels), "channels last": (last, pixels_last)}
    bodies = {
        (layout, size): lambda module=module, parts=inputs.split(size): [module(part) for part in parts]
        for layout, (module, inputs) in layouts.items() for size in (1, 8) if size <= count}
    ours, theirs = [], {key: [] for key in bodies}
    for _ in range(rounds):
        ours.append(hilum([*call, "--seconds", str(seconds)])["images_per_s"])
        for key, body in bodies.items():
            theirs[key].append(rate(count, seconds, body))
    for layout in layouts:
        key = max((key for key in theirs if key[0] == layout), key=lambda key: statistics.median(theirs[key]))
        figures.add(f"stem images a second, {layout}", statistics.median(ours), statistics.median(theirs[key]), 1.3,
                    f"batch {key[1]}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools/bench-encoders")
    parser.add_argument("--quick", action="store_true", help="fewer rounds; ends within five minutes")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only", choices=["base", "small", "train", "stem"], help="a part")
    parser.add_argument("--cpu-time", action="store_true", help="one thread a side, by its processor time")
    arguments = parser.parse_args()
    threads = 1 if arguments.cpu_time else len(os.sched_getaffinity(0))
    extra.extend(["--threads", str(threads)])
    if arguments.cpu_time:
        global clock
        clock = time.process_time
        extra.append("--cpu-time")
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    level = torch.backends.cpu.get_cpu_capability()
    print(f"{cpu_info('model name') or platform.machine()} (family {cpu_info('cpu family')}, model {cpu_info('model')}), "
          f"{threads} threads on both sides{', processor time' if arguments.cpu_time else ''}; "
          f"PyTorch {torch.__version__}, {level}", flush=True)
    rounds, seconds = (3, 0.5) if arguments.quick else (7, 5.0)
    figures = Figures()
    if arguments.only in (None, "base"):
        compare_encoders(figures, "mcr-base", arguments.work / "base", rounds, seconds, 4 if arguments.quick else 16)
    if arguments.only in (None, "small"):
        compare_encoders(figures, "mcr-small", arguments.work / "small", rounds, seconds, 32)
    if arguments.only in (None, "stem"):
        compare_stem(figures, arguments.work / "stem", rounds, seconds, 8)
    if arguments.only in (None, "train"):
        steps, batch = (2, 16) if arguments.quick else (6, 32)
        # A pair of mcr-tiny takes a quarter of the time: more of them, so that a round is as long.
        for config, times in (("mcr-small", 1), ("mcr-tiny", 4)):
            compare_training(figures, config, arguments.work / "train", rounds, steps, batch * times)
    return figures.finish()


if __name__ == "__main__":
    sys.exit(main())
