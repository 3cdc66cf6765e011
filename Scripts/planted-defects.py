#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How well the quality of cl-score tells planted defects from clean text.

usage: planted-defects.py [--words 8:160] [--options "--quality-model self"] CORPUS.jsonl ...

CORPUS is JSON Lines with `text`, `prompt`/`completion`, or an HTML tree (a folder), whose sections are
the records. A record in ten gets each defect, five in ten stay clean; everything is scored in one run, as
a polluted corpus would be. Printed: the AUC of the quality between clean and defective records
(1 tells all of them, .5 none) and Spearman's correlation of the quality with the number of words among
the clean ones. Needs nothing but Python 3; every draw follows from the seed.
"""
import argparse
import html.parser
import json
import os
import random
import re
import subprocess
import sys
import tempfile

DEFECTS = ["repetition", "navigation", "symbols", "noise", "shuffle"]
NAVIGATION = """Home|About us|Contact|Log in|Register|Next >|< Previous|Privacy policy|Terms of use|Site map|Search|
Share on Facebook|Tweet this|Print this page|Back to top|Read more...|Subscribe|My account|Shopping cart (0)|Help|FAQ|
Careers|Copyright 2019|All rights reserved|Menu|Categories|Archives|Recent posts|Comments (3)|Leave a reply|Cookie settings|
Download|Sign up|Forgot password?|English|Deutsch|News|Products|Support|Forum|RSS|Follow us|Sitemap|Advertise|
Show all|Page 1 2 3 4|Sort by: date|Filter|Related articles""".replace("\n", "").split("|")


class Sections(html.parser.HTMLParser):
    """The sections of a page's main part, each without those inside it."""
    BLOCKS = {"p", "li", "dt", "dd", "pre", "h1", "h2", "h3", "h4", "tr", "div", "blockquote"}

    def __init__(self):
        super().__init__()
        self.stack, self.done, self.hidden = [], [], 0

    def handle_starttag(self, tag, attributes):
        if tag == "section":
            self.stack.append([])
        if tag in ("script", "style") or (tag == "a" and ("class", "headerlink") in attributes):
            self.hidden += 1
        if tag in self.BLOCKS and self.stack:
            self.stack[-1].append("\n")

    def handle_endtag(self, tag):
        if tag == "section" and self.stack:
            self.done.append("".join(self.stack.pop()))
        if tag in ("script", "style", "a") and self.hidden:
            self.hidden -= 1
        if tag in self.BLOCKS and self.stack:
            self.stack[-1].append("\n")

    def handle_data(self, data):
        if self.stack and not self.hidden:
            self.stack[-1].append(data)


