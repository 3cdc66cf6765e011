#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cl-aggregate beside numpy and PEFT's algorithm, in pairs: python3 Benchmarks/aggregation.py [--quick]

Needs numpy, safetensors and torch; cl-aggregate from .build/release. Adapters are made once in
.cache/aggregation (1.5 GB; a tenth with --quick) and read from the page cache.
"""
import pathlib
import sys

from pairs import Bench, ROOT, peak_gib

CLI = ROOT / ".build/release/cl-aggregate"
PEER = [sys.executable, ROOT / "Benchmarks/Peers/aggregate.py"]
QUICK = "--quick" in sys.argv
FOLDER = ROOT / ".cache" / "aggregation"


def milliseconds(run):
    """What cl-aggregate says under -v, or a peer's JSON: reading and computing, without start-up."""
    for line in run.stderr.splitlines():
        if "computed in" in line:
            return float(line.split("computed in")[1].split()[0])
    return run.last_json()["milliseconds"]


def main():
    import subprocess
    layers = 2 if QUICK else 16
    subprocess.run([*PEER, "make", FOLDER, str(layers)], check=True)
    bench = Bench("aggregation")
    small = sorted(FOLDER.glob(f"l{layers}-*.safetensors"))
    result = FOLDER / "result.safetensors"
    ours = [CLI, "-v", "-j", "2", "--weights", "uniform", *small, "-o", result]
    bench.pair(f"fedavg of {len(small)} adapters: computing", ours=ours,
               peer=[*PEER, "fedavg", *small], figure=milliseconds, unit="ms", target=4, better="lower",
               repeats=5, warmup=1)
    bench.single("fedavg: computing", ours, figure=milliseconds, unit="ms", target=60, repeats=5)
    mapped = sum(path.stat().st_size for path in small) / 2**30
    bench.single("fedavg: peak memory beyond mapped inputs", ours,
                 figure=lambda run: peak_gib(run) - mapped, unit="GiB", target=0.1)
    bench.single("fedavg with --report: all", [*ours, "--report", "/dev/null"],
                 figure=lambda run: run.cpu, unit="s CPU", target=13)
    large = sorted(FOLDER.glob("svd-*.safetensors"))
    bench.pair("svd of 32 adapters, 4096 x 4096 and 11008 x 4096, per layer",
               ours=[CLI, "-v", "-j", "2", "--rule", "svd", "--rank", "16", "--weights", "uniform", *large,
                     "-o", result],
               peer=[*PEER, "svd", *large], figure=milliseconds, unit="ms", target=50, better="lower",
               repeats=1 if QUICK else 2)
    many = sorted(FOLDER.glob("many-*.safetensors"))
    # Their claims have no counts.
    rules = {"krum": 3, "multi-krum": 3, "geometric-median": 3, "median": None, "trimmed-mean": None}
    for rule, target in rules.items():
        bench.pair(f"{rule} on {len(many)} clients beside a pass and the Gram matrix",
                   ours=[CLI, "-v", "-j", "2", "--rule", rule, *(["--weights", "uniform"] if rule == "geometric-median" else []),
                         *many, "-o", result],
                   peer=[CLI, "-v", "-j", "2", "--rule", "krum", *many, "-o", result],
                   figure=milliseconds, unit="ms", better="lower",
                   target=1 / target if target else None, repeats=2)
    bench.finish()


if __name__ == "__main__":
    main()
