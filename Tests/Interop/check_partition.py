#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cl-partition beside flwr-datasets and scipy: python3 Tests/Interop/check_partition.py

1. Where flwr-datasets has the same method (Dirichlet over labels, IID, pathological, natural ids, shards) the counts of
   a client have the same distribution over many seeds: mean and variance of its share, and a two-sample KS test.
2. The indices of random plans are those that numpy and scipy make of the records: Jensen-Shannon, Hellinger, W1 in
   octaves and points, Gini, effective clients, the G-test.

Needs numpy, scipy, flwr-datasets; cl-partition on the PATH. No network.
"""
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import warnings

import numpy as np
from scipy import stats
from scipy.spatial.distance import jensenshannon


def check(what, ok, detail=""):
    print(f"{'ok' if ok else 'FAILED'}: {what} {detail}")
    if not ok:
        sys.exit(1)


def plan(path, *options):
    run = subprocess.run(["cl-partition", "--plan-only", path, *map(str, options)],
                         capture_output=True, text=True, check=True)
    return json.loads(run.stdout)


warnings.simplefilter("ignore", FutureWarning)

# 1. Distribution of counts --------------------------------------------------------------------------------------

CLASSES, CLIENTS, SEEDS = 6, 5, 250
SIZES = [120, 60, 200, 90, 150, 30]
LABELS = [f"c{index}" for index, size in enumerate(SIZES) for _ in range(size)]


def write_labels(folder):
    order = LABELS[:]
    random.Random(3).shuffle(order)
    path = folder / "labels.jsonl"
    path.write_text("".join(json.dumps({"text": "a b", "label": label}) + "\n" for label in order))
    return path, order


def ours_counts(path, seed, *options):
    found = plan(path, "--seed", seed, "--by", "label:label", "--split", "none", *options)
    return np.array(found["bins"]["counts"])


def theirs_counts(dataset, partitioner, clients):
    partitioner.dataset = dataset
    rows = []
    for client in range(clients):
        labels = partitioner.load_partition(client)["label"]
        rows.append([labels.count(f"c{index}") if isinstance(labels, list) else list(labels).count(f"c{index}")
                     for index in range(CLASSES)])
    return np.array(rows)


def alike(what, ours, theirs, floor=1e-4):
    """Two samples of a share: means by Welch's test, variances by Brown and Forsythe's, all by Kolmogorov and Smirnov's."""
    mean = stats.ttest_ind(ours, theirs, equal_var=False).pvalue
    spread = stats.levene(ours, theirs, center="median").pvalue
    shape = stats.ks_2samp(ours, theirs).pvalue
    check(f"{what}: the same distribution", min(mean, spread, shape) > floor,
          f"(mean {np.mean(ours):.4f} and {np.mean(theirs):.4f}, sd {np.std(ours):.4f} and {np.std(theirs):.4f}; "
          f"p {mean:.3f}, {spread:.3f}, {shape:.3f})")


def check_dirichlet(path, dataset):
    from flwr_datasets.partitioner import DirichletPartitioner
    for alpha in (0.1, 0.5, 5.0):
        ours, theirs = [], []
        for seed in range(SEEDS):
            ours.append(ours_counts(path, seed, "--clients", CLIENTS, "--alpha", alpha, "--min-records", 0))
            theirs.append(theirs_counts(
                dataset, DirichletPartitioner(CLIENTS, "label", alpha, min_partition_size=0, seed=seed), CLIENTS))
        ours, theirs = np.array(ours), np.array(theirs)
        check(f"dirichlet {alpha}: every record counted",
              (ours.sum(axis=1) == SIZES).all() and (theirs.sum(axis=1) == SIZES).all())
        # One cell a draw, so that the values of a sample are independent; the first client, as the last one of
        # theirs gets what rounding down leaves.
        for index in (0, 2):
            alike(f"dirichlet {alpha}, share of class {index}", ours[:, 0, index] / SIZES[index],
                  theirs[:, 0, index] / SIZES[index])
        total = sum(SIZES)
        alike(f"dirichlet {alpha}, size of a client", ours[:, 1].sum(axis=1) / total, theirs[:, 1].sum(axis=1) / total)
        largest = [np.sort(draw[:, :, 2], axis=1)[:, -1] / SIZES[2] for draw in (ours, theirs)]
        alike(f"dirichlet {alpha}, largest share of a class", *largest)


def check_others(path, dataset):
    from flwr_datasets.partitioner import NaturalIdPartitioner, PathologicalPartitioner, ShardPartitioner
    natural = NaturalIdPartitioner("label")
    natural.dataset = dataset
    sizes = sorted(len(natural.load_partition(client)) for client in range(CLASSES))
    found = plan(path, "--method", "natural:label", "--split", "none")
    check("natural ids: the same clients", sorted(client["records"] for client in found["clients"]) == sizes)
    # Both give a client 3 classes of 6; theirs may leave a class without an owner, ours does not.
    ours, theirs = [], []
    for seed in range(100):
        ours.append(ours_counts(path, seed, "--method", "pathological:3", "--clients", CLIENTS))
        theirs.append(theirs_counts(
            dataset, PathologicalPartitioner(CLIENTS, "label", 3, class_assignment_mode="random", seed=seed), CLIENTS))
    ours, theirs = np.array(ours), np.array(theirs)
    check("pathological: three classes a client", ((ours > 0).sum(axis=2) == 3).all() and ((theirs > 0).sum(axis=2) == 3).all())
    lost = (theirs.sum(axis=1) != SIZES).any(axis=1).mean()
    check("pathological: ours loses no class", (ours.sum(axis=1) == SIZES).all(), f"(theirs does in {lost:.0%} of draws)")
    ours, theirs = [], []
    for seed in range(100):
        ours.append((ours_counts(path, seed, "--method", "shards:2", "--clients", CLIENTS) > 0).sum(axis=1)[0])
        theirs.append((theirs_counts(
            dataset, ShardPartitioner(CLIENTS, "label", num_shards_per_partition=2, seed=seed), CLIENTS) > 0).sum(axis=1)[0])
    alike("shards, classes of a client", np.array(ours, float), np.array(theirs, float))


