#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""GGUF models and adapters: ours beside llama.cpp, its converters, transformers and PEFT.

usage: check_llama_cpp.py --golden Tests/Fixtures/golden --llama DIR [--model FILE.gguf]...

For each tiny model: the copies that llama.cpp's converter makes of it (f32, f16, bf16) score in
cl-score as the weights do in transformers; the adapter that cl-aggregate writes has the tensors that
llama.cpp's converter writes; with it llama.cpp predicts what PEFT predicts. Then real models: losses
beside transformers on the dequantized weights, an adapter trained here in PEFT and in llama.cpp.
Exit status 1 on any miss.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import warnings

import gguf
import torch
import transformers
from peft import PeftModel
from transformers import AutoModelForCausalLM

import llama_cpp

TOLERANCE = 1e-4
# Of thirty layers, both in float32 and each in its own order.
DEEP_TOLERANCE = 3e-4
# llama.cpp looks GELU up in a table of half floats, base model or not: in six layers and in eighteen.
GELU_TOLERANCE = 5e-3
DEEP_GELU_TOLERANCE = 2e-2
transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
warnings.filterwarnings("ignore")
torch.set_grad_enabled(False)
good = True


def check(name, difference, tolerance=TOLERANCE):
    global good
    fits = difference <= tolerance
    good &= fits
    print(f"{name:62s} largest difference {difference:.1e} of {tolerance:.0e}  "
          f"{'ok' if fits else 'FAILED'}", flush=True)


def run(*arguments):
    return subprocess.run(arguments, check=True, stdout=subprocess.PIPE).stdout


def load(path):
    return AutoModelForCausalLM.from_pretrained(
        path, dtype=torch.float32, attn_implementation="eager").eval()


def draw(size, lengths):
    generator = torch.Generator().manual_seed(9)
    return [torch.randint(3, size, (n,), generator=generator).tolist() for n in lengths]


def our_nll(model, records, folder, *options):
    path = os.path.join(folder, "records.jsonl")
    with open(path, "w") as file:
        for ids, labels in records:
            file.write(json.dumps({"input_ids": ids, "labels": labels}) + "\n")
    lines = run("cl-score", "--model", model, "--signals", "none", *options, path).splitlines()
    return [json.loads(line)["cl_score"]["nll"] for line in lines]


def their_nll(model, row):
    logits = model(input_ids=torch.tensor([row])).logits[0, :-1].float()
    return float(torch.nn.functional.cross_entropy(
        logits, torch.tensor(row[1:]), reduction="sum"))


def nats_a_token(model, theirs, rows, folder, *options):
    """The largest difference of losses, ours of `model` and those of `theirs`."""
    ours = our_nll(model, [(row, row) for row in rows], folder, *options)
    return max(abs(their_nll(theirs, row) - nll) / (len(row) - 1) for row, nll in zip(rows, ours))


def predictions(theirs, prefix):
    return torch.log_softmax(theirs(input_ids=torch.tensor([prefix])).logits[0, -1].float(), -1)


def llama_difference(model, adapter, theirs, prefixes, size):
    """Of the log-probabilities of all next tokens, llama.cpp's and those of `theirs`."""
    runner = llama_cpp.Model(model, adapter)
    worst = 0.0
    for prefix in prefixes:
        expected = predictions(theirs, prefix)
        found = runner.log_probabilities(prefix, size)
        if len(found) < min(size, 300):
            sys.exit(f"llama.cpp gave {len(found)} log-probabilities only")
        worst = max(worst, max(abs(float(expected[i]) - p) for i, p in found.items()))
    return worst


