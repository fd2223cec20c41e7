#!/usr/bin/env python3
"""Writes weights of random ViTs and BERTs under their own names, with what PyTorch computes from them.

    tools/reference/export-imports Tests/HilumMCRTests/Goldens    the small goldens that the tests compare with
    tools/reference/export-imports FOLDER --full                  ViT-B/16 and BERT-base; HILUM_IMPORTS=FOLDER names them to
                                                                  the tests

Four files: imports-timm, imports-hf-vit and imports-hf-bert hold a module's state dict as it is published, and
imports-expected the input and the last hidden state of each. Nothing is trained; the seed is fixed.
"""

import argparse
import pathlib
import tempfile

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from timm.models.vision_transformer import VisionTransformer
from transformers import BertConfig, BertForMaskedLM, ViTConfig, ViTForImageClassification

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
SMALL = dict(side=32, patch=8, width=16, layers=2, heads=2, words=60, positions=40, images=2, deviation=0.3)
FULL = dict(side=224, patch=16, width=768, layers=12, heads=12, words=30522, positions=512, images=2, deviation=0.05)


def randomise(module, deviation, generator):
    """Values large enough that every tensor shows in the output; gains stay near 1."""
    for name, parameter in module.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator) * deviation
        is_gain = "norm" in name.lower() and name.endswith("weight")
        parameter.data = noise + 1 if is_gain else noise
    module.eval()


def normalised(grey, statistics):
    """[n, S, S] in 0…1 to [n, 3, S, S] as the published encoder is fed."""
    mean, deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in statistics)
    return (grey.unsqueeze(1).expand(-1, 3, -1, -1) - mean) / deviation


def published(module):
    """The tensors under the names that the library writes into files."""
    with tempfile.TemporaryDirectory() as folder:
        module.save_pretrained(folder)
        return load_file(pathlib.Path(folder) / "model.safetensors")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--full", action="store_true", help="ViT-B/16 and BERT-base instead of the small modules")
    arguments = parser.parse_args()
    sizes = FULL if arguments.full else SMALL
    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(20231215)
    # 16-bit grey values, as they come from an image.
    grey = torch.randint(0, 65536, (sizes["images"], sizes["side"], sizes["side"]), generator=generator) / 65535
    expected = {"grey": grey, "heads": torch.tensor([float(sizes["heads"])])}
    width = sizes["width"]

    timm_vit = VisionTransformer(
        img_size=sizes["side"], patch_size=sizes["patch"], embed_dim=width, depth=sizes["layers"],
        num_heads=sizes["heads"], num_classes=3)
    randomise(timm_vit, sizes["deviation"], generator)
    save(arguments.out / "imports-timm.safetensors", timm_vit.state_dict())

    hf_vit = ViTForImageClassification(ViTConfig(
        hidden_size=width, num_hidden_layers=sizes["layers"], num_attention_heads=sizes["heads"],
        intermediate_size=4 * width, image_size=sizes["side"], patch_size=sizes["patch"]))
    randomise(hf_vit, sizes["deviation"], generator)
    save(arguments.out / "imports-hf-vit.safetensors", published(hf_vit))

    bert = BertForMaskedLM(BertConfig(
        vocab_size=sizes["words"], hidden_size=width, num_hidden_layers=sizes["layers"],
        num_attention_heads=sizes["heads"], intermediate_size=4 * width, max_position_embeddings=sizes["positions"]))
    randomise(bert, sizes["deviation"], generator)
    save(arguments.out / "imports-hf-bert.safetensors", published(bert))

    longest = sizes["positions"] // 4
    lengths = [longest, longest // 2 + 1, 3]
    ids = torch.randint(5, sizes["words"], (len(lengths), longest), generator=generator)
    mask = torch.arange(longest).unsqueeze(0) < torch.tensor(lengths).unsqueeze(1)
    ids = torch.where(mask, ids, 0)
    with torch.no_grad():
        expected["timm.hidden"] = timm_vit.forward_features(normalised(grey, IMAGENET))
        expected["hf-vit.hidden"] = hf_vit.vit(normalised(grey, HALF)).last_hidden_state
        expected["hf-bert.hidden"] = bert.bert(ids, attention_mask=mask.long()).last_hidden_state
    expected["hf-bert.ids"] = ids.float()
    expected["hf-bert.lengths"] = torch.tensor(lengths).float()

    # A position table on two other grids.
    side = sizes["side"] // sizes["patch"]
    table = torch.randn(1, 4, side, side, generator=generator)
    expected["table"] = table[0].permute(1, 2, 0)
    for other in (side - 1, 2 * side + 1):
        resampled = torch.nn.functional.interpolate(table, size=(other, other), mode="bicubic", align_corners=False)
        expected[f"table.{other}"] = resampled[0].permute(1, 2, 0)
    save(arguments.out / "imports-expected.safetensors", expected)


def save(path, tensors):
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, path)
    total = sum(np.prod(tensor.shape) for tensor in tensors.values())
    print(f"{path}: {len(tensors)} tensors, {int(total)} values, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
