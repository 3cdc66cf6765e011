#!/usr/bin/env python3
"""Greedy continuations of the tiny models by transformers and PEFT.

usage: make_greedy.py > Tests/Fixtures/golden/greedy.json     (torch 2.13.0, transformers 5.23.0, peft 0.21.2)

For each model with its trained adapter: 24 tokens after the first 9, 13 and 17 tokens of its three
sequences. The closest two logits on the way are told on standard error.
"""
import json
import os
import sys

import torch
import transformers
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

GOLDEN = "Tests/Fixtures/golden"
NAMES = sorted(
    name for name in os.listdir(GOLDEN) if os.path.exists(os.path.join(GOLDEN, name, "adapter-final")))
transformers.logging.set_verbosity_error()
torch.set_grad_enabled(False)


def continuations(folder):
    sequences = load_file(os.path.join(folder, "expected.safetensors"))
    base = AutoModelForCausalLM.from_pretrained(
        os.path.join(folder, "model"), dtype=torch.float32, attn_implementation="eager")
    model = PeftModel.from_pretrained(base.eval(), os.path.join(folder, "adapter-final")).eval()
    found, closest = [], float("inf")
    for index in range(3):
        prompt = sequences[f"input_ids.{index}"][:9 + 4 * index]
        result = model.generate(
            input_ids=prompt[None].long(), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            max_new_tokens=24, do_sample=False, eos_token_id=None, pad_token_id=0,
            return_dict_in_generate=True, output_logits=True)
        found.append(result.sequences[0][len(prompt):].tolist())
        for logits in result.logits:
            best = logits[0].float().topk(2).values
            closest = min(closest, float(best[0] - best[1]))
    return found, closest


lines = []
for name in NAMES:
    found, closest = continuations(os.path.join(GOLDEN, name))
    lines.append(f' {json.dumps(name)}: {json.dumps(found, separators=(",", ":"))}')
    print(f"{name}: closest {closest:.2g}", file=sys.stderr)
print("{\n" + ",\n".join(lines) + "\n}")
