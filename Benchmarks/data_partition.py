#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cl-partition beside flwr-datasets, jq and Python loops, in pairs: python3 Benchmarks/data_partition.py [--quick]

Needs .venv/data (Scripts/data-peers.sh), jq, and cl-partition in .build/release. Corpora are made under
$BENCH_FOLDER (default /dev/shm, so that no disk is measured) and removed. MB/s are megabytes of input for each second of
processor time (user and system) of all threads, which another load of the machine disturbs less than a clock.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from pairs import Bench, ROOT, execute

CLI = ROOT / ".build/release/cl-partition"
PYTHON = ROOT / ".venv/data/bin/python"
PEER = [PYTHON, ROOT / "Benchmarks/Peers/partition_peer.py"]
MAKE = [sys.executable, ROOT / "Benchmarks/Peers/make_corpus.py"]
QUICK = "--quick" in sys.argv
# Sizes of the runs that show that memory is flat, in megabytes.
SIZES = [100, 300] if QUICK else [100, 1000, 3000]


def versions():
    code = "import flwr_datasets,datasets,orjson;from importlib.metadata import version as v;" \
        "print(v('flwr-datasets'),v('datasets'),v('orjson'))"
    flwr, datasets, orjson = subprocess.run(
        [PYTHON, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    jq = subprocess.run(["jq", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return {"flwr-datasets": flwr, "datasets": datasets, "orjson": orjson, "jq": jq}


def main():
    base = os.environ.get("BENCH_FOLDER", "/dev/shm")
    bench = Bench("data-partition", versions())
    with tempfile.TemporaryDirectory(dir=base, prefix="cl-bench.") as name:
        folder = pathlib.Path(name)
        measure(bench, folder)
    bench.finish()


def measure(bench, folder):
    corpus = folder / "corpus.jsonl"
    size = 30 if QUICK else 100
    execute([*MAKE, str(size), corpus])
    rate = lambda run: corpus.stat().st_size / 1e6 / run.cpu
    out, peer_out = folder / "ours", folder / "peer"
    hashed = ["--assign", "hash", "--clients", "8", "--alpha", ".5", "--split", "none", "-q", "-o", out, corpus]
    by_label = [CLI, "--by", "label:source", *hashed]
    repeats = 1 if QUICK else 3
    pairs = {"sha256sum (no partition)": ["sha256sum", corpus],
             "a Python loop, json": [*PEER, "json", corpus, peer_out, "8"],
             "a Python loop, orjson": [*PEER, "orjson", corpus, peer_out, "8"],
             "jq -c .source (no partition)": ["jq", "-c", ".source", corpus],
             "flwr-datasets DirichletPartitioner": [*PEER, "flwr", corpus, peer_out, "8"]}
    for what, peer in pairs.items():
        ratio = None if "no partition" in what else 2
        bench.pair(f"hash, -j 1, {size} MB beside {what}", ours=[*by_label, "-j", "1"], peer=peer, figure=rate,
                   unit="MB/s CPU", target=ratio, repeats=repeats)
        shutil.rmtree(peer_out, ignore_errors=True)
    for what, options, target in [
            ("hash by length, log2 bins", ["--by", "length", "--bins", "log2", *hashed, "-j", "1"], 250),
            ("hash, iid", ["--method", "iid", *hashed, "-j", "1"], 250),
            ("exact by length", ["--by", "length", *hashed[2:]], None),
            ("exact by length, zstd", ["--by", "length", "--compress", "zst", *hashed[2:]], None)]:
        shutil.rmtree(out, ignore_errors=True)
        bench.single(what, [CLI, *options], figure=rate, unit="MB/s CPU", target=target, better="higher",
                     repeats=repeats)
    shutil.rmtree(out, ignore_errors=True)
    for threads in ("2", "4"):
        bench.pair(f"hash: -j {threads} beside -j 1, by the clock", ours=[*by_label, "-j", threads],
                   peer=[*by_label, "-j", "1"], better="lower", repeats=2 * repeats)
    shutil.rmtree(out, ignore_errors=True)
    corpus.unlink()
    for megabytes in SIZES:
        memory(bench, folder, megabytes)


def memory(bench, folder, megabytes):
    corpus = folder / "corpus.jsonl"
    execute([*MAKE, str(megabytes), corpus])
    mib = lambda run: run.peak / 2**20
    for what, options in [("hash", ["--assign", "hash", "--by", "length", "--bins", "log2", "-j", "2"]),
                          ("exact", ["--by", "length"]), ("exact, only:length", ["--method", "only:length"])]:
        bench.single(f"{what}: peak memory at {megabytes} MB",
                     [CLI, *options, "--clients", "8", "-q", "-o", folder / "ours", corpus], figure=mib, unit="MiB",
                     target=256)
        shutil.rmtree(folder / "ours", ignore_errors=True)
    corpus.unlink()


if __name__ == "__main__":
    main()
