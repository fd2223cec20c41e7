"""Masked contrastive reconstruction (arXiv 2312.15840) in PyTorch: the oracle that Hilum's Swift code is tested against.

Written from the description of the model alone; README.md beside this file lists the conventions that both sides share.
Shapes: B batch, N patches, K kept patches, T report tokens (padded), d encoder width, D embedding width, w decoder width.
The names of the parameters are those of a Hilum `weights.safetensors`, so `state_dict()` and that file are the same thing.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LAYER_NORM_EPSILON = 1e-6
START_TAU = math.log(1 / 0.07)
LARGEST_TAU = math.log(100)


@dataclass(frozen=True)
class EncoderSizes:
    """Sizes of a stack of transformer blocks."""

    width: int
    layers: int
    heads: int


@dataclass(frozen=True)
class Configuration:
    """Sizes of a model; the fields are the keys of a Hilum `config.json`, in snake case."""

    name: str
    image_side: int
    patch_side: int
    image: EncoderSizes
    report: EncoderSizes
    max_tokens: int
    vocabulary_size: int
    map_hidden: int
    dimension: int
    decoder: EncoderSizes
    decoder_kind: str = "joint"  # joint, unimodal or none
    alignment: str = "mba"  # mba: map before aggregation; abm: aggregation before map

    @property
    def grid_side(self) -> int:
        return self.image_side // self.patch_side

    @property
    def patch_count(self) -> int:
        return self.grid_side**2

    @property
    def patch_pixels(self) -> int:
        return self.patch_side**2

    @staticmethod
    def from_json(values: dict) -> Configuration:
        """Reads the keys that Hilum writes, which are in camel case; refuses an architecture that is not Hilum's own."""
        sizes = {}
        for key in ("image", "report", "decoder"):
            encoder = dict(values[key])
            if encoder.pop("norm", "pre") != "pre" or abs(encoder.pop("epsilon", 1e-6) / LAYER_NORM_EPSILON - 1) > 1e-3:
                raise ValueError(f"{key}: only norms before attention and MLP, with epsilon {LAYER_NORM_EPSILON}")
            sizes[key] = EncoderSizes(**encoder)
        return Configuration(
            name=values["name"], image_side=values["imageSide"], patch_side=values["patchSide"],
            image=sizes["image"], report=sizes["report"], max_tokens=values["maxTokens"],
            vocabulary_size=values["vocabularySize"], map_hidden=values["mapHidden"], dimension=values["dimension"],
            decoder=sizes["decoder"], decoder_kind=values["decoderKind"], alignment=values["alignment"],
        )

    def to_json(self) -> dict:
        """The keys that Hilum reads."""
        def sizes(encoder: EncoderSizes) -> dict:
            return {"width": encoder.width, "layers": encoder.layers, "heads": encoder.heads}

        return {
            "name": self.name, "imageSide": self.image_side, "patchSide": self.patch_side,
            "image": sizes(self.image), "report": sizes(self.report), "maxTokens": self.max_tokens,
            "vocabularySize": self.vocabulary_size, "mapHidden": self.map_hidden, "dimension": self.dimension,
            "decoder": sizes(self.decoder), "decoderKind": self.decoder_kind, "alignment": self.alignment,
        }


@dataclass(frozen=True)
class SpecialTokens:
    """Ids of the tokens that have a role."""

    pad: int = 0
    cls: int = 2
    sep: int = 3
    mask: int = 4

    @staticmethod
    def from_vocabulary(pieces: list[str]) -> SpecialTokens:
        ids = {piece: index for index, piece in enumerate(pieces)}
        return SpecialTokens(pad=ids["[PAD]"], cls=ids["[CLS]"], sep=ids["[SEP]"], mask=ids["[MASK]"])


