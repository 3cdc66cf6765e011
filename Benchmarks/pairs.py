# SPDX-License-Identifier: Apache-2.0
"""Pairs of commands, measured in turn and quoted as a ratio.

Shared machines drift by tens of per cent within minutes, so a figure stands only beside a peer's from the
same minutes: the commands run A B A B ..., the ratio is taken pair by pair, and its median is what counts.

    bench = Bench("training")
    bench.pair("train float32, 8 x 256", ours=[...], peer=[...], figure=tokens_per_second,
               unit="tokens/s", target=2.4)
    bench.single("one example of 16,384 tokens", [...], figure=peak_gib, unit="GiB", target=3.0, better="lower")
    bench.finish()                # the table on stdout, the record in Benchmarks/Runs/

A figure is a function of the finished `Run`. `better="higher"` compares ours / peer, `better="lower"`
compares peer / ours, so that a ratio above 1 always speaks for us.
"""
import dataclasses
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


@dataclasses.dataclass
class Run:
    """One finished process: seconds, peak memory in bytes, what it wrote."""

    wall: float
    cpu: float
    peak: int
    stdout: str
    stderr: str

    def last_json(self):
        """The last line of the standard output that is a JSON object."""
        for line in reversed(self.stdout.splitlines()):
            if line.startswith("{"):
                return json.loads(line)
        raise ValueError(f"no JSON object in {self.stdout[-500:]!r}")


def wall_seconds(run):
    return run.wall


def peak_gib(run):
    return run.peak / 2**30


def execute(command, stdin=None, env=None, timeout=900):
    """Runs one command; its own resources are read from the kernel when it is reaped."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        source = open(stdin, "rb") if stdin else subprocess.DEVNULL
        begin = time.monotonic()
        child = subprocess.Popen(
            [str(part) for part in command], stdin=source, stdout=out, stderr=err,
            env={**os.environ, **(env or {})}, cwd=ROOT)
        try:
            status, usage = wait(child, timeout)
        finally:
            if stdin:
                source.close()
        wall = time.monotonic() - begin
        out.seek(0), err.seek(0)
        text, errors = out.read().decode(errors="replace"), err.read().decode(errors="replace")
    if status != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: status {status}\n{errors[-2000:]}")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, text, errors)


def wait(child, timeout):
    deadline = time.monotonic() + timeout
    while True:
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            child.returncode = os.waitstatus_to_exitcode(status)
            return child.returncode, usage
        if time.monotonic() > deadline:
            child.kill()
            os.wait4(child.pid, 0)
            raise TimeoutError(f"{child.args[0]}: over {timeout} s")
        time.sleep(0.002)


class Bench:
    """The rows of one run, with what is needed to read them later: machine, commit, versions."""

    def __init__(self, name, versions=None):
        self.name = name
        self.rows = []
        self.versions = versions or {}

    def pair(self, what, ours, peer, figure=wall_seconds, peer_figure=None, unit="s", target=None,
             better="higher", repeats=3, warmup=0, **options):
        """Runs ours and peer in turn `repeats` times; `figure` reads both unless `peer_figure` is given."""
        mine, theirs = [], []
        for index in range(warmup + repeats):
            a, b = execute(ours, **options), execute(peer, **options)
            if index >= warmup:
                mine.append((figure(a), a))
                theirs.append(((peer_figure or figure)(b), b))
        ratios = [a / b if better == "higher" else b / a for (a, _), (b, _) in zip(mine, theirs)]
        row = {
            "what": what, "unit": unit, "better": better, "target": target,
            "ours": statistics.median(a for a, _ in mine), "peer": statistics.median(b for b, _ in theirs),
            "ratio": statistics.median(ratios), "ratios": ratios,
            "ours_peak_bytes": max(run.peak for _, run in mine),
            "peer_peak_bytes": max(run.peak for _, run in theirs),
            "ours_command": [str(part) for part in ours], "peer_command": [str(part) for part in peer],
        }
        return self.add(row)

    def single(self, what, command, figure=wall_seconds, unit="s", target=None, better="lower", repeats=1,
               **options):
        """A figure of ours alone, held against a fixed target of the machine (memory, a share of its peak)."""
        runs = [execute(command, **options) for _ in range(repeats)]
        row = {
            "what": what, "unit": unit, "better": better, "target": target,
            "ours": statistics.median(map(figure, runs)),
            "ours_peak_bytes": max(run.peak for run in runs), "ours_command": [str(part) for part in command],
        }
        return self.add(row)

    def add(self, row):
        self.rows.append(row)
        print(self.line(row), flush=True)
        return row

    @staticmethod
    def met(row):
        if row.get("target") is None:
            return None
        if "ratio" in row:
            return row["ratio"] >= row["target"]
        return row["ours"] >= row["target"] if row["better"] == "higher" else row["ours"] <= row["target"]

    @classmethod
    def line(cls, row):
        number = lambda value: "" if value is None else f"{value:.4g}"
        verdict = {True: "yes", False: "no", None: ""}[cls.met(row)]
        gib = lambda key: f"{row[key] / 2**30:.2f}" if key in row else ""
        return (f"| {row['what']} | {number(row['ours'])} | {number(row.get('peer'))} | {row['unit']} | "
                f"{number(row.get('ratio'))} | {number(row['target'])} | {verdict} | "
                f"{gib('ours_peak_bytes')} | {gib('peer_peak_bytes')} |")

    HEADER = ("| what | ours | peer | unit | ratio | to reach | reached | our peak GiB | peer's peak GiB |\n"
              "|---|---|---|---|---|---|---|---|---|")

    def finish(self):
        print("\n" + self.HEADER)
        for row in self.rows:
            print(self.line(row))
        folder = ROOT / "Benchmarks" / "Runs"
        folder.mkdir(parents=True, exist_ok=True)
        moment = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H%M")
        path = folder / f"{moment}-{self.name}.json"
        record = {"bench": self.name, "date": moment, "command": " ".join(sys.argv), **machine(),
                  "versions": self.versions, "rows": self.rows}
        # What is recorded should read the same on any machine: folders of this one become relative.
        path.write_text(json.dumps(record, indent=1).replace(str(ROOT) + "/", "") + "\n")
        print(f"\nrecorded in {path.relative_to(ROOT)}")


def machine():
    """Processor, cores, memory, system, commit and load, as far as the kernel tells."""
    processor = ""
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            processor = line.split(":", 1)[1].strip()
            break
    git = lambda *arguments: subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    return {
        "processor": processor, "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", platform.system()),
        "kernel": platform.release(), "load_at_end": os.getloadavg()[0],
        "commit": git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain") else ""),
    }
