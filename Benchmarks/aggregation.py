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


def largest_difference(path, spectra):
    """Of a balanced result: sigma_j is the length of B's column j times that of A's row j."""
    import numpy
    from safetensors.numpy import load_file
    tensors, largest = load_file(path), 0
    for module, expected in spectra.items():
        stem = f"base_model.model.{module}.lora_"
        found = numpy.linalg.norm(tensors[stem + "B.weight"].astype(float), axis=0) * numpy.linalg.norm(
            tensors[stem + "A.weight"].astype(float), axis=1)
        largest = max(largest, max(abs(a - b) / b for a, b in zip(found, expected)))
    return largest


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
    bench.single("fedavg: processor time, start and writing included", ours, figure=lambda run: run.cpu,
                 unit="s CPU", repeats=5)
    bench.single("fedavg: computing", ours, figure=milliseconds, unit="ms", target=60, repeats=5)
    mapped = sum(path.stat().st_size for path in small) / 2**30
    bench.single("fedavg: peak memory beyond mapped inputs", ours,
                 figure=lambda run: peak_gib(run) - mapped, unit="GiB", target=0.1)
    bench.single("fedavg with --report: all", [*ours, "--report", "/dev/null"],
                 figure=lambda run: run.cpu, unit="s CPU", target=13)
    large = sorted(FOLDER.glob("svd-*.safetensors"))
    spectra = []

    def dense(run):
        spectra.append(run.last_json()["singular_values"])
        return milliseconds(run)

    bench.pair("svd of 32 adapters, 4096 x 4096 and 11008 x 4096, per layer",
               ours=[CLI, "-v", "-j", "2", "--rule", "svd", "--rank", "16", "--weights", "uniform", *large,
                     "-o", result],
               peer=[*PEER, "svd", *large], figure=milliseconds, peer_figure=dense, unit="ms", target=50,
               better="lower", repeats=1 if QUICK else 2)
    bench.add({"what": "svd: largest difference from the dense singular values", "unit": "of the value",
               "better": "lower", "target": 1e-4, "ours": largest_difference(result, spectra[-1])})
    many = sorted(FOLDER.glob("many-*.safetensors"))
    # Krum reads all once, makes the Gram matrix, and copies one. Processor time, which neighbours disturb least.
    for rule in ["multi-krum", "geometric-median", "clip", "median", "trimmed-mean", "bulyan"]:
        # Claims of these adapters have no counts; the others take all clients alike.
        weights = ["--weights", "uniform"] if rule in ("geometric-median", "clip") else []
        bench.pair(f"{rule} on {len(many)} clients beside a pass and the Gram matrix",
                   ours=[CLI, "-j", "2", "--rule", rule, *weights, *many, "-o", result],
                   peer=[CLI, "-j", "2", "--rule", "krum", *many, "-o", result],
                   figure=lambda run: run.cpu, unit="s CPU", better="lower", target=1 / 3, repeats=3)
    bench.finish()


if __name__ == "__main__":
    main()
