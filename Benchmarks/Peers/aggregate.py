#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a Python aggregator does with the same adapters; prints {"milliseconds": ...}.

    aggregate.py make DIR LAYERS     the adapters of Benchmarks/aggregation.py
    aggregate.py fedavg FILE...      numpy: load_file and accumulate, then save, from the page cache
    aggregate.py svd FILE...         PEFT's add_weighted_adapter(combination_type="svd"): dense products,
                                     dense decomposition (torch.linalg.svd), layer by layer
"""
import json
import os
import statistics
import sys
import time

import numpy as np
from safetensors.numpy import load_file, save_file

HIDDEN, INNER, HEADS = 2048, 8192, 512
SHAPES = {"self_attn.q_proj": (HIDDEN, HIDDEN), "self_attn.k_proj": (HIDDEN, HEADS),
          "self_attn.v_proj": (HIDDEN, HEADS), "self_attn.o_proj": (HIDDEN, HIDDEN),
          "mlp.gate_proj": (HIDDEN, INNER), "mlp.up_proj": (HIDDEN, INNER), "mlp.down_proj": (INNER, HIDDEN)}
LLAMA = {"self_attn.q_proj": (4096, 4096), "mlp.up_proj": (4096, 11008)}  # in, out


def adapter(path, shapes, layers, rank, client):
    if os.path.exists(path):
        # What was dropped from the cache and read again lies in small pages.
        return in_pieces(path)
    generator = np.random.default_rng(client)
    tensors = {}
    for layer in range(layers):
        for name, (inputs, outputs) in shapes.items():
            stem = f"base_model.model.model.layers.{layer}.{name}"
            tensors[f"{stem}.lora_A.weight"] = generator.standard_normal((rank, inputs), dtype=np.float32)
            tensors[f"{stem}.lora_B.weight"] = generator.standard_normal((outputs, rank), dtype=np.float32)
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": rank, "bias": "none",
              "target_modules": sorted(name.split(".")[1] for name in shapes)}
    claims = {"v": 1, "tool": "numpy", "base": "b" * 64, "client": f"{client:03}", "round": 1}
    save_file(tensors, path, metadata={"adapter_config": json.dumps(config), "cl": json.dumps(claims)})
    in_pieces(path)


def in_pieces(path):
    """Writes the file again in pieces of 2 MiB, as cl-train does: it then lies in huge pages of the cache."""
    with open(path, "rb") as source:
        content = source.read()
    os.remove(path)
    with open(path, "wb", buffering=0) as target:
        for start in range(0, len(content), 1 << 21):
            target.write(content[start:start + (1 << 21)])


def make(folder, layers):
    os.makedirs(folder, exist_ok=True)
    for client in range(32):
        adapter(f"{folder}/l{layers}-{client:02}.safetensors", SHAPES, layers, 16, client)
        adapter(f"{folder}/svd-{client:02}.safetensors", LLAMA, 1, 16, client)
    for client in range(100):
        adapter(f"{folder}/many-{client:03}.safetensors", SHAPES, 1, 8, client)


def fedavg(paths):
    weight = np.float32(1 / len(paths))

    def mean():
        total = None
        for path in paths:
            tensors = load_file(path)
            if total is None:
                total = {name: value * weight for name, value in tensors.items()}
            else:
                for name, value in tensors.items():
                    total[name] += weight * value
        save_file(total, os.path.join(os.path.dirname(paths[0]), "peer.safetensors"))

    mean()
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        mean()
        times.append(time.perf_counter() - begin)
    return 1000 * statistics.median(times)


spectra = {}


def svd(paths):
    import torch
    torch.set_num_threads(2)
    spectra.clear()
    begin = time.perf_counter()
    adapters = [{name: torch.from_numpy(value) for name, value in load_file(path).items()} for path in paths]
    for name in [key for key in adapters[0] if "lora_A" in key]:
        other = name.replace("lora_A", "lora_B")
        delta = sum(tensors[other] @ tensors[name] / len(paths) for tensors in adapters)
        spectra[name.split(".lora_A")[0].removeprefix("base_model.model.")] = \
            torch.linalg.svd(delta, full_matrices=False).S[:16].tolist()
    return 1000 * (time.perf_counter() - begin)


if __name__ == "__main__":
    task, *rest = sys.argv[1:]
    if task == "make":
        make(rest[0], int(rest[1]))
    else:
        milliseconds = {"fedavg": fedavg, "svd": svd}[task](rest)
        print(json.dumps({"milliseconds": milliseconds, "singular_values": spectra}))