def plain_copy(source, folder):
    """The golden without what GGUF files cannot say: another scale of Gemma's attention than by the
    head size, and Mistral's window."""
    copy = os.path.join(folder, "model")
    shutil.copytree(source, copy)
    path = os.path.join(copy, "config.json")
    whole = json.load(open(path))
    config = whole.get("text_config", whole)
    if "query_pre_attn_scalar" in config:
        config["query_pre_attn_scalar"] = config["head_dim"]
    if config["model_type"] == "mistral":
        config["sliding_window"] = None
    json.dump(whole, open(path, "w"))
    # The converter of Gemma 3 looks for it to count tokens.
    vocabulary = {str(index): index for index in range(config["vocab_size"])}
    json.dump({"model": {"vocab": vocabulary}, "added_tokens": []},
              open(os.path.join(copy, "tokenizer.json"), "w"))
    return copy, config


def rounded(model, kind):
    """Matrices as the converter rounds them; vectors stay."""
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.copy_(parameter.to({"f16": torch.float16, "bf16": torch.bfloat16}[kind]).float())
    return model


def tensors(path):
    reader = gguf.GGUFReader(path)
    alpha = reader.fields["adapter.lora.alpha"].contents()
    return alpha, {t.name: torch.tensor(t.data.copy()) for t in reader.tensors}


def update_difference(ours, theirs):
    """Of the updates that two adapter files make, relative to their norm; infinite if their names
    or shapes are not the same."""
    (our_alpha, our_tensors), (their_alpha, their_tensors) = tensors(ours), tensors(theirs)
    if {n: t.shape for n, t in our_tensors.items()} != {n: t.shape for n, t in their_tensors.items()}:
        return float("inf")

    def update(alpha, found, name):
        a, b = found[name + ".lora_a"], found[name + ".lora_b"]
        return alpha / a.shape[0] * b.double() @ a.double()

    worst = 0.0
    for name in {name.rsplit(".", 1)[0] for name in our_tensors}:
        expected = update(their_alpha, their_tensors, name)
        found = update(our_alpha, our_tensors, name)
        worst = max(worst, float((found - expected).norm() / expected.norm()))
    return worst


def check_tiny(llama, golden, family):
    adapter = os.path.join(golden, family, "adapter-final")
    settings = json.load(open(os.path.join(adapter, "adapter_config.json")))
    with tempfile.TemporaryDirectory() as folder:
        model, config = plain_copy(os.path.join(golden, family, "model"), folder)
        size = config["vocab_size"]
        # llama.cpp leaves the windows of Phi-3 out.
        longest = 15 if "phi3" in family else 61
        rows, prefixes = draw(size, (37, 23, 61)), draw(size, (1, 9, longest))
        paths = llama_cpp.convert(llama, model, folder, ("f32", "f16", "bf16"))
        for kind in paths:
            theirs = load(model) if kind == "f32" else rounded(load(model), kind)
            check(f"{family}: llama.cpp's {kind} copy in cl-score, nats a token",
                  nats_a_token(paths[kind], theirs, rows, folder), 2e-5)
        if settings.get("use_dora"):
            return
        ours = os.path.join(folder, "ours.gguf")
        run("cl-aggregate", adapter, "--format", "gguf", "--model", model, "--quiet", "-o", ours)
        if not settings.get("use_rslora"):
            reference = os.path.join(folder, "theirs.gguf")
            llama_cpp.convert_adapter(llama, model, adapter, reference)
            check(f"{family}: adapter beside llama.cpp's converter", update_difference(ours, reference), 1e-6)
        if "128k" in family:
            # llama.cpp chooses LongRoPE's factors by the context asked for, not by the text.
            return
        tolerance = GELU_TOLERANCE if "gemma" in family else TOLERANCE
        check(f"{family}: base model in llama.cpp",
              llama_difference(paths["f32"], None, load(model), prefixes, size), tolerance)
        check(f"{family}: our adapter in llama.cpp beside PEFT",
              llama_difference(paths["f32"], ours, PeftModel.from_pretrained(load(model), adapter),
                               prefixes, size), tolerance)


