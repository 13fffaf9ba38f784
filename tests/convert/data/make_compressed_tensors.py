"""How the compressed-tensors files beside this were made: by compressed-tensors 0.9.4 itself.

python make_compressed_tensors.py    (needs torch, safetensors, compressed-tensors==0.9.4)
"""

from pathlib import Path

import torch
from compressed_tensors.compressors.sparse_compressors.sparse_24_bitmask import (
    Sparse24BitMaskTensor,
)
from compressed_tensors.compressors.sparse_compressors.sparse_bitmask import BitmaskTensor
from safetensors.torch import save_file

HERE = Path(__file__).parent


def main():
    generator = torch.Generator().manual_seed(0)

    def sparse(*shape, dtype=torch.float32):
        weight = torch.randn(*shape, generator=generator)
        return (weight * (torch.rand(*shape, generator=generator) < 0.5)).to(dtype)

    dense, packed = {}, {}
    for name, shape in (("fc1", (5, 12)), ("fc2", (7, 3)), ("fc3", (2, 64))):
        weight = sparse(*shape)
        dense[f"bitmask/{name}.weight"] = weight
        packed |= BitmaskTensor.from_dense(weight).dict(f"model.{name}.weight", "cpu")
    packed["lm_head.weight"] = torch.ones(2, 2)
    save_file(packed, HERE / "bitmask.safetensors")

    packed = {}
    for name, shape in (("up", (6, 16)), ("down", (3, 20))):
        weight = torch.randn(*shape, generator=generator).to(torch.float16)
        tensor = Sparse24BitMaskTensor.from_dense(weight)
        dense[f"24/{name}.weight"] = tensor.decompress()
        packed |= tensor.dict(f"{name}.weight", "cpu")
    save_file(packed, HERE / "bitmask24.safetensors")
    save_file(
        {name: (w != 0).to(torch.uint8) for name, w in dense.items()}, HERE / "kept.safetensors"
    )


if __name__ == "__main__":
    main()
