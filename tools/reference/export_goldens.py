"""Writes the goldens that Hilum's tests compare with, or checks that those on disk are still what this code computes.

Everything is computed in float64 from values that are exact in float32, and stored in float32 (losses as decimals).
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import sys
from pathlib import Path

import numpy
import torch
from safetensors.numpy import load_file, save_file
from torch import Tensor

import masking
from losses import Batch, losses
from model import MCR, Configuration, EncoderSizes, SpecialTokens
from optimiser import Trainer

SEED = 20231225
SIZES = Configuration(
    # No two widths are equal, so that one in the place of another cannot pass.
    name="golden", image_side=24, patch_side=8, image=EncoderSizes(16, 2, 2), report=EncoderSizes(20, 2, 2),
    max_tokens=24, vocabulary_size=48, map_hidden=26, dimension=10, decoder=EncoderSizes(12, 2, 2),
)
SPECIAL = SpecialTokens()
STEPS, PEAK, WARM_UP_SHARE = 10, 2e-3, 0.3
START_OF_TAU = 2.2
# Final tensors that are stored in full for every run; of the others their norms.
WATCHED = ("logit_scale", "image.cls_token", "image.pool.query", "report.pool.query", "report.norm.weight",
           "image.map.fc2.weight", "report.blocks.1.attn.proj.weight")


@dataclasses.dataclass(frozen=True)
class Case:
    """A model and an objective; steps under `masked_steps` are masked, the rest is unmasked."""

    name: str
    objective: str = "mcr"
    alignment: str = "mba"
    decoder: str = "joint"
    masked_steps: int = STEPS
    start_of_tau: float = START_OF_TAU
    peak: float = PEAK
    pairing: str = "all"  # or two pairs: aligned, which makes τ grow, or crossed, which makes it fall
    has_gradients: bool = True
    stores_final: bool = False

    @property
    def configuration(self) -> Configuration:
        return dataclasses.replace(SIZES, alignment=self.alignment, decoder_kind=self.decoder)


CASES = (
    Case("mcr-mba-joint", masked_steps=7, stores_final=True),
    Case("mcr-mba-unimodal", decoder="unimodal"),
    Case("mcr-abm-joint", alignment="abm"),
    Case("dual-mba-joint", objective="dual"),
    Case("clip-mba", objective="clip", masked_steps=0),
    Case("floor-of-tau", objective="clip", masked_steps=0, start_of_tau=1e-4, peak=5e-5, pairing="crossed",
         has_gradients=False),
    Case("ceiling-of-tau", objective="clip", masked_steps=0, start_of_tau=4.605, peak=5e-5, pairing="aligned",
         has_gradients=False),
)


class Pool:
    """The images and reports that the cases draw their pairs from."""

    def __init__(self) -> None:
        random = numpy.random.RandomState(SEED)
        side = SIZES.image_side
        images = random.random_sample((5, side, side))
        # A black border and a patch of little contrast: there the ε of the normalisation tells.
        images[0, :, :8] = 0
        images[1, 8:16, 8:16] = 0.4 + 0.02 * images[1, 8:16, 8:16]
        images[2] = 0.3 + 0.1 * images[2]
        self.samples = numpy.rint(images * 65535).astype(numpy.float32)
        self.pixels = torch.from_numpy(self.samples.astype(numpy.float64) / 65535)
        # Words of one to three pieces; the lengths straddle multiples of 8. Reports 1 and 3 are equal.
        self.ids: list[list[int]] = []
        self.words: list[list[int]] = []
        for word_count in (3, 9, 1, 9, 6):
            ids, words = [SPECIAL.cls], [-1]
            for word in range(word_count):
                pieces = random.randint(1, 4)
                ids += random.randint(5, SIZES.vocabulary_size, size=pieces).tolist()
                words += [word] * pieces
            self.ids.append((ids + [SPECIAL.sep])[: SIZES.max_tokens])
            self.words.append((words + [-1])[: SIZES.max_tokens])
        self.ids[3], self.words[3] = self.ids[1], self.words[1]

    def masks(self, key: int, pairs: list[tuple[int, int]]) -> dict:
        random = numpy.random.RandomState([SEED, key])
        kept = [masking.draw_kept(random, SIZES.patch_count) for _ in pairs]
        hidden = [masking.draw_hidden(random, self.words[report]) for _, report in pairs]
        return {"kept": kept, "hidden": [[int(flag) for flag in row] for row in hidden]}

    def batch(self, pairs: list[tuple[int, int]], masks: dict | None) -> Batch:
        """The pairs with their reports padded to one length."""
        reports = [self.ids[report] for _, report in pairs]
        batch = Batch(
            pixels=self.pixels[[image for image, _ in pairs]],
            ids=torch.tensor(masking.pad(reports, SPECIAL.pad)),
            groups=torch.tensor([reports.index(report) for report in reports]),
        )
        if masks is None:
            return batch
        hidden = masking.pad([[bool(flag) for flag in row] for row in masks["hidden"]], False)
        return dataclasses.replace(batch, kept=torch.tensor(masks["kept"]), hidden_flags=torch.tensor(hidden))


def start_values(model: MCR) -> dict[str, Tensor]:
    """Values that leave no gradient trivially zero; each tensor has a stream of its own, keyed by its name."""
    values = {}
    for name, parameter in model.named_parameters():
        random = numpy.random.RandomState([SEED, *name.encode()])
        drawn = random.standard_normal(tuple(parameter.shape))
        if ".norm" in name:
            drawn = 0.2 * drawn + (1 if name.endswith("weight") else 0)
        elif name.endswith(("token_embed.weight", "cls_token", "mask_token", "query")):
            drawn = 0.7 * drawn
        elif parameter.dim() == 2 and "embed.weight" not in name:
            drawn = drawn / numpy.sqrt(parameter.shape[1])
        else:
            drawn = 0.3 * drawn
        # What the float32 side starts from must be the same number.
        values[name] = torch.from_numpy(drawn.astype(numpy.float32).astype(numpy.float64))
    values["logit_scale"] = torch.tensor([START_OF_TAU], dtype=torch.float32).double()
    return values


def model_of(case: Case) -> MCR:
    model = MCR(case.configuration, SPECIAL)
    model.load_state_dict(start_values(model))
    with torch.no_grad():
        model.logit_scale.copy_(torch.tensor([case.start_of_tau], dtype=torch.float32))
    return model


def embeddings(pool: Pool, model: MCR, pairs: list[tuple[int, int]], masks: dict) -> dict[str, Tensor]:
    """Of all pairs: masked and not; in a padded batch and each alone, which must be the same."""
    found = {}
    for label, mask in (("masked", masks), ("unmasked", None)):
        batch = pool.batch(pairs, mask)
        found[f"images.{label}"] = model.embed_images(batch.pixels, batch.kept)
        found[f"reports.{label}.padded"] = model.embed_reports(batch.ids, batch.hidden_flags)
        alone = []
        for row, (_, report) in enumerate(pairs):
            flags = None if mask is None else torch.tensor([mask["hidden"][row]], dtype=torch.bool)
            alone.append(model.embed_reports(torch.tensor([pool.ids[report]]), flags))
        found[f"reports.{label}.alone"] = torch.cat(alone)
        difference = (found[f"reports.{label}.alone"] - found[f"reports.{label}.padded"]).abs().max()
        assert difference < 1e-12, f"padding changes an embedding by {difference}"
    return found


def pairs_of(case: Case, pool: Pool, model: MCR) -> list[tuple[int, int]]:
    """Image and report of each pair: image i with report i, or two pairs that lie a little nearer than crosswise.

    Such pairs pull τ up; paired crosswise they push it down. A large margin would leave no gradient to compare.
    """
    if case.pairing == "all":
        return [(index, index) for index in range(len(pool.ids))]
    reports = torch.cat([model.embed_reports(torch.tensor([ids])) for ids in pool.ids])
    cosines = (model.embed_images(pool.pixels) @ reports.T).tolist()

    def margin(choice: tuple[int, int, int, int]) -> float:
        a, b, c, d = choice
        return min(cosines[a][c], cosines[b][d]) - max(cosines[a][d], cosines[b][c])

    choices = [(a, b, c, d) for a, b in itertools.combinations(range(5), 2)
               for c, d in itertools.permutations(range(5), 2) if pool.ids[c] != pool.ids[d]]
    a, b, c, d = min(choices, key=lambda choice: abs(margin(choice) - 0.03))
    return [(a, c), (b, d)] if case.pairing == "aligned" else [(a, d), (b, c)]


def numbers(terms: dict[str, Tensor]) -> dict[str, float]:
    return {name: float(value.detach()) for name, value in terms.items()}


def norm_of(name: str, value: Tensor) -> float:
    """The L2 norm; of the bias of queries, keys and values, that of queries and values.

    A key's bias adds the same to all scores of a query, so its gradient is zero but for rounding, and AdamW makes steps of
    full length out of rounding.
    """
    if name.endswith("attn.qkv.bias"):
        queries, _, values = value.chunk(3)
        value = torch.cat([queries, values])
    return float(value.norm())


def run(case: Case, pool: Pool, files: dict[str, dict[str, Tensor]]) -> dict:
    """Computes a case: embeddings, losses and gradient at the start, then ten optimiser steps."""
    model = model_of(case)
    pairs = pairs_of(case, pool, model)
    key = 100 * [known.name for known in CASES].index(case.name)
    described = {
        "name": case.name, "objective": case.objective, "configuration": case.configuration.to_json(),
        "startOfTau": case.start_of_tau, "peakRate": case.peak, "pairs": pairs,
    }
    if case.has_gradients:
        masks = pool.masks(key, pairs)
        is_masked = case.objective != "clip"
        terms = losses(model, pool.batch(pairs, masks if is_masked else None), case.objective)
        terms["loss"].backward()
        described["gradient"] = {"masks": masks if is_masked else None, "losses": numbers(terms)}
        files[f"gradients-{case.name}"] = {
            name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
        found = embeddings(pool, model, pairs, masks)
        described["embeddingMasks"] = masks
        files["embeddings"].update({f"{case.name}.{name}": value.detach() for name, value in found.items()})
    trainer = Trainer(model, case.peak, STEPS, WARM_UP_SHARE)
    described["steps"] = []
    for step in range(STEPS):
        masks = pool.masks(key + 1 + step, pairs) if step < case.masked_steps else None
        terms = losses(model, pool.batch(pairs, masks), case.objective)
        rate, norm = trainer.step(terms["loss"])
        described["steps"].append({
            "masks": masks, "losses": numbers(terms), "rate": rate, "gradientNorm": norm,
            "tau": float(model.logit_scale.detach())})
    final = {name: parameter.detach() for name, parameter in model.named_parameters()}
    described["finalNorms"] = {name: norm_of(name, value) for name, value in final.items()}
    described["storesFinal"] = case.stores_final
    stored = final if case.stores_final else {name: final[name] for name in WATCHED}
    files["final"].update({f"{case.name}.{name}": value for name, value in stored.items()})
    return described


def compute() -> tuple[dict, dict[str, dict[str, numpy.ndarray]]]:
    """The JSON of cases and the tensors of each file."""
    torch.set_default_dtype(torch.float64)
    pool = Pool()
    files: dict[str, dict[str, Tensor]] = {"inputs": {}, "embeddings": {}, "final": {}}
    files["inputs"]["pixels16"] = torch.from_numpy(pool.samples)
    files["inputs"].update(start_values(MCR(CASES[0].configuration)))
    abm = start_values(MCR(dataclasses.replace(SIZES, alignment="abm")))
    files["inputs"].update({f"abm.{name}": value for name, value in abm.items() if name.endswith("query")})
    cases = [run(case, pool, files) for case in CASES]
    description = {
        "specialTokens": dataclasses.asdict(SPECIAL), "reports": pool.ids,
        "warmUpShare": WARM_UP_SHARE, "stepCount": STEPS, "cases": cases,
    }
    tensors = {
        stem: {name: numpy.ascontiguousarray(value.numpy().astype(numpy.float32)) for name, value in content.items()}
        for stem, content in files.items()}
    # Through text and back: what a reader of the file gets.
    return json.loads(json.dumps(description)), tensors


def differences(old, new, path: str = "goldens.json") -> list[str]:
    """Where two JSON values differ by more than 1e-6."""
    if isinstance(old, dict) and isinstance(new, dict) and old.keys() == new.keys():
        return [line for key in old for line in differences(old[key], new[key], f"{path}/{key}")]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [line for place, pair in enumerate(zip(old, new)) for line in differences(*pair, f"{path}/{place}")]
    if type(old) is float and type(new) is float:
        return [] if abs(old - new) <= 1e-6 * max(1, abs(old)) else [f"{path}: {old} is now {new}"]
    return [] if old == new else [f"{path}: differs"]


def own_files(folder: Path) -> list[Path]:
    """The tensors in the folder that this script writes; those of published weights are export_imports.py's."""
    return [path for path in folder.glob("*.safetensors") if not path.stem.startswith("imports-")]