def export(path, folder):
    """The dequantized weights as a Hugging Face folder."""
    model = AutoModelForCausalLM.from_pretrained(
        os.path.dirname(os.path.abspath(path)), gguf_file=os.path.basename(path), dtype=torch.float32)
    for holder, name in [(model, "hf_quantizer"), (model, "_weight_conversions")]:
        if hasattr(holder, name):
            setattr(holder, name, None if name == "hf_quantizer" else [])
    model.is_quantized = False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(folder)


TEXT = ("Federated learning trains one model on the data of many clients, which never leave them. "
        "The clients send what they learnt, and the server takes the mean of it.")


def check_real(path):
    name = os.path.basename(path).split(".gguf")[0]
    with tempfile.TemporaryDirectory() as folder:
        exported = os.path.join(folder, "exported")
        export(path, exported)
        theirs = load(exported)
        text = os.path.join(folder, "text.jsonl")
        with open(text, "w") as file:
            file.write(json.dumps({"text": TEXT}) + "\n")
        line = json.loads(run("cl-score", "--model", path, "--signals", "none", "--emit-ids", text))
        rows = [line["input_ids"]] + draw(40_000, (5, 40, 130))
        check(f"{name}: GGUF, nats a token", nats_a_token(path, theirs, rows, folder))
        check(f"{name}: exported folder, nats a token", nats_a_token(exported, theirs, rows, folder))
        plain = os.path.join(folder, "plain.gguf")
        llama_cpp.float32_copy(path, plain)
        check(f"{name}: GGUF in float32, nats a token", nats_a_token(plain, theirs, rows, folder))

        shard = os.path.join(folder, "shard.jsonl")
        with open(shard, "w") as file:
            for row in rows[:3]:
                file.write(json.dumps({"input_ids": row, "labels": row}) + "\n")
        adapter, ours = os.path.join(folder, "adapter/"), os.path.join(folder, "ours.gguf")
        run("cl-train", "--model", path, "--rank", "8", "--learning-rate", "3e-4", "--schedule",
            "constant", "--steps", "4", "--quiet", shard, "-o", adapter)
        run("cl-aggregate", adapter, "--format", "gguf", "--model", path, "--quiet", "-o", ours)
        peft = PeftModel.from_pretrained(theirs, adapter)
        check(f"{name}: our adapter, nats a token",
              nats_a_token(path, peft, rows, folder, "--adapter", adapter))
        prefixes = [rows[0][:12], rows[0], rows[1]]
        moved = 0.0
        for prefix in prefixes:
            expected = predictions(peft, prefix)
            with peft.disable_adapter():
                moved = max(moved, float((expected - predictions(peft, prefix)).abs().max()))
            tokens = expected.topk(40).indices.tolist()
            records = [(prefix + [t], [-100] * len(prefix) + [t]) for t in tokens]
            found = -torch.tensor(our_nll(path, records, folder, "--adapter", adapter))
            check(f"{name}: our adapter in PEFT, 40 log-probabilities",
                  float((found - expected[tokens]).abs().max()))
        if moved < 100 * TOLERANCE:
            check(f"{name}: the adapter changed nothing", 1, 0)
        tolerance = DEEP_GELU_TOLERANCE if "gemma" in name else DEEP_TOLERANCE
        with peft.disable_adapter():
            check(f"{name}: base model in llama.cpp, 20 most likely",
                  llama_difference(plain, None, peft, prefixes, 20), tolerance)
        check(f"{name}: our adapter in llama.cpp beside PEFT, 20 most likely",
              llama_difference(plain, ours, peft, prefixes, 20), tolerance)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--golden", required=True)
    parser.add_argument("--llama", required=True)
    parser.add_argument("--model", action="append", default=[])
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    for family in sorted(os.listdir(options.golden)):
        if options.only in family and os.path.isdir(os.path.join(options.golden, family, "model")):
            check_tiny(options.llama, options.golden, family)
    for model in options.model:
        check_real(model)
    sys.exit(0 if good else 1)


main()
