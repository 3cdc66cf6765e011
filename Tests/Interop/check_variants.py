#!/usr/bin/env python3
"""Variants of LoRA, merged models and models of odd settings: ours against transformers and PEFT.

usage: check_variants.py --golden Tests/Fixtures/golden

Training: the same start, the same few steps of AdamW, the same losses and the same adapted model.
Each check prints its largest difference; the exit status is 1 on any miss.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import warnings

import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
warnings.filterwarnings("ignore")
torch.set_num_threads(1)
STEPS = 5
RATE = 2e-3
good = True


def run(*arguments):
    return subprocess.run(arguments, check=True, stdout=subprocess.PIPE).stdout


def check(name, difference, tolerance):
    global good
    fits = difference <= tolerance
    good &= fits
    print(f"{name:58s} largest difference {difference:.1e} of {tolerance:.0e}  "
          f"{'ok' if fits else 'FAILED'}", flush=True)


def load(path, dtype=torch.float32):
    return AutoModelForCausalLM.from_pretrained(
        path, dtype=dtype, attn_implementation="eager").eval()


def make_rows(size, lengths=(37, 23, 61)):
    generator = torch.Generator().manual_seed(3)
    return [torch.randint(3, size, (n,), generator=generator).tolist() for n in lengths]


def write_records(path, rows):
    with open(path, "w") as file:
        for row in rows:
            file.write(json.dumps({"input_ids": row, "labels": row}) + "\n")


def mean_loss(model, rows):
    total, count = 0.0, 0
    for row in rows:
        logits = model(input_ids=torch.tensor([row])).logits[0, :-1].float()
        total = total + torch.nn.functional.cross_entropy(
            logits, torch.tensor(row[1:]), reduction="sum")
        count += len(row) - 1
    return total / count


def train_theirs(model, rows, frozen=None, prox=0.0, ratio=1.0):
    """Losses of AdamW steps over whatever wants gradients."""
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    named = [(n, p) for n, p in named if frozen is None or f"lora_{frozen}" not in n]
    for n, p in model.named_parameters():
        p.requires_grad_(any(p is q for _, q in named))
    start = [p.detach().clone() for _, p in named]
    fast = [p for n, p in named if "lora_B" in n or p.dim() == 1]
    slow = [p for n, p in named if not ("lora_B" in n or p.dim() == 1)]
    groups = [dict(params=g, lr=r) for g, r in ((slow, RATE), (fast, RATE * ratio)) if g]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = mean_loss(model, rows)
        losses.append(float(loss.detach()))
        pull = sum(((p - s) ** 2).sum() for (_, p), s in zip(named, start))
        (loss + prox / 2 * pull).backward()
        optimizer.step()
    with torch.no_grad():
        losses.append(float(mean_loss(model, rows)))
    return losses


def train_ours(model, rows, folder, *options):
    shard = os.path.join(folder, "shard.jsonl")
    write_records(shard, rows)
    log, out = os.path.join(folder, "log.jsonl"), os.path.join(folder, "trained/")
    run("cl-train", "--model", model, "--steps", str(STEPS), "--batch-records", str(len(rows)),
        "--order", "as-is", "--schedule", "constant", "--warmup", "0", "--learning-rate", str(RATE),
        "--weight-decay", "0.01", "--clip", "0", "--quiet", "--log", log, *options, "-o", out, shard)
    events = [json.loads(line) for line in open(log)]
    return [e["loss"] for e in events if e["type"] == "step"], out


def logits(model, rows):
    with torch.no_grad():
        return [model(input_ids=torch.tensor([row])).logits[0].float() for row in rows]


def furthest(left, right):
    return max(float((a - b).abs().max()) for a, b in zip(left, right))


def ours_nll(model, rows, folder, *options):
    path = os.path.join(folder, "score.jsonl")
    write_records(path, rows)
    lines = run("cl-score", "--model", model, "--signals", "none", "--context", "512", *options, path).splitlines()
    return [json.loads(line)["cl_score"]["nll"] for line in lines]


def nll_difference(model, theirs, rows, folder, *options):
    """Nats a token."""
    worst = 0.0
    for row, nll in zip(rows, ours_nll(model, rows, folder, *options)):
        with torch.no_grad():
            worst = max(worst, abs(float(mean_loss(theirs, [row])) - nll / (len(row) - 1)))
    return worst


def check_shared_start(name, model, start_options, **changes):
    """Our first adapter, trained on by PEFT and by us."""
    rows = make_rows(json.load(open(f"{model}/config.json"))["vocab_size"])
    with tempfile.TemporaryDirectory() as folder:
        start = os.path.join(folder, "start/")
        run("cl-train", "--model", model, "--steps", "0", "--rank", "4", "--lora-alpha", "8",
            "--quiet", *start_options, "-o", start)
        theirs = PeftModel.from_pretrained(load(model), start, is_trainable=True)
        expected = train_theirs(theirs, rows, **changes)
        options = ["--adapter", start]
        for key, option in (("frozen", "--freeze"), ("prox", "--prox"), ("ratio", "--lora-plus")):
            if key in changes:
                options += [option, str(changes[key])]
        found, out = train_ours(model, rows, folder, *options)
        check(f"{name}: losses", max(abs(a - b) for a, b in zip(found, expected)), 1e-5)
        mine = PeftModel.from_pretrained(load(model), out)
        check(f"{name}: logits after training", furthest(logits(mine, rows), logits(theirs, rows)), 1e-4)
        if expected[0] - expected[-1] < 1e-3:
            check(f"{name}: nothing was learned", 1, 0)


def check_from_weights(name, model, **kwargs):
    """PiSSA and OLoRA: PEFT changes its base model, our result is plain LoRA of twice the rank."""
    config = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "down_proj"],
                        init_lora_weights=name, **kwargs)
    rows = make_rows(json.load(open(f"{model}/config.json"))["vocab_size"])
    theirs = get_peft_model(load(model), config)
    expected = train_theirs(theirs, rows)
    with tempfile.TemporaryDirectory() as folder:
        options = ["--rslora"] if kwargs.get("use_rslora") else []
        found, out = train_ours(
            model, rows, folder, "--rank", "4", "--lora-alpha", "8", "--lora-init", name,
            "--target-modules", "q_proj,v_proj,down_proj", *options)
        label = f"--lora-init {name}" + (" --rslora" if options else "")
        check(f"{label}: losses", max(abs(a - b) for a, b in zip(found, expected)), 2e-5)
        mine = PeftModel.from_pretrained(load(model), out)
        check(f"{label}: plain LoRA in PEFT, logits",
              furthest(logits(mine, rows), logits(theirs, rows)), 3e-4)


def check_read(name, model, **kwargs):
    """An adapter made by PEFT, its B not zero, in cl-score."""
    rows = make_rows(json.load(open(f"{model}/config.json"))["vocab_size"])
    torch.manual_seed(4)
    theirs = get_peft_model(load(model), LoraConfig(**{"r": 4, "lora_alpha": 8, **kwargs}))
    with torch.no_grad():
        for n, p in theirs.named_parameters():
            if "lora_B" in n:
                p.normal_(0, 0.05)
    with tempfile.TemporaryDirectory() as folder:
        theirs.save_pretrained(folder)
        check(f"PEFT's {name} in cl-score, nats a token",
              nll_difference(model, theirs.eval(), rows, folder, "--adapter", folder), 2e-5)


def check_merge(model, adapter, dtype=None):
    rows = make_rows(json.load(open(f"{model}/config.json"))["vocab_size"])
    family = os.path.basename(os.path.dirname(model))
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "merged/")
        run("cl-aggregate", adapter, "--merge", model, *(["--dtype", dtype] if dtype else []),
            "--quiet", "-o", out)
        theirs = PeftModel.from_pretrained(load(model), adapter)
        tolerance = 1e-4 if dtype is None else 0.1
        merged = load(out)
        check(f"{family}: merged {dtype or ''} in transformers, logits",
              furthest(logits(merged, rows), logits(theirs, rows)), tolerance)
        check(f"{family}: merged {dtype or ''} in cl-score, nats a token",
              nll_difference(out, merged, rows, folder), 2e-5)


def check_model(name, config, lengths=(37, 23, 61)):
    """A random model of odd settings: base likelihoods, one file and several."""
    torch.manual_seed(6)
    config._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
    with torch.no_grad():
        for n, p in model.named_parameters():
            if p.dim() > 1:
                p.normal_(0, 0.12 if "embed" in n else 0.6 / p.shape[-1] ** 0.5)
            elif "norm" in n:
                p.add_(0.2 * torch.randn_like(p))
    rows = make_rows(config.vocab_size, lengths)
    with tempfile.TemporaryDirectory() as folder:
        for shards in (None, "40KB"):
            path = os.path.join(folder, shards or "one")
            model.save_pretrained(path, **({"max_shard_size": shards} if shards else {}))
            # Loaded anew: a dynamic rope remembers the longest text that it saw.
            check(f"{name}{', sharded' if shards else ''}: nats a token",
                  nll_difference(path, load(path), rows, folder), 2e-5)
        for dtype in (torch.bfloat16, torch.float16):
            path = os.path.join(folder, str(dtype))
            model.to(dtype).save_pretrained(path)
            rounded = load(path)
            check(f"{name}, {str(dtype)[6:]} weights: nats a token",
                  nll_difference(path, rounded, rows, folder), 2e-5)
            model.float()


def models():
    from transformers import GemmaConfig, LlamaConfig, Qwen3Config, SmolLM3Config
    base = dict(vocab_size=321, hidden_size=60, intermediate_size=100, num_hidden_layers=2,
                num_attention_heads=6, num_key_value_heads=3, max_position_embeddings=512,
                bos_token_id=1, eos_token_id=2, pad_token_id=0)
    yield "gemma", GemmaConfig(**dict(base, head_dim=14))
    yield "llama, heads of 10, odd vocabulary, tied", LlamaConfig(**base, tie_word_embeddings=True)
    yield "qwen3, heads of 22", Qwen3Config(**base, head_dim=22, tie_word_embeddings=False)
    yield "smollm3, heads of 10", SmolLM3Config(**dict(base, num_hidden_layers=4))
    for scaling in (
        dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=32),
        dict(rope_type="linear", factor=3.0),
        dict(rope_type="dynamic", factor=3.0),
    ):
        config = LlamaConfig(**dict(base, max_position_embeddings=32),
                             rope_parameters=dict(scaling, rope_theta=10000.0))
        yield f"llama, {scaling['rope_type']} rope", config


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--golden", required=True)
    golden = parser.parse_args().golden
    llama = f"{golden}/llama3/model"
    phi = f"{golden}/phi3-mini-4k/model"
    check_shared_start("LoRA", llama, [])
    check_shared_start("rsLoRA, gaussian", llama, ["--rslora", "--lora-init", "gaussian"])
    check_shared_start("DoRA", llama, ["--dora"])
    check_shared_start("DoRA of fused modules", phi, ["--dora"])
    check_shared_start("DoRA with LoRA+", llama, ["--dora"], ratio=16)
    check_shared_start("LoRA+", llama, [], ratio=16)
    check_shared_start("--freeze A", llama, [], frozen="A")
    check_shared_start("--prox 0.5", llama, [], prox=0.5)
    check_shared_start("ranks and alphas by pattern", llama, [
        "--rank-pattern", r"layers\.0\..*=2", "--rank-pattern", "down_proj=6",
        "--alpha-pattern", "q_proj=3"])
    check_shared_start("targets by expression", llama, [
        "--target-modules", r".*\.(q|up)_proj", "--exclude-modules", r".*layers\.1\.mlp.*"])
    check_shared_start("layers", llama, ["--layers", "1", "--target-modules", "q_proj,up_proj"])
    for name in ("pissa", "olora"):
        check_from_weights(name, llama)
        check_from_weights(name, llama, use_rslora=True)
    everything = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    check_read("exclude_modules", llama, target_modules=everything, exclude_modules=["layers.0.mlp.up_proj"])
    check_read("target_modules as an expression", llama, target_modules=r".*layers\.1\..*_proj")
    check_read("layers_pattern", llama, target_modules=everything, layers_to_transform=[1], layers_pattern="layers")
    check_read("patterns", llama, target_modules=everything,
               rank_pattern={r"layers\.[01]\.mlp.*": 2}, alpha_pattern={"^.*q_proj$": 32})
    check_read("DoRA", llama, target_modules=everything, use_dora=True)
    for family in ("llama3", "llama3-dora", "phi3-mini-128k", "gemma3", "qwen2"):
        check_merge(f"{golden}/{family}/model", f"{golden}/{family}/adapter-final")
    check_merge(llama, f"{golden}/llama3/adapter-final", "bf16")
    for name, config in models():
        check_model(name, config)
    sys.exit(0 if good else 1)


main()
