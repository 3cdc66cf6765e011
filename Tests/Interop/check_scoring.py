#!/usr/bin/env python3
"""What cl-score asks a model, against transformers: the same numbers, or exit status 1.

usage: check_scoring.py MODEL.gguf

transformers reads the same file with the same tokenizer. Token ids are its own: its chat template, its
tokenizer. Compared: nll, quantiles, IFD and alignment, choices with a template and without, greedy answers.
"""
import json
import math
import os
import subprocess
import sys
import tempfile

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

transformers.logging.set_verbosity_error()
torch.set_grad_enabled(False)
torch.set_num_threads(2)

PAIRS = [
    ("What is the capital of France?", "The capital of France is Paris."),
    ("Name three primary colours.", "Red, yellow and blue."),
    ("Define the term \"stack\".", "A list of items of which the one that was put in last is taken out first."),
    ("Write a haiku about rain.", "def add(a, b):\n    return a + b"),
    ("Zähle bis drei.", "eins, zwei, drei"),
]
QUESTIONS = [
    ("What is the capital of France?", ["Berlin", "Paris", "Madrid"], 1),
    ("Which of these is an animal?", ["a stone", "a horse that runs", "tea"], 1),
    ("2 + 2 =", ["4", "five", "twenty-two"], 0),
    ("The colour of the sky is", ["blue", "éèê", "green as grass"], 0),
]
TOKENS = 24


def cl_score(model, records, *options):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "records.jsonl")
        with open(path, "w") as file:
            for record in records:
                file.write(json.dumps(record) + "\n")
        output = subprocess.run(
            ["cl-score", "--model", model, "--signals", "none", *options, path], check=True,
            stdout=subprocess.PIPE).stdout
    return [json.loads(line)["cl_score"] for line in output.splitlines()]


def losses(model, ids, first):
    logits = model(input_ids=torch.tensor([ids])).logits[0].double()
    log_p = torch.log_softmax(logits, -1)
    return [-float(log_p[i - 1, ids[i]]) for i in range(first, len(ids))]


class Check:
    def __init__(self):
        self.is_good = True
        self.worst = {}

    def near(self, name, found, expected, tolerance):
        difference = abs(found - expected)
        self.worst[name] = max(self.worst.get(name, 0), difference)
        if not difference <= tolerance:
            print(f"{name}: {found}, expected {expected}")
            self.is_good = False

    def equal(self, name, found, expected):
        if found != expected:
            print(f"{name}: {found!r}, expected {expected!r}")
            self.is_good = False


def main():
    path = sys.argv[1]
    folder, file = os.path.split(os.path.abspath(path))
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file)
    model = AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=file, dtype=torch.float32, attn_implementation="eager").eval()
    check = Check()

    def prompt_text(question):
        system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
        return (f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{question}<|im_end|>\n"
                "<|im_start|>assistant\n")

    encode = lambda text: tokenizer(text, add_special_tokens=False).input_ids
    found = cl_score(
        path, [{"prompt": q, "completion": a} for q, a in PAIRS], "--ifd", "--token-quantiles", "--answer",
        str(TOKENS))
    start = tokenizer.eos_token_id
    for (question, answer), score in zip(PAIRS, found):
        prompt = encode(prompt_text(question))
        target = encode(answer + "<|im_end|>\n")
        given = losses(model, prompt + target, len(prompt))
        alone = losses(model, [start] + target, 1)
        check.equal("targets", score["target_tokens"], len(target))
        check.near("nll", score["nll"], sum(given), 1e-3)
        check.near("alone_nll", score["alone_nll"], sum(alone), 1e-3)
        check.near("ifd_loss", score["ifd_loss"], sum(given) / sum(alone), 1e-4)
        gain = (sum(alone) - sum(given)) / len(given)
        check.near("alignment", score["alignment"], gain, 1e-4)
        check.near("ifd_ppl", score["ifd_ppl"], math.exp(-gain), 1e-4)
        ordered = sorted(given)
        for percent, name in [(5, "p5"), (50, "p50"), (95, "p95"), (100, "max")]:
            rank = max(1, -(-percent * len(ordered) // 100))
            check.near("token_nll", score["token_nll"][name], ordered[rank - 1], 1e-3)
        written = model.generate(
            input_ids=torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            max_new_tokens=TOKENS, do_sample=False, eos_token_id=tokenizer.all_special_ids, pad_token_id=0)
        text = tokenizer.decode(written[0][len(prompt):], skip_special_tokens=True)
        check.equal("answer", score["answer"], text)
    for template, space in [("auto", ""), ("none", " ")]:
        records = [{"prompt": q, "choices": [space + c for c in choices], "answer": answer}
                   for q, choices, answer in QUESTIONS]
        for record, score in zip(records, cl_score(path, records, "--chat-template", template)):
            prompt = record["prompt"] if template == "none" else prompt_text(record["prompt"])
            sums = []
            for choice in record["choices"]:
                ids = encode(prompt + choice)
                sums.append(sum(losses(model, ids, len(encode(prompt)))))
            for mine, theirs in zip(score["choices"]["nll"], sums):
                check.near("choices", mine, theirs, 1e-3)
            for name, size in [("picked", lambda c: 1), ("picked_norm", len),
                               ("picked_bytes", lambda c: len(c.encode()))]:
                ratios = [s / size(c) for s, c in zip(sums, record["choices"])]
                check.equal(name, score["choices"][name], ratios.index(min(ratios)))
    for name, difference in check.worst.items():
        print(f"{name:46s} largest difference {difference:.1e}")
    print("scoring with a model: " + ("ok" if check.is_good else "FAILED"))
    sys.exit(0 if check.is_good else 1)


main()
