#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cl-aggregate against numpy: averages, digests, norms and drift over random adapters.

Needs numpy and safetensors, and cl-aggregate on the PATH.
"""
import hashlib
import json
import os
import subprocess
import tempfile

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

MODULES = [f"model.layers.{layer}.{name}" for layer in range(3)
           for name in ("self_attn.q_proj", "self_attn.v_proj", "mlp.down_proj")]
SHAPES = {"q_proj": (48, 48), "v_proj": (16, 48), "down_proj": (48, 96)}  # out, in
RANK = 8


def names(module):
    return (f"base_model.model.{module}.lora_A.weight", f"base_model.model.{module}.lora_B.weight")


def make(path, generator, client, alpha, rslora, dtype):
    tensors = {}
    for module in MODULES:
        rows, columns = SHAPES[module.rsplit(".", 1)[1]]
        a, b = names(module)
        tensors[a] = generator.normal(size=(RANK, columns)).astype(dtype)
        tensors[b] = generator.normal(size=(rows, RANK)).astype(dtype)
    config = {"peft_type": "LORA", "r": RANK, "lora_alpha": alpha, "use_rslora": rslora,
              "bias": "none", "target_modules": sorted(SHAPES)}
    claims = {"v": 1, "tool": "numpy", "base": "b" * 64, "parent": "p" * 64, "client": str(client),
              "round": 1, "records": 10 * client + 10, "tokens": 100 * client + 300,
              "target_tokens": 77 * client + 5, "quality_tokens": 2.5 * client + 1}
    save_file(tensors, path, metadata={"adapter_config": json.dumps(config),
                                       "cl": json.dumps(claims)})
    return {name: value.astype(np.float64) for name, value in tensors.items()}


def digest(tensors):
    state = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].astype("<f4")
        shape = ",".join(str(extent) for extent in value.shape)
        state.update(f"{len(name.encode())}:{name} F32 [{shape}] {value.nbytes}\n".encode())
        state.update(value.tobytes())
    return state.hexdigest()


def check(label, clients, weights, counts, dtype=np.float32):
    generator = np.random.default_rng(len(label))
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, f"c{index}.safetensors") for index in range(len(clients))]
        inputs = [make(path, generator, index, alpha, rslora, dtype)
                  for index, (path, (alpha, rslora)) in enumerate(zip(paths, clients))]
        result, report = os.path.join(folder, "g.safetensors"), os.path.join(folder, "r.jsonl")
        subprocess.run(["cl-aggregate", *paths, "--weights", weights, "-o", result,
                        "--report", report], check=True)
        found = load_file(result)
        with open(report) as file:
            event = json.loads(file.read())
        with safe_open(result, "np") as file:
            config = json.loads(file.metadata()["adapter_config"])
    share = np.array(counts, dtype=np.float64) / sum(counts)
    scales = [alpha / (np.sqrt(RANK) if rslora else RANK) for alpha, rslora in clients]
    scale = scales[0] if len(set(scales)) == 1 else 1.0
    fold = [1.0 if len(set(scales)) == 1 else np.sqrt(value) for value in scales]
    assert config["lora_alpha"] / RANK == scale, config
    worst = 0.0
    for name in inputs[0]:
        expected = sum(w * f * tensors[name] for w, f, tensors in zip(share, fold, inputs))
        worst = max(worst, np.abs(found[name] - expected).max() / np.abs(expected).max())
    drifts = 0.0
    for entry in event["modules"]:
        a, b = names(entry["module"])
        exact = sum(w * s * t[b] @ t[a] for w, s, t in zip(share, scales, inputs))
        mean = scale * (found[b].astype(np.float64) @ found[a].astype(np.float64))
        norm = np.linalg.norm(exact)
        drift = np.linalg.norm(exact - mean) / norm
        drifts = max(drifts, abs(entry["norm"] / norm - 1), abs(entry["drift"] - drift))
    assert worst < 1e-7, worst
    assert drifts < 1e-6, drifts
    assert abs(event["effective_clients"] * (share ** 2).sum() - 1) < 1e-12
    assert event["adapter"] == digest(found), "digest of the result"
    for client, tensors in zip(event["clients"], inputs):
        assert client["adapter"] == digest(tensors), "digest of a client"
    print(f"{label}: averages within {worst:.1e}, norms and drift within {drifts:.1e}")


SAME = [(16, False)] * 4
check("records", SAME, "records", [10, 20, 30, 40])
check("tokens", SAME, "tokens", [300, 400, 500, 600])
check("target tokens", SAME, "target-tokens", [5, 82, 159, 236])
check("quality", SAME, "quality", [1, 3.5, 6, 8.5])
check("uniform", SAME, "uniform", [1, 1, 1, 1])
check("float16 inputs", SAME[:2], "uniform", [1, 1], dtype=np.float16)
check("unequal scales", [(16, False), (4, False), (8, True)], "records", [10, 20, 30])