# 2. Indices ------------------------------------------------------------------------------------------------------

def entropy(weights):
    return stats.entropy(weights, base=2)


def reference(counts):
    """What Documentation/formats/plan.md defines, by scipy."""
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0].astype(float)
    total, weights = counts.sum(), counts.sum(axis=1) / counts.sum()
    mixtures = counts / counts.sum(axis=1, keepdims=True)
    common = weights @ mixtures
    gjs = entropy(common) - weights @ [entropy(row) for row in mixtures]
    freedom = (counts.shape[0] - 1) * (counts.shape[1] - 1)
    bias = freedom / (2 * total * np.log(2))
    # The deviance of independence.
    test = stats.chi2_contingency(counts, correction=False, lambda_="log-likelihood")
    return {"gjs": gjs, "bias": bias, "njs": max(0, gjs - bias) / entropy(weights),
            "hellinger": np.sqrt(weights @ [1 - np.sum(np.sqrt(row * common)) for row in mixtures]),
            "g": test.statistic, "df": test.dof, "p": test.pvalue}


def gini(amounts):
    amounts = np.asarray(amounts, float)
    count = len(amounts)
    return np.abs(amounts[:, None] - amounts[None, :]).sum() / (2 * count * amounts.sum()) * count / (count - 1)


def near(what, found, expected, relative=1e-9):
    check(what, abs(found - expected) <= relative * max(1e-3, abs(expected)), f"({found} and {expected})"
          if abs(found - expected) > relative * max(1e-3, abs(expected)) else "")


def check_indices(folder):
    draw = np.random.default_rng(7)
    methods = [["--by", "length", "--alpha", ".3"], ["--method", "iid"], ["--method", "rank:0.6", "--by", "quality"],
               ["--method", "only:length", "--alpha", ".2"], ["--method", "quantity", "--alpha", ".5"]]
    for number, method in enumerate(methods):
        count, clients = 400 + 150 * number, 3 + number
        length = np.exp(draw.normal(4, 1, count)).astype(int) + 1
        sentences = length // 12 + 1
        quality = draw.random(count).round(4)
        path = folder / f"indices-{number}.jsonl"
        path.write_text("".join(
            json.dumps({"text": f"r{index}", "cl_score": {
                "tokens": int(length[index]), "sentences": int(sentences[index]), "quality": float(quality[index])}}) + "\n"
            for index in range(count)))
        found = plan(path, "--clients", clients, "--split", "none", *method)
        annotated = subprocess.run(
            ["cl-partition", "--annotate", "--clients", str(clients), "--split", "none", *method, str(path)],
            capture_output=True, text=True, check=True).stdout
        client = np.array([int(json.loads(line)["cl_shard"]["client"]) for line in annotated.splitlines()])
        for axis, values in (("length", length), ("sentences", sentences), ("quality", quality)):
            entry = next(one for one in found["imbalance"]["axes"] if one["axis"] == axis)
            bins = np.digitize(values, entry["edges"])
            counts = np.array([[np.sum((client == k) & (bins == b)) for b in range(len(entry["edges"]) + 1)]
                               for k in range(clients)])
            check(f"{method}: counts of {axis}", (counts == np.array(entry["counts"])).all())
            for name, value in reference(counts).items():
                near(f"{method}: {axis} {name}", entry[name], value, 1e-6 if name == "p" else 1e-9)
            scaled = np.log2(1 + values) if axis != "quality" else values
            weights = np.bincount(client, minlength=clients) / count
            w1 = sum(weights[k] * stats.wasserstein_distance(scaled[client == k], scaled)
                     for k in range(clients) if weights[k] > 0)
            near(f"{method}: {axis} w1 in {entry['w1_unit']}", entry["w1"], w1)
        for entry in found["imbalance"]["quantity"]:
            amounts = np.array([one[entry["of"]] for one in found["clients"]], float)
            near(f"{method}: gini of {entry['of']}", entry["gini"], gini(amounts))
            near(f"{method}: effective clients by {entry['of']}", entry["effective_clients"],
                 np.exp(stats.entropy(amounts)))
    check_two_clients(folder)


def check_two_clients(folder):
    """For two clients of one size the divergence is the square of SciPy's Jensen-Shannon distance."""
    path = folder / "two.jsonl"
    draw = random.Random(2)
    path.write_text("".join(
        json.dumps({"text": "a " * draw.randrange(1, 60)}) + "\n" for _ in range(300)))
    entry = plan(path, "--clients", 2, "--method", "dirichlet-client", "--alpha", ".4", "--by", "length",
                 "--split", "none")["imbalance"]["axes"][0]
    first, second = np.array(entry["counts"], float)
    check("two clients of one size", first.sum() == second.sum())
    near("divergence of two clients", entry["gjs"], jensenshannon(first, second, base=2) ** 2)


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        check_indices(folder)
        import datasets
        datasets.disable_progress_bars()
        path, order = write_labels(folder)
        dataset = datasets.Dataset.from_dict({"label": order})
        check_dirichlet(path, dataset)
        check_others(path, dataset)
    print("cl-partition agrees with flwr-datasets and scipy")


if __name__ == "__main__":
    main()
