#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every rule of cl-aggregate against dense numpy and scipy, written from the papers' formulas.

Needs numpy, scipy and safetensors, and cl-aggregate on the PATH.
"""
import json
import os
import subprocess
import tempfile

import numpy as np
import scipy.linalg
import scipy.stats

import adapters as lib

TOLERANCE = 2e-6  # factors are float32
N, RANK, ALPHA = 9, 4, 8
SCALE = ALPHA / RANK


def clients(generator, folder, ranks=None, common=None, **claims):
    ranks = ranks or [RANK] * N
    factors = []
    for rank in ranks:
        own = lib.tensors(generator, rank)
        if common is not None:
            own = {m: (common[m][0], own[m][1]) for m in own}
        factors.append(own)
    paths = [lib.write(os.path.join(folder, f"c{i}.safetensors"), f, f"{i:02}", alpha=2 * ranks[i],
                       records=10 * (i + 1), **claims) for i, f in enumerate(factors)]
    return factors, paths


def report(label, error, bound=TOLERANCE):
    assert error <= bound, f"{label}: {error:.2e} above {bound:.0e}"
    print(f"{label}: within {error:.1e}")


def mean(items, weights):
    return {m: sum(w * item[m] for w, item in zip(weights, items)) for m in lib.MODULES}


def factorwise(function, factors):
    """`function` of the stacked values of A and of B, apart."""
    return {m: tuple(function(np.stack([f[m][side].astype(np.float64) for f in factors]))
                     for side in (0, 1)) for m in lib.MODULES}


def distance(found, expected):
    top = max(np.abs(found[m][side] - expected[m][side]).max() for m in expected for side in (0, 1))
    return top / max(np.abs(expected[m][side]).max() for m in expected for side in (0, 1))


def truncated(matrix, rank):
    u, s, v = scipy.linalg.svd(matrix, full_matrices=False)
    return u[:, :rank] * s[:rank] @ v[:rank]


def flat(update):
    return np.concatenate([update[m].ravel() for m in lib.MODULES])


def krum_scores(vectors, hostile):
    squares = np.array([[((x - y) ** 2).sum() for y in vectors] for x in vectors])
    return [np.sort(np.delete(row, i))[:max(1, len(vectors) - hostile - 2)].sum()
            for i, row in enumerate(squares)]


def check(folder):
    generator = np.random.default_rng(7)
    factors, paths = clients(generator, folder)
    weights = np.arange(1, N + 1) / np.arange(1, N + 1).sum()
    updates = [lib.products(f, {m: SCALE for m in f}) for f in factors]
    exact = mean(updates, weights)
    vectors = [flat(update) for update in updates]

    found = lib.aggregate(paths, folder)
    report("fedavg", distance(found[0], factorwise(lambda x: np.tensordot(weights, x, 1), factors)))
    found = lib.aggregate(paths, folder, "--rule", "stack")
    report("stack", lib.relative(lib.products(*found), exact))
    for rank in (1, 4, 10, 30):
        found = lib.aggregate(paths, folder, "--rule", "svd", "--rank", str(rank))
        report(f"svd, rank {rank}", lib.relative(
            lib.products(*found), {m: truncated(exact[m], rank) for m in exact}), 1e-5)
    residual = os.path.join(folder, "residual.safetensors")
    found = lib.aggregate(paths, folder, "--rule", "fedex", "--residual", residual)
    rest = lib.products(*lib.read(residual))
    report("fedex and its residual", lib.relative(
        {m: lib.products(*found)[m] + rest[m] for m in rest}, exact))

    found = lib.aggregate(paths, folder, "--rule", "median")
    report("median", distance(found[0], factorwise(lambda x: np.median(x, axis=0), factors)))
    found = lib.aggregate(paths, folder, "--rule", "trimmed-mean", "--trim", "0.25")
    report("trimmed-mean", distance(found[0], factorwise(lambda x: scipy.stats.trim_mean(x, 0.25), factors)))

    order = np.argsort(krum_scores(vectors, 3))
    found = lib.aggregate(paths, folder, "--rule", "krum", "--hostile", "3")
    report("krum", lib.relative(lib.products(*found), updates[order[0]]))
    found = lib.aggregate(paths, folder, "--rule", "multi-krum", "--hostile", "3", "--rank", "40")
    report("multi-krum", lib.relative(
        lib.products(*found), mean([updates[i] for i in order[:6]], [1 / 6] * 6)), 1e-5)

    left, picked = list(range(N)), []
    while len(picked) < N - 2:
        best = int(np.argmin(krum_scores([vectors[i] for i in left], 1)))
        picked.append(left.pop(best))
    chosen = [factors[i] for i in picked]

    def near_median(stack):
        order = np.argsort(np.abs(stack - np.median(stack, axis=0)), axis=0, kind="stable")
        return np.take_along_axis(stack, order[:N - 4], axis=0).mean(axis=0)

    found = lib.aggregate(paths, folder, "--rule", "bulyan", "--hostile", "1")
    report("bulyan", distance(found[0], factorwise(near_median, chosen)))

    norms = np.array([np.linalg.norm(v) for v in vectors])
    share = weights * np.minimum(1, np.median(norms) / norms)
    found = lib.aggregate(paths, folder, "--rule", "clip", "--rank", "40")
    report("clip", lib.relative(lib.products(*found), mean(updates, share)), 1e-5)
    z = np.full(N, 1 / N)
    for _ in range(100):
        centre = sum(c * v for c, v in zip(z, vectors))
        z = 1 / np.maximum(1e-6 * np.median(norms), [np.linalg.norm(centre - v) for v in vectors])
        z /= z.sum()
    found = lib.aggregate(paths, folder, "--rule", "geometric-median", "--weights", "uniform", "--rank", "40")
    report("geometric-median", lib.relative(lib.products(*found), mean(updates, z)), 1e-5)

    found = lib.aggregate(paths, folder, "--rule", "fair", "--ridge", "0.05")
    bar = factorwise(lambda x: np.tensordot(weights, x, 1), factors)
    fair = {}
    for m, (a, b) in bar.items():
        level = 0.05 * min(1, (a ** 2).sum() / RANK)
        rest = exact[m] / SCALE - b @ a
        fair[m] = (a, b + rest @ a.T @ np.linalg.inv(a @ a.T + level * np.eye(RANK)))
    report("fair", distance(found[0], fair), 1e-5)

    def ties(stack):
        count = int(0.3 * stack[0].size)
        kept = [np.where(np.abs(x) >= np.sort(np.abs(x).ravel())[-count], x, 0) for x in stack]
        total = sum(w * x for w, x in zip(weights, kept))
        agree = [(np.sign(x) == np.sign(total)) & (x != 0) for x in kept]
        top = sum(w * x * k for w, x, k in zip(weights, kept, agree))
        return top / np.maximum(sum(w * k for w, k in zip(weights, agree)), 1e-300)

    found = lib.aggregate(paths, folder, "--rule", "ties", "--density", "0.3")
    report("ties", distance(found[0], factorwise(ties, factors)))

    check_common(folder, generator, weights)
    check_ranks(folder, generator, weights)
    check_parent(folder, generator)


def check_common(folder, generator, weights):
    """Rules of one trained factor: exact, and the peers' pseudo-inverse trick is not."""
    start = lib.tensors(generator)
    factors, paths = clients(generator, folder, common=start, trained="B")
    exact = mean([lib.products(f, {m: SCALE for m in f}) for f in factors], weights)
    for rule in ("ffa", "alternate"):
        found = lib.aggregate(paths, folder, "--rule", rule)
        report(f"{rule} is exact", lib.relative(lib.products(*found), exact))
    personal = os.path.join(folder, "personal")
    lib.aggregate(paths, folder, "--rule", "share-a", "--personal", personal)
    for i, own in enumerate(factors):
        a, b = lib.read(os.path.join(personal, f"{i:02}.safetensors"))[0][lib.MODULES[0]]
        assert np.allclose(b, own[lib.MODULES[0]][1]) and np.allclose(a, start[lib.MODULES[0]][0])
    print("share-a: each client keeps its B")


