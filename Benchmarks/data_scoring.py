#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cl-score without a model, on one core and on two: beside datatrove's Gopher filters and jq, and against fixed rates.

    python3 Benchmarks/data_scoring.py [MODEL.gguf]

Figures are megabytes of JSON Lines (FOLDOC, 12,014 records, several times over) a second of processor time, so
that a busy machine changes them less; linearity is wall time. datatrove is looked for in .venv/bench-data
(`Scripts/bench-peers.sh` makes it).
"""
import pathlib
import shutil
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "Benchmarks"))
from pairs import Bench, execute  # noqa: E402

TOOL = ROOT / ".build" / "release" / "cl-score"
CACHE = ROOT / ".cache"
MODEL = CACHE / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
INDEX = CACHE / "corpora" / "foldoc" / "usr" / "share" / "dictd" / "foldoc.index"
PEER = ROOT / ".venv" / "bench-data" / "bin" / "python"
GOPHER = ROOT / "Benchmarks" / "Peers" / "datatrove_gopher.py"
MEGABYTE = 1e6


def corpus(copies):
    """FOLDOC `copies` times as one file, made once."""
    path = CACHE / "bench" / f"foldoc-{copies}.jsonl"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        # Nothing is held here: the kernel counts a parent's memory at the start of its children.
        part = path.with_suffix(".part")
        execute([TOOL, "--signals", "none", "--quiet", INDEX, "-o", part])
        with open(path, "wb") as file:
            for _ in range(copies):
                with open(part, "rb") as source:
                    shutil.copyfileobj(source, file)
        part.unlink()
    return path


def main():
    model = sys.argv[1] if len(sys.argv) > 1 else MODEL
    small, large = corpus(1), corpus(10)
    bench = Bench("data-scoring")
    rate = lambda path: lambda run: path.stat().st_size / MEGABYTE / run.cpu

    def score(path, *options, threads=1):
        return [TOOL, f"-j{threads}", "--quiet", "-o", "/dev/null", *options, path]

    bench.single("quality signals, white-space words, one core", score(large), rate(large), "MB/s", 25, "higher", 3)
    bench.single("quality signals, SmolLM2's tokenizer, one core", score(large, "--tokenizer", model), rate(large),
                 "MB/s", 8, "higher", 3)
    bench.single("quality model learnt from the corpus, one core", score(large, "--quality-model", "self"),
                 rate(large), "MB/s", None, "higher", 1)
    bench.single("near-duplicates, one core", score(large, "--signals", "none", "--duplicates", "near"), rate(large),
                 "MB/s", None, "higher", 1)
    bench.single("memory, ten times the corpus, two threads", score(large, "--tokenizer", model, threads=2),
                 lambda run: run.peak / 2**20, "MiB", 256)
    bench.pair("two threads against one, wall time", score(large, threads=2), score(large), repeats=3,
               better="lower", target=1.7)
    if PEER.exists():
        theirs = lambda run: run.last_json()["bytes"] / MEGABYTE / run.last_json()["seconds"]
        bench.pair("Gopher's rules; peer: datatrove", score(small, "--signals", "gopher,repetition"),
                   [PEER, GOPHER, small, "completion"], rate(small), theirs, "MB/s", 20, repeats=1)
    if shutil.which("jq"):
        bench.pair("count words; peer: jq", score(large, "--signals", "none"),
                   ["jq", "-c", '. + {words: (.completion | split("\\\\s+"; null) | length)}', large], rate(large),
                   rate(large), "MB/s", 1, repeats=1)
    bench.finish()


main()