def check(folder: Path, description: dict, tensors: dict[str, dict[str, numpy.ndarray]]) -> list[str]:
    """What differs between the files of a folder and what was computed now."""
    found = differences(json.loads((folder / "goldens.json").read_text()), description)
    stems = {path.stem for path in own_files(folder)}
    if stems != tensors.keys():
        return found + [f"files: {sorted(stems)} on disk, {sorted(tensors)} computed"]
    largest = 0.0
    for stem, content in tensors.items():
        old = load_file(folder / f"{stem}.safetensors")
        if {name: value.shape for name, value in old.items()} != {k: v.shape for k, v in content.items()}:
            found.append(f"{stem}: names or shapes differ")
            continue
        for name, value in content.items():
            error = float((numpy.abs(old[name] - value) / numpy.maximum(1, numpy.abs(value))).max())
            largest = max(largest, error)
            if not error <= 1e-6:
                found.append(f"{stem}/{name}: differs by {error:.2g}")
    print(f"largest difference of a tensor's value: {largest:.2g}")
    return found


def write(folder: Path, description: dict, tensors: dict[str, dict[str, numpy.ndarray]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for old in own_files(folder):
        old.unlink()
    for stem, content in tensors.items():
        save_file(content, folder / f"{stem}.safetensors")
    # A line a case keeps changes readable.
    cases = ",\n".join(json.dumps(case) for case in description["cases"])
    head = {key: value for key, value in description.items() if key != "cases"}
    text = json.dumps(head)[:-1] + ', "cases": [\n' + cases + "\n]}\n"
    (folder / "goldens.json").write_text(text)
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{folder}: {len(tensors) + 1} files, {size} bytes")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the goldens are")
    parser.add_argument("--check", action="store_true", help="compare with the files there instead of writing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    description, tensors = compute()
    if not arguments.check:
        write(arguments.folder, description, tensors)
        return 0
    found = check(arguments.folder, description, tensors)
    print("\n".join(found) if found else "the goldens are what this code computes")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