def texts(path):
    if os.path.isdir(path):
        for folder, folders, names in sorted(os.walk(path)):
            folders.sort()
            for name in sorted(names):
                if name.endswith(".html") and not name.startswith(("genindex", "search")):
                    parser = Sections()
                    with open(os.path.join(folder, name), encoding="utf-8") as file:
                        parser.feed(file.read())
                    for text in parser.done:
                        yield re.sub(r"\n\s*\n+", "\n", text).strip()
        return
    with open(path, encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            yield record.get("text") or record.get("completion") or ""


def words_in_place(text, change):
    """The text with its words changed and every white space kept."""
    parts = re.split(r"(\s+)", text)
    words = change([part for part in parts if part and not part.isspace()])
    result = iter(words)
    return "".join(part if not part or part.isspace() else next(result) for part in parts)


def plant(text, defect, draw):
    """`text` with a defect, about as long."""
    words = text.split()
    if defect == "shuffle":
        # Punctuation and white space stay, so that only the order of words can tell.
        parts = re.split(r"([^\W_]+(?:['’-][^\W_]+)*)", text)
        parts[1::2] = draw.sample(parts[1::2], len(parts) // 2)
        return "".join(parts)
    if defect == "noise":
        letters = "abcdefghijklmnopqrstuvwxyz"
        return "".join(draw.choice(letters) if not character.isspace() and draw.random() < 0.15
                       else character for character in text)
    if defect == "symbols":
        def mark(word):
            if draw.random() >= 0.6:
                return word
            return "".join(draw.choice("0123456789#$%&*=+/|<>~^@") for _ in word)
        return words_in_place(text, lambda words: [mark(word) for word in words])
    if defect == "repetition":
        sentences = [s for s in re.split(r"(?<=[.!?])\s+", text) if len(s.split()) > 2] or [text]
        start = draw.randrange(len(sentences))
        kept, sentence = sentences[:start], sentences[start]
        while sum(len(s.split()) for s in kept) < len(words) or len(kept) < start + 3:
            kept.append(sentence)
        return " ".join(kept)
    kept, lines = words[: len(words) // 2], []
    while sum(len(line.split()) for line in lines) < len(words) - len(kept):
        lines.append(draw.choice(NAVIGATION))
    return "\n".join(lines[: len(lines) // 2] + [" ".join(kept)] + lines[len(lines) // 2:])


def ranks(values):
    order = sorted(range(len(values)), key=values.__getitem__)
    result, start = [0.0] * len(values), 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for index in order[start:end]:
            result[index] = (start + end + 1) / 2
        start = end
    return result


def area(clean, defective):
    """The chance that a clean record has the better quality (ties count half)."""
    both = ranks(clean + defective)
    total = sum(both[: len(clean)])
    return (total - len(clean) * (len(clean) + 1) / 2) / (len(clean) * len(defective))


def spearman(left, right):
    left, right = ranks(left), ranks(right)
    n = len(left)
    mean = (n + 1) / 2
    covariance = sum((a - mean) * (b - mean) for a, b in zip(left, right))
    spread = lambda values: sum((value - mean) ** 2 for value in values) ** 0.5
    return covariance / (spread(left) * spread(right) or 1)


def corpus(path, low, high, seed):
    """(kind, text) of every record, defects planted."""
    draw = random.Random(seed)
    chosen = [text for text in texts(path) if low <= len(text.split()) <= high]
    draw.shuffle(chosen)
    for index, text in enumerate(chosen):
        slot = index % 10
        kind = DEFECTS[slot] if slot < len(DEFECTS) else "clean"
        yield kind, text if kind == "clean" else plant(text, kind, draw)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--words", default="8:100000", help="only texts of so many words")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tool", default="cl-score")
    parser.add_argument("--options", default="--quality-model self")
    parser.add_argument("--write", help="write the planted corpus here and score nothing")
    parser.add_argument("--require", action="store_true", help="fail below the promised figures")
    parser.add_argument("corpus", nargs="+")
    options = parser.parse_args()
    low, high = map(int, options.words.split(":"))
    good = True
    for path in options.corpus:
        records = list(corpus(path, low, high, options.seed))
        lines = "".join(json.dumps({"text": text, "kind": kind}) + "\n" for kind, text in records)
        if options.write:
            with open(options.write, "w", encoding="utf-8") as file:
                file.write(lines)
            continue
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
            file.write(lines)
            file.flush()
            output = subprocess.run(
                [options.tool, *options.options.split(), "--quiet", file.name], check=True,
                stdout=subprocess.PIPE).stdout
        found = {}
        for line in output.splitlines():
            record = json.loads(line)
            score = record["cl_score"]
            found.setdefault(record["kind"], []).append((score["quality"], score["words"]))
        clean = [quality for quality, _ in found["clean"]]
        rho = spearman(clean, [words for _, words in found["clean"]])
        print(f"{path}: {len(records)} records of {options.words} words")
        for kind in DEFECTS:
            auc = area(clean, [quality for quality, _ in found[kind]])
            good &= auc >= (0.75 if kind == "shuffle" else 0.85)
            print(f"  AUC {kind:12s} {auc:.3f}")
        good &= abs(rho) <= 0.15
        print(f"  Spearman(quality, words) {rho:+.3f}", flush=True)
    if options.require and not good:
        sys.exit("planted-defects: below the promised figures")


if __name__ == "__main__":
    main()