def line_positions(positions: Tensor, width: int) -> Tensor:
    """[sin(p·ω0) … , cos(p·ω0) …] with ωk = 10000^(−k/(width/2)), `[positions, width]` in float64."""
    half = width // 2
    omega = 10000.0 ** (-torch.arange(half, dtype=torch.float64) / half)
    angles = positions.to(torch.float64)[:, None] * omega[None, :]
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def grid_positions(side: int, width: int) -> Tensor:
    """2-D positions of a square grid in reading order, `[side², width]`: half from the column, half from the row."""
    cell = torch.arange(side * side)
    columns = line_positions(cell % side, width // 2)
    rows = line_positions(cell // side, width // 2)
    return torch.cat([columns, rows], dim=1)


def patches_of(pixels: Tensor, patch_side: int) -> Tensor:
    """Cuts `[B, S, S]` into patches in reading order, pixels in reading order: `[B, N, patch_side²]`."""
    batch, side, _ = pixels.shape
    grid = side // patch_side
    cut = pixels.reshape(batch, grid, patch_side, grid, patch_side).permute(0, 1, 3, 2, 4)
    return cut.reshape(batch, grid * grid, patch_side * patch_side)


class Attention(nn.Module):
    """Multi-head self-attention with one Linear for queries, keys and values."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, keys: Tensor | None) -> Tensor:
        """x `[B, L, d]`; keys `[B, L]`, true where a token may be looked at, or None for everywhere."""
        batch, length, width = x.shape
        q, k, v = self.qkv(x).view(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        mask = None if keys is None else keys[:, None, None, :]
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.proj(y.transpose(1, 2).reshape(batch, length, width))


class TwoLayers(nn.Module):
    """Linear → GELU (exact) → Linear: the MLP of a block and the map to the common space."""

    def __init__(self, width: int, hidden: int, out: int):
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, out)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """A transformer block with the norms before attention and MLP."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=LAYER_NORM_EPSILON)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=LAYER_NORM_EPSILON)
        self.mlp = TwoLayers(width, 4 * width, width)

    def forward(self, x: Tensor, keys: Tensor | None = None) -> Tensor:
        x = x + self.attn(self.norm1(x), keys)
        return x + self.mlp(self.norm2(x))


class Pool(nn.Module):
    """Attention pooling with one learned query: s = Y·u/√width, α = softmax(s), v = αᵀY."""

    def __init__(self, width: int):
        super().__init__()
        self.query = nn.Parameter(torch.empty(width))

    def forward(self, y: Tensor, pooled: Tensor | None) -> Tensor:
        """y `[B, L, width]`; pooled `[B, L]`, true where a token counts, or None for everywhere. `[B, width]`."""
        scores = y @ self.query / math.sqrt(y.shape[-1])
        if pooled is not None:
            scores = scores.masked_fill(~pooled, float("-inf"))
        return (scores.softmax(dim=1)[:, None, :] @ y)[:, 0]


class Encoder(nn.Module):
    """What the image and the report encoder share: blocks, final norm, map and pool."""

    def __init__(self, sizes: EncoderSizes, config: Configuration):
        super().__init__()
        self.maps_first = config.alignment == "mba"
        self.blocks = nn.ModuleList(Block(sizes.width, sizes.heads) for _ in range(sizes.layers))
        self.norm = nn.LayerNorm(sizes.width, eps=LAYER_NORM_EPSILON)
        self.map = TwoLayers(sizes.width, config.map_hidden, config.dimension)
        self.pool = Pool(config.dimension if self.maps_first else sizes.width)

    def run_blocks(self, x: Tensor, keys: Tensor | None = None) -> Tensor:
        for block in self.blocks:
            x = block(x, keys)
        return self.norm(x)

    def aggregate(self, hidden: Tensor, pooled: Tensor | None = None) -> Tensor:
        """Unit embeddings `[B, D]` of hidden states `[B, L, d]`."""
        if self.maps_first:
            v = self.pool(self.map(hidden), pooled)
        else:
            v = self.map(self.pool(hidden, pooled))
        return v / v.norm(dim=1, keepdim=True)


class ImageEncoder(Encoder):
    """A ViT over the kept patches of a grey image."""

    def __init__(self, config: Configuration):
        super().__init__(config.image, config)
        self.patch_side = config.patch_side
        self.patch_embed = nn.Linear(config.patch_pixels, config.image.width)
        self.cls_token = nn.Parameter(torch.empty(config.image.width))
        positions = grid_positions(config.grid_side, config.image.width)
        self.register_buffer("positions", positions.to(torch.get_default_dtype()), persistent=False)

    def forward(self, pixels: Tensor, kept: Tensor | None = None) -> Tensor:
        """Hidden states `[B, K+1, d]`, CLS first.

        pixels `[B, S, S]` in 0…1; kept `[B, K]`, indices of the patches that are seen, or None for all in order.
        Gathering before the embedding gives the same rows as embedding and adding positions before the gather.
        """
        patches = patches_of((pixels - 0.5) * 4, self.patch_side)
        if kept is None:
            rows = self.patch_embed(patches) + self.positions
        else:
            seen = patches.gather(1, kept[:, :, None].expand(-1, -1, patches.shape[2]))
            rows = self.patch_embed(seen) + self.positions[kept]
        cls = self.cls_token.expand(len(pixels), 1, -1)
        return self.run_blocks(torch.cat([cls, rows], dim=1))


class ReportEncoder(Encoder):
    """A BERT-like encoder over WordPiece ids, padded to one length."""

    def __init__(self, config: Configuration):
        super().__init__(config.report, config)
        self.token_embed = nn.Embedding(config.vocabulary_size, config.report.width)
        self.position_embed = nn.Embedding(config.max_tokens, config.report.width)

    def forward(self, ids: Tensor, keys: Tensor | None) -> Tensor:
        """Hidden states `[B, T, d]` of ids `[B, T]`; keys is true on all but padding, or None without padding."""
        x = self.token_embed(ids) + self.position_embed.weight[: ids.shape[1]]
        return self.run_blocks(x, keys)


class Decoder(nn.Module):
    """Rebuilds hidden pixels and words from the encoders' states; joint: both modalities attend to each other."""

    def __init__(self, config: Configuration):
        super().__init__()
        width = config.decoder.width
        self.joint = config.decoder_kind == "joint"
        self.width = width
        self.image_in = nn.Linear(config.image.width, width)
        self.report_in = nn.Linear(config.report.width, width)
        self.mask_token = nn.Parameter(torch.empty(width))
        self.image_type = nn.Parameter(torch.empty(width))
        self.report_type = nn.Parameter(torch.empty(width))
        self.blocks = nn.ModuleList(Block(width, config.decoder.heads) for _ in range(config.decoder.layers))
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPSILON)
        self.pixel_head = nn.Linear(width, config.patch_pixels)
        self.word_head = nn.Linear(width, config.report.width)
        self.word_bias = nn.Parameter(torch.empty(config.vocabulary_size))
        dtype = torch.get_default_dtype()
        grid = grid_positions(config.grid_side, width)
        line = line_positions(torch.arange(config.max_tokens), width)
        self.register_buffer("grid_positions", grid.to(dtype), persistent=False)
        self.register_buffer("line_positions", line.to(dtype), persistent=False)

    def image_rows(self, hidden: Tensor, kept: Tensor) -> Tensor:
        """`[B, N+1, w]`: CLS, then every patch in order; the mask token stands for those that were not seen."""
        batch, count = len(hidden), len(self.grid_positions)
        seen = self.image_in(hidden)
        patches = self.mask_token.expand(batch, count, -1)
        patches = patches.scatter(1, kept[:, :, None].expand(-1, -1, self.width), seen[:, 1:])
        return torch.cat([seen[:, :1], patches + self.grid_positions], dim=1) + self.image_type

    def report_rows(self, hidden: Tensor) -> Tensor:
        """`[B, T, w]`"""
        return self.report_in(hidden) + self.line_positions[: hidden.shape[1]] + self.report_type

    def run_blocks(self, x: Tensor, keys: Tensor | None) -> Tensor:
        for block in self.blocks:
            x = block(x, keys)
        return self.norm(x)

    def forward(
        self, image_hidden: Tensor, kept: Tensor, report_hidden: Tensor, keys: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Decoded patch rows `[B, N, w]` and report rows `[B, T, w]`."""
        image, report = self.image_rows(image_hidden, kept), self.report_rows(report_hidden)
        length = image.shape[1]
        if not self.joint:
            return self.run_blocks(image, None)[:, 1:], self.run_blocks(report, keys)
        if keys is not None:
            keys = torch.cat([keys.new_ones(len(keys), length), keys], dim=1)
        both = self.run_blocks(torch.cat([image, report], dim=1), keys)
        return both[:, 1:length], both[:, length:]


class MCR(nn.Module):
    """Both encoders, the temperature and the decoder."""

    def __init__(self, config: Configuration, special: SpecialTokens = SpecialTokens()):
        super().__init__()
        self.config = config
        self.special = special
        self.image = ImageEncoder(config)
        self.report = ReportEncoder(config)
        self.logit_scale = nn.Parameter(torch.empty(1))
        self.decoder = Decoder(config) if config.decoder_kind != "none" else None
        self.initialise()

    @torch.no_grad()
    def initialise(self) -> None:
        """Xavier-uniform Linears with zero bias, N(0, 0.02) tokens and positions, τ = ln(1/0.07)."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
        for name, parameter in self.named_parameters():
            if name.endswith(("cls_token", "mask_token", "_type", "query")):
                nn.init.normal_(parameter, std=0.02)
            elif name.endswith("word_bias"):
                nn.init.zeros_(parameter)
        self.logit_scale.fill_(START_TAU)

    def image_states(self, pixels: Tensor, kept: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Hidden states `[B, K+1, d]` and unit embeddings `[B, D]`."""
        hidden = self.image(pixels, kept)
        return hidden, self.image.aggregate(hidden)

    def report_states(self, ids: Tensor, hidden_flags: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor | None]:
        """Hidden states `[B, T, d]`, unit embeddings `[B, D]` and the key mask `[B, T]` (None without padding).

        ids `[B, T]` as the tokenizer gave them; hidden_flags `[B, T]` is true where [MASK] stands in for the token.
        """
        present = ids != self.special.pad
        pooled = present & (ids != self.special.sep)
        if hidden_flags is not None:
            pooled = pooled & ~hidden_flags
            ids = ids.masked_fill(hidden_flags, self.special.mask)
        keys = None if bool(present.all()) else present
        states = self.report(ids, keys)
        return states, self.report.aggregate(states, pooled), keys

    def embed_images(self, pixels: Tensor, kept: Tensor | None = None) -> Tensor:
        """Unit embeddings `[B, D]` of pixels `[B, S, S]` in 0…1."""
        return self.image_states(pixels, kept)[1]

    def embed_reports(self, ids: Tensor, hidden_flags: Tensor | None = None) -> Tensor:
        """Unit embeddings `[B, D]` of padded ids `[B, T]`."""
        return self.report_states(ids, hidden_flags)[1]

    def word_logits(self, rows: Tensor) -> Tensor:
        """Logits `[M, V]` of decoded report rows `[M, w]`, against the token embedding (tied)."""
        return F.linear(self.decoder.word_head(rows), self.report.token_embed.weight, self.decoder.word_bias)


def load(folder: str | Path, dtype: torch.dtype = torch.float32) -> MCR:
    """Reads a Hilum model folder: `config.json`, `vocab.txt`, `weights.safetensors` (f16 or f32).

    The decoder's tensors may be missing, as inference does not need them; they keep their start values then.
    """
    from safetensors.torch import load_file

    folder = Path(folder)
    config = Configuration.from_json(json.loads((folder / "config.json").read_text()))
    special = SpecialTokens.from_vocabulary((folder / "vocab.txt").read_text(encoding="utf-8").split("\n"))
    model = MCR(config, special).to(dtype)
    weights = {name: tensor.to(dtype) for name, tensor in load_file(folder / "weights.safetensors").items()}
    missing, extra = model.load_state_dict(weights, strict=False)
    missing = [name for name in missing if not name.startswith("decoder.") and name != "logit_scale"]
    if missing or extra:
        raise ValueError(f"{folder}: missing tensors {missing}, unknown tensors {extra}")
    return model.eval()
