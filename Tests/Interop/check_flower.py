#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cl-aggregate against Flower's strategies on the same arrays, where both mean the same; and what Flower
makes of hostile clients, which cl-aggregate refuses.

Needs flwr, numpy and safetensors, and cl-aggregate on the PATH.
"""
import os
import subprocess
import tempfile

import numpy as np
from flwr.common import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import strategy as flower

import adapters as lib

TOLERANCE = 1e-6


def record(factors):
    return ArrayRecord({lib.names(m)[side]: Array(np.asarray(f[side])) for m, f in factors.items()
                        for side in (0, 1)})


def replies(factors, examples):
    result = []
    for node, (f, count) in enumerate(zip(factors, examples)):
        content = RecordDict({"arrays": record(f), "metrics": MetricRecord({"num-examples": count})})
        ask = Message(RecordDict({"config": ConfigRecord()}), dst_node_id=node + 1, message_type="train")
        ask.metadata.__dict__["_message_id"] = f"m{node}"
        result.append(Message(content, reply_to=ask))
    return result


def run(strategy, factors, examples, turn=1):
    arrays, _ = strategy.aggregate_train(turn, replies(factors, examples))
    return None if arrays is None else {name: array.numpy() for name, array in arrays.items()}


def compare(label, found, expected):
    worst = max(np.abs(found[m][side] - expected[lib.names(m)[side]]).max()
                for m in found for side in (0, 1))
    scale = max(np.abs(value).max() for value in expected.values())
    assert worst <= TOLERANCE * scale, f"{label}: {worst / scale:.2e}"
    print(f"{label}: within {worst / scale:.1e} of Flower's")


def check(folder):
    generator = np.random.default_rng(3)
    count = 11
    centre = lib.tensors(generator)
    # Near one another, so that distances of products and of factors order clients alike; two far away.
    factors = []
    for i in range(count):
        noise = lib.tensors(generator, size=(0.01 + 0.004 * i) if i < 9 else 4.0)
        factors.append({m: tuple((centre[m][s] + noise[m][s]).astype(np.float32) for s in (0, 1))
                        for m in centre})
    examples = [10 * (i + 1) for i in range(count)]
    paths = [lib.write(os.path.join(folder, f"f{i:02}.safetensors"), f, f"{i:02}", records=examples[i])
             for i, f in enumerate(factors)]

    def ours(*options):
        return lib.aggregate(paths, folder, *options)[0]

    compare("FedAvg", ours(), run(flower.FedAvg(), factors, examples))
    compare("FedMedian", ours("--rule", "median"), run(flower.FedMedian(), factors, examples))
    for trim in (0.2, 0.1):
        compare(f"FedTrimmedAvg, {trim}", ours("--rule", "trimmed-mean", "--trim", str(trim)),
                run(flower.FedTrimmedAvg(beta=trim), factors, examples))
    compare("Krum", ours("--rule", "krum", "--hostile", "2"),
            run(flower.Krum(num_malicious_nodes=2), factors, examples))
    # Flower picks once; the paper picks anew. With two clients far away both pick the same seven.
    compare("Bulyan", ours("--rule", "bulyan", "--hostile", "2"),
            run(flower.Bulyan(num_malicious_nodes=2), factors, examples))
    check_optimizers(folder, generator)
    check_hostile(folder, factors[:6])


def check_optimizers(folder, generator):
    kinds = {
        "fedadam": lambda: flower.FedAdam(eta=0.05, beta_1=0.8, beta_2=0.95, tau=0.01),
        "fedyogi": lambda: flower.FedYogi(eta=0.05, beta_1=0.8, beta_2=0.95, tau=0.01),
        "fedadagrad": lambda: flower.FedAdagrad(eta=0.05, tau=0.01),
        "fedavgm": lambda: flower.FedAvgM(server_learning_rate=0.05, server_momentum=0.8),
    }
    for kind, make in kinds.items():
        strategy = make()
        parent = lib.tensors(generator)
        state = os.path.join(folder, f"{kind}.state")
        flags = ["--server-optimizer", kind, "--server-convention", "flower", "--state", state,
                 "--server-learning-rate", "0.05"]
        flags += ["--server-momentum", "0.8"] if kind != "fedadagrad" else []
        flags += ["--server-beta2", "0.95"] if kind in ("fedadam", "fedyogi") else []
        flags += ["--server-tau", "0.01"] if kind != "fedavgm" else []
        for turn in (1, 2, 3):
            # Flower takes the arrays of the round from configure_train.
            strategy.current_arrays = (
                record(parent) if kind == "fedavgm"
                else {name: array.numpy() for name, array in record(parent).items()})
            start = lib.write(os.path.join(folder, "start.safetensors"), parent, None)
            name = lib.digest(start)
            factors = [{m: tuple((parent[m][s] + 0.1 * lib.tensors(generator)[m][s]).astype(np.float32)
                                 for s in (0, 1)) for m in parent} for _ in range(3)]
            paths = [lib.write(os.path.join(folder, f"o{i}.safetensors"), f, f"{i}", parent=name,
                               records=10 + i) for i, f in enumerate(factors)]
            found, _ = lib.aggregate(paths, folder, "--parent", start, *flags)
            expected = run(strategy, factors, [10, 11, 12], turn)
            compare(f"{kind}, round {turn}", found, expected)
            parent = {m: tuple(f.astype(np.float32) for f in found[m]) for m in found}


def check_hostile(folder, factors):
    """One client of seven sends NaN, infinity, a huge value, another shape or a huge claim."""
    honest = [lib.write(os.path.join(folder, f"h{i}.safetensors"), f, f"{i}", records=10)
              for i, f in enumerate(factors)]
    expected, _ = lib.aggregate(honest, folder)
    first = lib.MODULES[0]
    for label, value, claim in [("NaN", np.nan, 10), ("infinity", np.inf, 10), ("1e30", 1e30, 10),
                                ("1e9 records", None, 10 ** 9)]:
        bad = {m: tuple(x.copy() for x in f) for m, f in factors[0].items()}
        if value is not None:
            bad[first][1][0, 0] = value
        else:
            bad = {m: tuple(x + 5 for x in f) for m, f in bad.items()}
        path = lib.write(os.path.join(folder, "bad.safetensors"), bad, "x", records=claim,
                         tokens=10 ** 11, target_tokens=10)
        theirs = run(flower.FedAvg(), factors + [bad], [10] * 6 + [claim])
        error = np.abs(theirs[lib.names(first)[1]][0, 0] - expected[first][1][0, 0])
        assert not error < 0.5, label  # Flower's mean is gone
        found = lib.aggregate([*honest, path], folder, "--min-clients", "6", "--max-norm", "10x")[0]
        assert all((found[m][s] == expected[m][s]).all() for m in found for s in (0, 1)), label
        print(f"one client with {label}: Flower's mean is off by {error:.2g}, ours not at all")
    # The median of Flower passes a NaN through; ours refuses the client.
    bad = {m: tuple(x.copy() for x in f) for m, f in factors[0].items()}
    bad[first][1][0, 0] = np.nan
    assert np.isnan(run(flower.FedMedian(), factors + [bad], [10] * 7)[lib.names(first)[1]][0, 0])
    # Too few for Bulyan: Flower skips the round in silence, ours ends with a status of its own.
    assert run(flower.Bulyan(num_malicious_nodes=2), factors, [10] * 6) is None
    status = subprocess.run(["cl-aggregate", "-q", *honest, "--rule", "bulyan", "--hostile", "2", "-o",
                             os.path.join(folder, "none")], capture_output=True).returncode
    assert status == 75, status
    print("FedMedian passes NaN, Bulyan skips a round of too few in silence; ours refuses both")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        check(place)
