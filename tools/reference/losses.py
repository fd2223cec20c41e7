"""The three losses of MCR and what the objectives make of them. Weights are 1:1:1."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from model import MCR, patches_of

VARIANCE_EPSILON = 1e-4


@dataclass(frozen=True)
class Batch:
    """Pairs of image and report with the masks of one step.

    pixels `[B, S, S]` in 0…1; ids `[B, T]`, padded; groups `[B]`, equal for equal reports; kept `[B, K]`, the patches
    that are seen, and hidden_flags `[B, T]`, true under [MASK]: both None where nothing is masked.
    """

    pixels: Tensor
    ids: Tensor
    groups: Tensor
    kept: Tensor | None = None
    hidden_flags: Tensor | None = None


def contrastive(images: Tensor, reports: Tensor, tau: Tensor, groups: Tensor) -> Tensor:
    """Half the cross entropy of rows plus half that of columns, of ℓ = exp(τ)·Ei·Etᵀ; equal reports share a target."""
    logits = tau.exp() * (images @ reports.T)
    same = (groups[:, None] == groups[None, :]).to(logits.dtype)
    targets = same / same.sum(dim=1, keepdim=True)
    return (F.cross_entropy(logits, targets) + F.cross_entropy(logits.T, targets.T)) / 2


def pixel_loss(predicted: Tensor, pixels: Tensor, kept: Tensor, patch_side: int) -> Tensor:
    """Mean squared error against per-patch normalised pixels, over the patches that were not seen.

    predicted `[B, N, P]`; pixels `[B, S, S]` in 0…1; the variance is the biased one.
    """
    patches = patches_of(pixels, patch_side)
    mean = patches.mean(dim=2, keepdim=True)
    variance = patches.var(dim=2, keepdim=True, correction=0)
    targets = (patches - mean) / (variance + VARIANCE_EPSILON).sqrt()
    unseen = torch.ones(patches.shape[:2], dtype=torch.bool, device=pixels.device).scatter(1, kept, False)
    return (predicted[unseen] - targets[unseen]).square().mean()


def reconstruction(model: MCR, batch: Batch, image_hidden: Tensor, report_hidden: Tensor, keys: Tensor | None):
    """L_MIM and L_MRM, from the states of the masked encoders."""
    patch_rows, word_rows = model.decoder(image_hidden, batch.kept, report_hidden, keys)
    pixels = pixel_loss(model.decoder.pixel_head(patch_rows), batch.pixels, batch.kept, model.config.patch_side)
    logits = model.word_logits(word_rows[batch.hidden_flags])
    return pixels, F.cross_entropy(logits, batch.ids[batch.hidden_flags])


def losses(model: MCR, batch: Batch, objective: str = "mcr") -> dict[str, Tensor]:
    """The terms `contrast`, `pixels`, `words` (those that apply) and their sum, `loss`.

    mcr: one masked stream serves contrast and reconstruction; without masks in the batch, contrast only.
    clip: contrast of unmasked pairs; masks in the batch are not looked at.
    dual: contrast of unmasked pairs, reconstruction from a second, masked stream.
    """
    masked = batch.kept is not None and objective != "clip"
    terms: dict[str, Tensor] = {}
    states = None
    if masked:
        image_hidden, images = model.image_states(batch.pixels, batch.kept)
        report_hidden, reports, keys = model.report_states(batch.ids, batch.hidden_flags)
        states = (image_hidden, report_hidden, keys)
    if not masked or objective == "dual":
        images = model.embed_images(batch.pixels)
        reports = model.embed_reports(batch.ids)
    terms["contrast"] = contrastive(images, reports, model.logit_scale, batch.groups)
    if states is not None and model.decoder is not None:
        terms["pixels"], terms["words"] = reconstruction(model, batch, *states)
    terms["loss"] = sum(terms.values())
    return terms
