#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What cl-aggregate writes as f16 and bf16, loaded by PEFT: the update is that of the float32 result; and
what PEFT's add_weighted_adapter makes of the same adapters, scale 2, whose exact mean ours gives.

Needs torch, transformers and peft, and cl-aggregate on the PATH.
"""
import os
import subprocess
import tempfile

import numpy as np
import torch
from peft import PeftModel

import adapters as lib


class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.self_attn, self.mlp = torch.nn.Module(), torch.nn.Module()
        self.self_attn.q_proj = torch.nn.Linear(40, 48, bias=False)
        self.mlp.down_proj = torch.nn.Linear(96, 32, bias=False)


class Base(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.model = torch.nn.Module()
        self.model.layers = torch.nn.ModuleList([Layer(), Layer()])
        self.config = {"model_type": "test"}

    def forward(self, x):
        return x

    def prepare_inputs_for_generation(self, *args, **kwargs):
        return {}


with tempfile.TemporaryDirectory() as folder:
    generator = np.random.default_rng(5)
    paths = [lib.write(os.path.join(folder, f"c{i}.safetensors"), lib.tensors(generator, size=0.3), f"{i}")
             for i in range(3)]
    exact = lib.products(*lib.aggregate(paths, folder, "--rule", "svd", "--rank", "6"))
    for dtype, bound in (("f32", 1e-6), ("f16", 2e-3), ("bf16", 2e-2)):
        place = os.path.join(folder, dtype) + "/"
        subprocess.run(["cl-aggregate", "-q", *paths, "--rule", "svd", "--rank", "6", "--dtype", dtype,
                        "-o", place], check=True)
        model = PeftModel.from_pretrained(Base(), place)
        found = {}
        for name, module in model.named_modules():
            path = name.removeprefix("base_model.model.")
            if path in exact:
                found[path] = module.get_delta_weight("default").detach().double().numpy()
        error = lib.relative(found, exact)
        assert set(found) == set(exact) and error <= bound, (dtype, error)
        print(f"PEFT loads {dtype}: update within {error:.1e}")

    exact = None
    model = None
    inputs = []
    for index, path in enumerate(paths[:2]):
        place = os.path.join(folder, f"one{index}") + "/"
        subprocess.run(["cl-aggregate", "-q", path, "-o", place], check=True)
        inputs.append(lib.products(*lib.read(path)))
        if model is None:
            model = PeftModel.from_pretrained(Base(), place, adapter_name="a0")
        else:
            model.load_adapter(place, adapter_name=f"a{index}")
    exact = {m: (inputs[0][m] + inputs[1][m]) / 2 for m in inputs[0]}

    def theirs(kind):
        options = {"svd_rank": 8} if kind == "svd" else {}
        model.add_weighted_adapter(["a0", "a1"], [0.5, 0.5], kind, combination_type=kind, **options)
        return {name.removeprefix("base_model.model."): module.get_delta_weight(kind).detach().double().numpy()
                for name, module in model.named_modules()
                if name.removeprefix("base_model.model.") in exact}

    found = lib.products(*lib.aggregate(paths[:2], folder, "--rule", "svd", "--rank", "8"))
    assert lib.relative(found, exact) < 1e-6
    for kind in ("cat", "svd", "linear"):
        print(f"two adapters of scale 2: PEFT's {kind} is off by {lib.relative(theirs(kind), exact):.2g}, "
              f"ours by {lib.relative(found, exact):.1e}")