def check_ranks(folder, generator, weights):
    ranks = [1, 2, 3, 4, 5, 6, 2, 4, 6]
    factors, paths = clients(generator, folder, ranks=ranks)
    updates = [lib.products(f, {m: 2.0 for m in f}) for f in factors]
    exact = mean(updates, weights)
    for rule, bound in (("stack", TOLERANCE), ("svd", None)):
        found = lib.aggregate(paths, folder, "--rule", rule)
        expected = exact if bound else {m: truncated(exact[m], 6) for m in exact}
        report(f"{rule}, mixed ranks", lib.relative(lib.products(*found), expected), bound or 1e-5)
    norms = np.array([np.linalg.norm(flat(update)) for update in updates])
    for rule, shares in (("hetlora", norms / norms.sum()), ("segment", weights)):
        found, _ = lib.aggregate(paths, folder, "--rule", rule)
        for m in lib.MODULES:
            a = np.zeros((6, found[m][0].shape[1]))
            b = np.zeros((found[m][1].shape[0], 6))
            for row in range(6):
                have = [i for i in range(N) if ranks[i] > row]
                total = sum(shares[i] for i in have) if rule == "segment" else 1
                a[row] = sum(shares[i] * np.sqrt(2) * factors[i][m][0][row] for i in have) / total
                b[:, row] = sum(shares[i] * np.sqrt(2) * factors[i][m][1][:, row] for i in have) / total
            report(f"{rule}, {m}", distance({m: found[m]}, {m: (a, b)}))


