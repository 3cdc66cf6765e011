# SPDX-License-Identifier: Apache-2.0
"""Random adapters on disk, and what cl-aggregate makes of them, for the checks beside this file."""
import json
import os
import subprocess

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

MODULES = [f"model.layers.{layer}.{name}" for layer in range(2)
           for name in ("self_attn.q_proj", "mlp.down_proj")]
SHAPES = {"q_proj": (48, 40), "down_proj": (32, 96)}  # out, in


def names(module):
    return (f"base_model.model.{module}.lora_A.weight", f"base_model.model.{module}.lora_B.weight")


def tensors(generator, rank=4, size=1.0):
    """{module: (A, B)} of normal numbers as float32."""
    result = {}
    for module in MODULES:
        rows, columns = SHAPES[module.rsplit(".", 1)[1]]
        result[module] = (size * generator.normal(size=(rank, columns)).astype(np.float32),
                          size * generator.normal(size=(rows, rank)).astype(np.float32))
    return result


def write(path, factors, client, alpha=8, rslora=False, parent=None, **claims):
    flat = {}
    for module, (a, b) in factors.items():
        flat[names(module)[0]], flat[names(module)[1]] = a.copy(), b.copy()
    rank = next(iter(factors.values()))[0].shape[0]
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": alpha, "use_rslora": rslora, "bias": "none",
              "target_modules": sorted(SHAPES)}
    said = {"v": 1, "tool": "numpy", "base": "b" * 64, "parent": parent, "client": client, "round": 1,
            "records": 10, "tokens": 1000, "target_tokens": 700, "quality_tokens": 500.0, "steps": 3}
    said.update(claims)
    save_file(flat, path, metadata={"adapter_config": json.dumps(config), "cl": json.dumps(said)})
    return path


def read(path):
    """{module: (A, B)} as float64 and the scale of each module."""
    flat = load_file(path)
    with safe_open(path, "np") as file:
        config = json.loads(file.metadata()["adapter_config"])
    result, scales = {}, {}
    for module in MODULES:
        a, b = (flat[name].astype(np.float64) for name in names(module))
        result[module] = (a, b)
        rank = config.get("rank_pattern", {}).get(module, config["r"])
        alpha = config.get("alpha_pattern", {}).get(module, config["lora_alpha"])
        scales[module] = alpha / (np.sqrt(rank) if config["use_rslora"] else rank)
    return result, scales


def digest(path):
    """What cl-aggregate calls an adapter."""
    line = subprocess.run(["cl-aggregate", "--describe", path], check=True, capture_output=True).stdout
    return json.loads(line)["adapter"]


def aggregate(paths, folder, *options):
    result = os.path.join(folder, "result.safetensors")
    subprocess.run(["cl-aggregate", "-q", *paths, *options, "-o", result], check=True)
    return read(result)


def products(factors, scales):
    return {module: scales[module] * (b.astype(np.float64) @ a.astype(np.float64))
            for module, (a, b) in factors.items()}


def relative(found, expected):
    top = sum(np.linalg.norm(found[m] - expected[m]) ** 2 for m in expected)
    return float(np.sqrt(top / sum(np.linalg.norm(expected[m]) ** 2 for m in expected)))
