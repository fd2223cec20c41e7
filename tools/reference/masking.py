"""Masks and padding. The goldens store the masks, so only the counts, not the draws, must agree with Hilum.

Draws come from `RandomState`, whose stream NumPy keeps for ever, so that goldens can be made again.
"""

from __future__ import annotations

import numpy


def kept_count(patches: int, numerator: int = 1, denominator: int = 2) -> int:
    """Patches that stay under an image mask of numerator/denominator, in integers."""
    return patches - patches * numerator // denominator


def draw_kept(generator: numpy.random.RandomState, patches: int, numerator: int = 1, denominator: int = 2) -> list[int]:
    """Patches that are seen: those with the smallest of N uniform numbers, in ascending order."""
    order = numpy.argsort(generator.random_sample(patches), kind="stable")
    return sorted(order[: kept_count(patches, numerator, denominator)].tolist())


def draw_hidden(generator: numpy.random.RandomState, words: list[int], ratio: float = 0.25) -> list[bool]:
    """Hides max(1, round(ratio·W)) whole words; words holds the word of each token, −1 for special tokens."""
    count = max(words) + 1
    chosen = set(generator.permutation(count)[: max(1, int(ratio * count + 0.5))].tolist())
    return [word >= 0 and word in chosen for word in words]


def padded_length(lengths: list[int], multiple: int = 8) -> int:
    """The longest length, rounded up to a multiple."""
    return -(-max(lengths) // multiple) * multiple


def pad(rows: list[list], filler, multiple: int = 8) -> list[list]:
    """Rows of one length."""
    length = padded_length([len(row) for row in rows], multiple)
    return [row + [filler] * (length - len(row)) for row in rows]
