# SPDX-License-Identifier: Apache-2.0
"""Training and scoring beside transformers and PEFT, and the limits that no peer sets.

    python3 Benchmarks/training.py [--quick] [--only WORD] [--minutes N] [--venv DIR]

Needs `make build bench-peers`. Both sides get the same token ids from the same file. Tokens per second are real
tokens over the time of a step, the first one left out; memory is the process's largest resident size.
`--quick` keeps the most important rows, `--only` those whose name contains WORD; when `--minutes` have passed,
the rows that are left are named and not measured.
"""
import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import time

from pairs import ROOT, Bench, peak_gib

CACHE = ROOT / ".cache" / "bench"
MODEL = ROOT / ".cache" / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
CORPUS = ROOT / ".cache" / "corpora" / "foldoc" / "usr" / "share" / "dictd" / "foldoc.index"
BIN = ROOT / ".build" / "release"
PEER_MODEL, PEER_1B, OUR_1B = CACHE / "smollm2", "synthetic-1b", CACHE / "synthetic-1b"
LOG, ADAPTER = CACHE / "events.jsonl", CACHE / "adapter.safetensors"
VOCABULARY = 49152
DTYPES = {"float32": "f32", "bf16": "bf16"}


# --- records -------------------------------------------------------------------------------------

def write_records(name, lengths, vocabulary=VOCABULARY):
    """Random token ids of these lengths, every position a target, as a file that both sides read."""
    path = CACHE / f"{name}.jsonl"
    chance = random.Random(0)
    with open(path, "w") as out:
        for length in lengths:
            out.write(json.dumps({"input_ids": [chance.randrange(100, vocabulary) for _ in range(length)]}) + "\n")
    return path


def lognormal_lengths(count):
    chance = random.Random(0)
    return [min(1024, max(32, int(chance.lognormvariate(5.2, 0.8)))) for _ in range(count)]


def foldoc_records(count):
    """Prompt and completion of FOLDOC entries in the model's chat format; completions are the targets."""
    path = CACHE / "foldoc.jsonl"
    lines = subprocess.run(
        [BIN / "cl-score", "-q", "--tokenizer", MODEL, "--emit-ids", "--signals", "none", CORPUS],
        check=True, capture_output=True, text=True).stdout.splitlines()
    chosen = random.Random(0).sample(lines, count)
    with open(path, "w") as out:
        for line in chosen:
            record = json.loads(line)
            out.write(json.dumps({"input_ids": record["input_ids"], "labels": record["labels"]}) + "\n")
    return path


# --- the two sides -------------------------------------------------------------------------------

def train(records, batch, steps=4, precision="float32", model=MODEL, context=2048, extra=()):
    return [BIN / "cl-train", "--model", model, "--rank", "16", "--batch-records", str(batch), "--steps",
            str(steps), "--order", "as-is", "--schedule", "constant", "--warmup", "0", "--context",
            str(context), "--precision", DTYPES[precision], "--log", LOG, "-o", ADAPTER, *extra, records]


def score(records, precision="float32", extra=()):
    return [BIN / "cl-score", "--model", MODEL, "--signals", "none", "--precision", DTYPES[precision], "-o",
            "/dev/null", *extra, records]


def events():
    return [json.loads(line) for line in open(LOG)]


def our_rate(run=None, lines=None):
    """Tokens a second of the steps after the first one (of it, if it is alone)."""
    steps = [line for line in lines or events() if line["type"] == "step"]
    steps = steps[1:] or steps
    if len({step["tokens"] for step in steps}) == 1:
        return steps[0]["tokens"] / statistics.median(step["seconds"] for step in steps)
    return sum(step["tokens"] for step in steps) / sum(step["seconds"] for step in steps)


def peer_rate(run):
    return run.last_json()["tokens_per_second"]


