#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the small adapters of Tests/GoldenTests/Cases/cl-aggregate, in the folders that are there.

Needs numpy and safetensors (which orders metadata anew in each run); the commands and what is
expected lie beside them.
"""
import json
import os

import numpy as np
from safetensors.numpy import save_file

CASES = os.path.join(os.path.dirname(__file__), "..", "GoldenTests", "Cases", "cl-aggregate")
MODULES = ["model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.v_proj"]
BASE, PARENT = "5a1b" * 16, "0c3d" * 16
CONFIG = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "use_rslora": False, "bias": "none",
          "target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM"}


def write(path, client, shift, base=BASE, records=10, claims=True, nan=False, config=True):
    tensors = {}
    for index, module in enumerate(MODULES):
        a = (np.arange(8).reshape(2, 4) + shift + index) % 5 / 4 - 0.5
        b = (np.arange(6).reshape(3, 2) * 3 + 2 * shift + index) % 7 / 8 - 0.25
        if nan and index == 1:
            b[1, 1] = np.nan
        tensors[f"base_model.model.{module}.lora_A.weight"] = a.astype(np.float32)
        tensors[f"base_model.model.{module}.lora_B.weight"] = b.astype(np.float32)
    metadata = {"format": "pt"}
    if config:
        metadata["adapter_config"] = json.dumps(CONFIG, sort_keys=True)
    if claims:
        metadata["cl"] = json.dumps({
            "v": 1, "tool": "cl-train 0.1.0", "base": base, "parent": PARENT, "client": client,
            "round": 1, "seed": 1, "records": records, "tokens": records * 12,
            "target_tokens": records * 8, "quality_tokens": records * 9.5, "steps": 3,
            "trained": "AB"})
    save_file(tensors, path, metadata=metadata)


for case in sorted(os.listdir(CASES)):
    folder = os.path.join(CASES, case)
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if name.startswith("client-"):
            number = name[len("client-"):-len(".safetensors")]
            write(path, number, int(number) + 1, records=10 * (int(number) + 1))
        elif name == "other.safetensors":
            write(path, "9", 3, base="ffff" * 16)
        elif name == "nan.safetensors":
            write(path, "9", 3, nan=True)
        elif name == "foreign.safetensors":
            write(path, "9", 3, claims=False)
        elif name in ("a", "b"):
            write(os.path.join(path, "adapter_model.safetensors"), name, 1 + (name == "b"),
                  claims=False, config=False)
            with open(os.path.join(path, "adapter_config.json"), "w") as file:
                json.dump(CONFIG, file, indent=2)
