"""AdamW (0.9, 0.98) with decoupled decay 0.05, warm-up and cosine, a clip of the global norm and the clamp of τ."""

from __future__ import annotations

import math

import torch
from torch import nn

from model import LARGEST_TAU, MCR

NO_DECAY_ENDINGS = ("bias", "query", "cls_token", "mask_token", "image_type", "report_type", "logit_scale")


def decays(name: str, parameter: nn.Parameter) -> bool:
    """Whether a tensor shrinks: weights of Linears and the token embedding; nothing of one dimension, no positions."""
    exempt = name.endswith(NO_DECAY_ENDINGS) or ".norm" in name or "position_embed" in name
    assert exempt or parameter.dim() == 2, name
    return not exempt


def learning_rate(step: int, steps: int, peak: float, warm_up_share: float = 0.05) -> float:
    """Of step 0, 1, …: linear over max(1, round(share · steps)) steps up to the peak, then cosine to zero."""
    warm_up = max(1, int(steps * warm_up_share + 0.5))
    if step < warm_up:
        return peak * (step + 1) / warm_up
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))


class Trainer:
    """One optimiser over all tensors of a model."""

    def __init__(
        self, model: MCR, peak: float, steps: int, warm_up_share: float = 0.05, decay: float = 0.05, clip: float = 1.0
    ):
        groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
        for name, parameter in model.named_parameters():
            groups[decays(name, parameter)].append(parameter)
        self.model, self.peak, self.steps, self.warm_up_share = model, peak, steps, warm_up_share
        self.clip, self.step_index = clip, 0
        self.optimiser = torch.optim.AdamW(
            [{"params": groups[True], "weight_decay": decay}, {"params": groups[False], "weight_decay": 0.0}],
            lr=peak, betas=(0.9, 0.98), eps=1e-8,
        )

    def step(self, loss: torch.Tensor) -> tuple[float, float]:
        """Backward, clip, update, clamp. Gives the learning rate and the norm of the gradient before the clip."""
        rate = learning_rate(self.step_index, self.steps, self.peak, self.warm_up_share)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        parameters = list(self.model.parameters())
        for parameter in parameters:
            # A tensor that the loss does not reach has a gradient of zero: its moments and its weights go on decaying.
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        norm = torch.stack([parameter.grad.square().sum() for parameter in parameters]).sum().sqrt()
        if norm > self.clip:
            for parameter in parameters:
                parameter.grad.mul_(self.clip / norm)
        self.optimiser.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(0, LARGEST_TAU)
        self.step_index += 1
        return rate, float(norm)