class Training:
    """The rows of the benchmark, each a method; a row that cannot run says why and the next one follows."""

    def __init__(self, choice):
        self.choice = choice
        self.deadline = time.monotonic() + 60 * choice.minutes
        self.python = pathlib.Path(choice.venv) / "bin" / "python"
        versions = subprocess.run(
            [self.python, "-c", "import torch, transformers, peft; print(torch.__version__, "
             "transformers.__version__, peft.__version__)"], capture_output=True, text=True).stdout.split()
        self.bench = Bench("training", dict(zip(["torch", "transformers", "peft"], versions)))
        # Products' best rate, GFLOP/s, by precision: what the roofline stands on.
        self.rates = {}
        self.profiles = {}

    def peer(self, records, batch, precision="float32", steps=2, model=PEER_MODEL, extra=()):
        return [self.python, ROOT / "Benchmarks" / "Peers" / "peer_lora.py", "--model", model, "--batch",
                str(batch), "--records", records, "--dtype", DTYPES[precision], "--steps", str(steps), *extra]

    def wanted(self, what, quick):
        if not (quick or not self.choice.quick) or self.choice.only not in what:
            return False
        if time.monotonic() < self.deadline:
            return True
        self.missing(what, f"{self.choice.minutes} minutes had passed")
        return False

    def missing(self, what, reason):
        self.bench.rows.append({"what": f"{what}: not measured", "reason": reason, "ours": None, "unit": "",
                                "target": None, "better": "higher"})
        print(f"{what}: not measured: {reason}", file=sys.stderr, flush=True)

    def attempt(self, what, body):
        try:
            return body()
        except (RuntimeError, TimeoutError, OSError, ValueError, subprocess.SubprocessError) as error:
            self.missing(what, str(error)[-600:])
            return None

    def pair(self, what, ours, peer, target, repeats=2, quick=False, memory=None, timeout=400, figure=our_rate,
             peer_figure=peer_rate):
        """A row of speed; with `memory` another one: the peer's peak over ours, and what it should be."""
        if not self.wanted(what, quick):
            return None

        def body():
            last = []

            def rate(run):
                if figure is our_rate:
                    last[:] = events()
                return figure(run)

            row = self.bench.pair(
                what, ours=ours, peer=peer, figure=rate, peer_figure=peer_figure, unit="tokens/s",
                target=target, repeats=repeats, timeout=timeout)
            if last:
                row["seconds_by_part"] = last[-1]["seconds_by_part"]
                row["flops"], row["tokens"] = last[-1]["flops"], last[-1]["tokens"]
            if memory:
                self.bench.add({
                    "what": f"{what}: peak memory", "unit": "GiB", "better": "lower", "target": memory,
                    "ours": row["ours_peak_bytes"] / 2**30, "peer": row["peer_peak_bytes"] / 2**30,
                    "ratio": row["peer_peak_bytes"] / row["ours_peak_bytes"]})
            return row

        return self.attempt(what, body)

    def single(self, what, command, figure, unit, target, better, quick=False, timeout=400):
        if self.wanted(what, quick):
            self.attempt(what, lambda: self.bench.single(
                what, command, figure=figure, unit=unit, target=target, better=better, timeout=timeout))

    # --- rows ------------------------------------------------------------------------------------

    def product_rates(self):
        """The best rate of a product of the model, measured in this run."""
        for precision, name in DTYPES.items():
            def body():
                lines = subprocess.run(
                    [BIN / "cl-bench-kernels", "--json", "--precision", name, "--only", "135m " + name + " linear"],
                    check=True, capture_output=True, text=True, timeout=300).stdout.splitlines()
                kernels = [line for line in map(json.loads, lines) if line["type"] == "kernel"]
                if not kernels:
                    raise ValueError("no products in this precision")
                best = max(kernels, key=lambda kernel: kernel["rate"])
                self.rates[precision] = best["rate"]
                self.bench.add({
                    "what": f"{precision} products over the shapes of the model", "unit": "of peak",
                    "better": "higher", "target": 0.85 if name == "f32" else 0.8,
                    "ours": statistics.median(kernel["share"] for kernel in kernels),
                    "best_gflops": best["rate"], "peak_gflops": best["best"]})
            what = f"{precision} products"
            if self.wanted(what, True):
                self.attempt(what, body)

    def roofline(self, row, what, precision):
        """Our share of what the products' rate would allow if nothing else took time."""
        if row is None or precision not in self.rates:
            return
        limit = row["tokens"] * self.rates[precision] * 1e9 / row["flops"]
        self.bench.add({
            "what": f"{what}: share of the roofline", "unit": f"of {limit:.0f} tokens/s", "better": "higher",
            "target": 0.8, "ours": row["ours"] / limit})

    def full_batches(self):
        records = write_records("8x256", [256] * 32)
        long = write_records("1x2048", [2048] * 4)
        goals = {"float32": (2.4, 2.0, 2.6), "bf16": (2.2, 1.75, 2.5)}
        for precision, (peft, best, one) in goals.items():
            what = f"train {precision}, 8 x 256"
            row = self.pair(what, train(records, 8, precision=precision), self.peer(records, 8, precision),
                            peft, quick=True)
            self.roofline(row, what, precision)
            what = f"train {precision}, 1 x 2048"
            row = self.pair(
                what, train(long, 1, precision=precision, extra=["--memory", "1.2GiB" if precision == "float32"
                                                                 else "0.92GiB"]),
                self.peer(long, 1, precision), one, repeats=1, memory=5, quick=True)
            self.roofline(row, what, precision)
            what = f"train {precision}, 8 x 256, PEFT compiled"
            self.pair(what, train(records, 8, precision=precision),
                      self.peer(records, 8, precision, extra=["--compile"]), best, repeats=1)
        self.single("train float32, 8 x 256, --memory 700MiB",
                    train(records, 8, steps=2, extra=["--memory", "700MiB"]), lambda run: run.peak / 2**20, "MiB",
                    700, "lower", quick=True)

    def mixed_lengths(self):
        records = write_records("mixed", lognormal_lengths(32))
        for precision in DTYPES:
            self.pair(f"train {precision}, lengths of 32 to 1024, batches of 8",
                      train(records, 8, steps=3, precision=precision), self.peer(records, 8, precision), 6, repeats=1,
                      quick=precision == "bf16")
        what = "train float32, FOLDOC prompts and completions, batches of 8"
        if self.wanted(what, False):
            text = self.attempt(what, lambda: foldoc_records(48))
            if text:
                self.pair(what, train(text, 8, steps=5), self.peer(text, 8, steps=4), None, repeats=1)

    def billion(self):
        records = write_records("2x256-1b", [256] * 8, vocabulary=128256)
        for precision, goal in {"float32": 2.2, "bf16": 1.4}.items():
            self.pair(f"train {precision}, 1B Llama of random weights, 2 x 256",
                      train(records, 2, steps=3, precision=precision, model=OUR_1B),
                      self.peer(records, 2, precision, steps=1, model=PEER_1B), goal, repeats=1)

    def long_examples(self):
        records = write_records("1x8192", [8192])
        # One step each: it is long enough, and the peer's takes a minute.
        self.pair("train bf16, one example of 8192",
                  train(records, 1, steps=1, precision="bf16", context=8192, extra=["--memory", "2.7GiB"]),
                  self.peer(records, 1, "bf16", steps=1, extra=["--warmup", "0"]), 3, repeats=1, memory=6)
        records = write_records("1x16384", [16384])
        self.single("train bf16, one example of 16384, --memory 2.9GiB",
                    train(records, 1, steps=1, precision="bf16", context=16384, extra=["--memory", "2.9GiB"]),
                    peak_gib, "GiB", 3, "lower")

    def scoring(self):
        count = 128
        records = write_records("score", [256] * count)
        peers = write_records("score-peer", [256] * 24)
        tokens = count * 256
        for precision, goal in {"float32": 2.2, "bf16": 1.9}.items():
            # Start-up is in our time, not in the peer's.
            self.pair(f"score {precision}, 8 x 256", score(records, precision),
                      self.peer(peers, 8, precision, extra=["--mode", "score"]), goal,
                      figure=lambda run: tokens / run.wall, quick=True)

    def clients(self):
        """Two clients with a thread each beside one with two threads: speed in sum, and memory as they share it."""
        what = "two clients, one thread each, beside one with two"
        if not self.wanted(what, True):
            return
        records = write_records("8x256", [256] * 32)

        def run(count, threads, *extra):
            logs = [CACHE / f"client-{index}.jsonl" for index in range(count)]
            commands = [
                [*train(records, 8, extra=["-j", str(threads), *extra]), "--log", log, "-o", CACHE / f"client-{index}"]
                for index, log in enumerate(logs)]
            # A later --log and -o win over the earlier ones.
            children = [subprocess.Popen([str(part) for part in command]) for command in commands]
            peak = 0
            while any(child.poll() is None for child in children):
                peak = max(peak, sum(proportional_bytes(child.pid) for child in children))
                time.sleep(0.1)
            if any(child.returncode for child in children):
                raise RuntimeError("a client failed")
            lines = [[json.loads(line) for line in open(log)] for log in logs]
            return sum(our_rate(lines=line) for line in lines), peak

        def body():
            rounds = [(run(1, 2), {"": run(2, 1), ", --memory 600MiB each": run(2, 1, "--memory", "600MiB")})
                      for _ in range(2)]
            for limit in rounds[0][1]:
                pairs = [(one, twos[limit]) for one, twos in rounds]
                self.bench.add({
                    "what": what + limit, "unit": "tokens/s", "better": "higher", "target": 1.0,
                    "ours": statistics.median(two[0] for _, two in pairs),
                    "peer": statistics.median(one[0] for one, _ in pairs),
                    "ratio": statistics.median(two[0] / one[0] for one, two in pairs)})
                two, one = max(two[1] for _, two in pairs), max(one[1] for one, _ in pairs)
                self.bench.add({
                    "what": f"{what}{limit}: memory (PSS)", "unit": "GiB", "better": "lower", "target": 2.0,
                    "ours": two / 2**30, "peer": one / 2**30, "ours_over_one": two / one})

        self.attempt(what, body)

    def precision(self):
        """Fifty steps on real text in both precisions: the largest difference of a step's loss."""
        what = "bf16 losses beside float32, 50 steps on FOLDOC, largest difference"
        if not self.wanted(what, False):
            return

        def body():
            text = foldoc_records(200)
            steps = {}
            for name in DTYPES:
                # A rate at which the loss really moves.
                subprocess.run(list(map(str, train(text, 4, steps=50, precision=name,
                                                   extra=["--learning-rate", "1e-3", "-q"]))), check=True)
                steps[name] = [line for line in events() if line["type"] == "step"]
            pairs = list(zip(steps["bf16"], steps["float32"]))
            first = pairs[0]
            self.bench.add({
                "what": what, "unit": "of the loss", "better": "lower", "target": 0.01,
                "ours": max(abs(a["loss"] / b["loss"] - 1) for a, b in pairs),
                "mean": statistics.mean(abs(a["loss"] / b["loss"] - 1) for a, b in pairs),
                "gradient_norm_of_step_1": abs(first[0]["gradient_norm"] / first[1]["gradient_norm"] - 1),
                "losses": {name: [line["loss"] for line in steps[name]] for name in DTYPES}})

        self.attempt(what, body)

    def scaling(self):
        for length in [256, 1024, 4096]:
            records = write_records(f"scale-{length}", [length] * (6144 // length or 1))
            count = max(1, 2048 // length)
            self.single(f"scaling: float32, {count} x {length}",
                        train(records, count, steps=2, context=length), our_rate, "tokens/s", None, "higher")
        records = write_records("8x256", [256] * 32)
        for rank in [4, 64]:
            self.single(f"scaling: float32, 8 x 256, rank {rank}",
                        train(records, 8, steps=2, extra=["--rank", str(rank)]), our_rate, "tokens/s", None, "higher")
        self.single("scaling: float32, 8 x 256, one thread", train(records, 8, steps=2, extra=["-j", "1"]),
                    our_rate, "tokens/s", None, "higher")
        self.single("scaling: float32, 8 x 256, the top 4 layers alone",
                    train(records, 8, steps=2, extra=["--layers", "26-29"]), our_rate, "tokens/s", None, "higher")

    def start(self):
        """From exec to the first product, tokenizer included: a record of text, a step of few tokens."""
        record = CACHE / "short.jsonl"
        record.write_text(json.dumps({"text": "One short record."}) + "\n")
        self.single("from exec to the first product", train(record, 1, steps=1),
                    lambda run: events()[-1]["startup_seconds"], "s", 0.3, "lower", quick=True)


def proportional_bytes(pid):
    try:
        for line in open(f"/proc/{pid}/smaps_rollup"):
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--minutes", type=float, default=35)
    parser.add_argument("--venv", default=ROOT / ".venv" / "bench")
    choice = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    rows = Training(choice)
    for part in [rows.product_rates, rows.start, rows.full_batches, rows.scoring, rows.mixed_lengths, rows.clients,
                 rows.billion, rows.long_examples, rows.precision, rows.scaling]:
        part()
    rows.bench.finish()
    print(f"took {(time.monotonic() - begin) / 60:.1f} minutes, load now {os.getloadavg()[0]:.1f}")


main()
