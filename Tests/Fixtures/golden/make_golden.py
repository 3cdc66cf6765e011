#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a golden: a random model of one family, and what transformers and PEFT compute for it.

usage: make_golden.py NAME...    (torch 2.13.0 for processors, transformers 5.23.0, peft 0.21.2)

Writes NAME/ beside this script: model/, adapter-init/ (its B not zero), adapter-final/ (after the
steps of AdamW), expected.safetensors (tokens, labels, logits of base and adapted model, gradients of
the first step) and expected.json (the losses).
"""
import json
import os
import shutil
import sys

import peft
import torch
import transformers
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, Gemma3Config, GemmaConfig, GraniteConfig

STEPS, RATE, DECAY, RANK, ALPHA = 10, 2e-3, 0.01, 4, 8
LENGTHS, PROMPTS = (37, 23, 61), (0, 9, 30)
ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SIZES = dict(vocab_size=160, hidden_size=32, intermediate_size=56, num_hidden_layers=2,
             num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512,
             bos_token_id=1, eos_token_id=2, pad_token_id=0)


def configuration(name):
    if name == "gemma":
        return GemmaConfig(**SIZES, head_dim=16)
    if name == "granite":
        return GraniteConfig(
            **SIZES, embedding_multiplier=6.0, residual_multiplier=0.22, attention_multiplier=0.2,
            logits_scaling=1.25, tie_word_embeddings=True)
    if name == "gemma3-vision":
        text = dict(SIZES, num_hidden_layers=6, head_dim=16, sliding_window=8,
                    query_pre_attn_scalar=24)
        sight = dict(hidden_size=16, intermediate_size=16, num_hidden_layers=1,
                     num_attention_heads=2, image_size=16, patch_size=8)
        return Gemma3Config(text_config=text, vision_config=sight, mm_tokens_per_image=4)
    sys.exit(f"make_golden: no configuration called {name}")


def spread(model, tied):
    """Weights of a size at which every term matters."""
    for name, weight in model.named_parameters():
        if weight.dim() > 1:
            scale = (0.12 if tied else 0.5) if "embed" in name else 0.6 / weight.shape[-1] ** 0.5
            weight.normal_(0, scale)
        elif "norm" in name:
            weight.add_(0.2 * torch.randn_like(weight))
        else:
            weight.normal_(0, 0.1)


def make(name):
    torch.manual_seed(11)
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
    shutil.rmtree(folder, ignore_errors=True)
    config = configuration(name)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
    with torch.no_grad():
        spread(model, config.tie_word_embeddings)
    model.save_pretrained(os.path.join(folder, "model"))
    tokens = [torch.randint(3, SIZES["vocab_size"], (length,)) for length in LENGTHS]
    labels = [row.clone() for row in tokens]
    for row, prompt in zip(labels, PROMPTS):
        row[:prompt] = -100
    expected = {f"input_ids.{i}": row for i, row in enumerate(tokens)}
    expected |= {f"labels.{i}": row for i, row in enumerate(labels)}

    def keep_logits(model, kind):
        with torch.no_grad():
            for i, row in enumerate(tokens):
                expected[f"{kind}.{i}"] = model(input_ids=row[None]).logits[0].contiguous()

    def mean_loss():
        total, count = 0.0, 0
        for row, label in zip(tokens, labels):
            logits = adapted(input_ids=row[None]).logits[0, :-1]
            total = total + torch.nn.functional.cross_entropy(
                logits, label[1:], ignore_index=-100, reduction="sum")
            count += int((label[1:] != -100).sum())
        return total / count, count

    keep_logits(model, "base_logits")
    foreign = ".*(vision_tower|multi_modal_projector).*" if "vision" in name else None
    adapted = get_peft_model(model, LoraConfig(
        r=RANK, lora_alpha=ALPHA, target_modules=ALL, exclude_modules=foreign, lora_dropout=0.0,
        bias="none", task_type="CAUSAL_LM"))
    trained = [(n, p) for n, p in adapted.named_parameters() if p.requires_grad]
    with torch.no_grad():
        for n, p in trained:
            if "lora_B" in n:
                p.normal_(0, 0.05)
    adapted.save_pretrained(os.path.join(folder, "adapter-init"))
    keep_logits(adapted, "adapted_logits")
    optimizer = torch.optim.AdamW([p for _, p in trained], lr=RATE, weight_decay=DECAY)
    losses = []
    for step in range(STEPS):
        optimizer.zero_grad()
        loss, count = mean_loss()
        loss.backward()
        if step == 0:
            for n, p in trained:
                expected["grad." + n.replace(".default", "")] = p.grad.clone().contiguous()
        losses.append(float(loss.detach()))
        optimizer.step()
    with torch.no_grad():
        losses.append(float(mean_loss()[0]))
    adapted.save_pretrained(os.path.join(folder, "adapter-final"))
    for part in ("adapter-init", "adapter-final"):
        os.remove(os.path.join(folder, part, "README.md"))
    save_file({n: t.contiguous() for n, t in expected.items()},
              os.path.join(folder, "expected.safetensors"))
    versions = {m.__name__: m.__version__ for m in (torch, transformers, peft)}
    with open(os.path.join(folder, "expected.json"), "w") as file:
        json.dump(dict(family=name, losses=losses, target_tokens=count, made_with=versions), file,
                  indent=1)
    print(f"{name}: loss {losses[0]:.5f} to {losses[-1]:.5f}")


torch.set_num_threads(1)
for name in sys.argv[1:]:
    make(name)
