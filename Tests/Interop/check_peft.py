#!/usr/bin/env python3
"""Our adapters in PEFT, and PEFT's in our tools: the same numbers, or exit status 1.

usage: check_peft.py --golden Tests/Fixtures/golden [--model SmolLM2.gguf]

For each tiny model: cl-train writes a PEFT folder; PEFT loads it, and its log-probabilities over the
whole vocabulary after several prefixes must equal ours (cl-score's nll of every possible next
token) to 1e-4. The same for the adapter that PEFT itself trained. Then the real model, if given.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM
import transformers

TOLERANCE = 1e-4
transformers.logging.set_verbosity_error()
torch.set_grad_enabled(False)


def run(*arguments):
    return subprocess.run(arguments, check=True, stdout=subprocess.PIPE).stdout


def write_records(path, records):
    with open(path, "w") as file:
        for ids, labels in records:
            file.write(json.dumps({"input_ids": ids, "labels": labels}) + "\n")


def our_nll(model, adapter, records, folder):
    path = os.path.join(folder, "records.jsonl")
    write_records(path, records)
    command = ["cl-score", "--model", model, "--signals", "none", path]
    if adapter:
        command += ["--adapter", adapter]
    return [json.loads(line)["cl_score"]["nll"] for line in run(*command).splitlines()]


def largest_difference(model, tokens_model, adapter, prefixes, vocabulary, folder):
    """Of the log-probabilities of every next token after each prefix."""
    worst = 0.0
    for prefix in prefixes:
        records = [(prefix + [v], [-100] * len(prefix) + [v]) for v in vocabulary]
        ours = -torch.tensor(our_nll(model, adapter, records, folder))
        theirs = tokens_model(input_ids=torch.tensor([prefix])).logits[0, -1].float()
        theirs = torch.log_softmax(theirs, -1)[list(vocabulary)]
        worst = max(worst, float((ours - theirs).abs().max()))
    return worst


def check(name, difference):
    verdict = "ok" if difference <= TOLERANCE else "FAILED"
    print(f"{name:46s} largest difference {difference:.1e}  {verdict}", flush=True)
    return difference <= TOLERANCE


def check_tiny(golden, family):
    root = os.path.join(golden, family)
    model = os.path.join(root, "model")
    config = json.load(open(os.path.join(model, "config.json")))
    size = config.get("text_config", config)["vocab_size"]
    generator = torch.Generator().manual_seed(5)
    draw = lambda n: torch.randint(3, size, (n,), generator=generator).tolist()
    base = lambda: AutoModelForCausalLM.from_pretrained(
        model, dtype=torch.float32, attn_implementation="eager").eval()
    prefixes = [draw(1), draw(7), draw(33)]
    good = True
    with tempfile.TemporaryDirectory() as folder:
        shard = os.path.join(folder, "shard.jsonl")
        rows = [draw(20) for _ in range(8)]
        write_records(shard, [(row, row) for row in rows])
        ours = os.path.join(folder, "ours/")
        run("cl-train", "--model", model, "--rank", "4", "--lora-alpha", "8", "--learning-rate", "1e-2",
            "--batch-records", "2", "--epochs", "2", "--quiet", shard, "-o", ours)
        peft = PeftModel.from_pretrained(base(), ours)
        trained = largest_difference(model, peft, ours, prefixes, range(size), folder)
        moved = largest_difference(model, base(), ours, prefixes[:1], range(size), folder)
        good &= check(f"{family}: cl-train's adapter in PEFT", trained)
        if moved < 10 * TOLERANCE:
            print(f"{family}: the adapter changed nothing (moved {moved:.1e}): the check is void")
            good = False
        theirs = os.path.join(root, "adapter-final")
        peft = PeftModel.from_pretrained(base(), theirs)
        good &= check(f"{family}: PEFT's adapter in cl-score",
                      largest_difference(model, peft, theirs, prefixes, range(size), folder))
    return good


def check_real(path):
    """The real model: an adapter of one step, nll of a few texts."""
    with tempfile.TemporaryDirectory() as folder:
        base = AutoModelForCausalLM.from_pretrained(
            os.path.dirname(path), gguf_file=os.path.basename(path), dtype=torch.float32).eval()
        generator = torch.Generator().manual_seed(7)
        rows = [torch.randint(20, 49152, (n,), generator=generator).tolist() for n in (5, 40, 130)]
        shard = os.path.join(folder, "shard.jsonl")
        write_records(shard, [(row, row) for row in rows])
        ours = os.path.join(folder, "ours/")
        run("cl-train", "--model", path, "--rank", "8", "--learning-rate", "1e-3", "--schedule", "constant",
            "--steps", "3", "--quiet", shard, "-o", ours)
        peft = PeftModel.from_pretrained(base, ours)
        mine = our_nll(path, ours, [(row, row) for row in rows], folder)
        worst = 0.0
        for row, nll in zip(rows, mine):
            logits = peft(input_ids=torch.tensor([row])).logits[0, :-1].float()
            theirs = torch.nn.functional.cross_entropy(logits, torch.tensor(row[1:]), reduction="sum")
            worst = max(worst, abs(float(theirs) - nll) / (len(row) - 1))
        return check("SmolLM2-135M: nats a token", worst)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--golden", required=True)
    parser.add_argument("--model")
    options = parser.parse_args()
    good = True
    families = sorted(name for name in os.listdir(options.golden)
                      if os.path.isdir(os.path.join(options.golden, name, "model")))
    if not families:
        sys.exit("no golden models were found")
    for family in families:
        good &= check_tiny(options.golden, family)
    if options.model:
        good &= check_real(options.model)
    sys.exit(0 if good else 1)


main()