def check_parent(folder, generator):
    """FedNova, and the diagnostics of the report."""
    parent_factors = lib.tensors(generator)
    parent = lib.write(os.path.join(folder, "parent.safetensors"), parent_factors, None)
    name = lib.digest(parent)
    steps = [2, 3, 5, 8]
    factors = [lib.tensors(generator) for _ in steps]
    paths = [lib.write(os.path.join(folder, f"n{i}.safetensors"), f, f"{i}", parent=name, steps=steps[i])
             for i, f in enumerate(factors)]
    found, _ = lib.aggregate(paths, folder, "--rule", "fednova", "--weights", "uniform", "--parent", parent)
    average = np.mean(steps)
    expected = {m: tuple(parent_factors[m][s] + average * sum(
        (f[m][s].astype(np.float64) - parent_factors[m][s]) / t for f, t in zip(factors, steps)) / 4
        for s in (0, 1)) for m in lib.MODULES}
    report("fednova", distance(found, expected))

    line = subprocess.run(["cl-aggregate", "-q", *paths, "--weights", "uniform", "-o",
                           os.path.join(folder, "g"), "--report", "-"], check=True, capture_output=True).stdout
    event = json.loads(line)
    vectors = [flat(lib.products(f, {m: SCALE for m in f})) for f in factors]
    total = sum(vectors) / 4
    for i, client in enumerate(event["clients"]):
        others = (total - vectors[i] / 4) / 0.75
        cosine = lambda x, y: x @ y / np.linalg.norm(x) / np.linalg.norm(y)
        assert abs(client["norm"] / np.linalg.norm(vectors[i]) - 1) < 1e-6
        assert abs(client["cosine"] - cosine(vectors[i], total)) < 1e-6
        assert abs(client["agreement"] - cosine(vectors[i], others)) < 1e-6
        change = np.linalg.norm(total - others) / np.linalg.norm(total)
        assert abs(client["leave_one_out"] / change - 1) < 1e-6
        for j in range(i):
            assert abs(event["cosines"][i][j] - cosine(vectors[i], vectors[j])) < 1e-5
            assert abs(event["distances"][i][j] / np.linalg.norm(vectors[i] - vectors[j]) - 1) < 1e-5
    found, scales = lib.read(os.path.join(folder, "g"))
    for entry in event["modules"]:
        values = np.linalg.svd(lib.products(found, scales)[entry["module"]], compute_uv=False)[:RANK]
        assert np.allclose(entry["singular_values"], values, rtol=1e-5)
        share = values / values.sum()
        assert abs(entry["effective_rank"] - np.exp(-(share * np.log(share)).sum())) < 1e-4
    print("report: norms, cosines, distances, leave-one-out, singular values, effective ranks")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        check(place)
