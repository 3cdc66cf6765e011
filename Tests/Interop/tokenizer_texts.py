# SPDX-License-Identifier: Apache-2.0
"""Texts to tokenize, from what the machine and Debian offer, and our own tokenizer as a command."""
import array
import glob
import gzip
import os
import random
import struct
import subprocess
import sys
import sysconfig


def foldoc(cache):
    """Entries of FOLDOC (English)."""
    path = os.path.join(cache, "../corpora/foldoc/usr/share/dictd/foldoc.dict.dz")
    with gzip.open(path) as file:
        return file.read().decode("utf-8", "replace").split("\n\n")


def code(limit):
    """Files of Python's library, cut at 8,000 characters."""
    texts, size = [], 0
    for path in sorted(glob.glob(sysconfig.get_paths()["stdlib"] + "/**/*.py", recursive=True)):
        with open(path, encoding="utf-8", errors="ignore") as file:
            text = file.read()
        texts += [text[start:start + 8000] for start in range(0, len(text), 8000)]
        size += len(text)
        if size > limit:
            break
    return texts


def languages(cache):
    """Names of countries, languages and scripts in more than a hundred languages (iso-codes)."""
    root = "/usr/share/locale"
    if not glob.glob(root + "/ar/LC_MESSAGES/iso_*.mo"):
        root = os.path.join(cache, "iso-codes/usr/share/locale")
    if not glob.glob(root + "/ar/LC_MESSAGES/iso_*.mo"):
        os.makedirs(cache + "/iso-codes", exist_ok=True)
        subprocess.run(["apt-get", "download", "-qq", "iso-codes"], cwd=cache, check=True)
        package = glob.glob(cache + "/iso-codes_*.deb")[0]
        subprocess.run(["dpkg-deb", "-x", package, cache + "/iso-codes"], check=True)
    texts = []
    for path in sorted(glob.glob(root + "/*/LC_MESSAGES/iso_*.mo")):
        strings = catalogue(path)
        texts += [" ".join(strings[start:start + 60]) for start in range(0, len(strings), 60)]
    return texts


def catalogue(path):
    """The translations in a .mo file."""
    with open(path, "rb") as file:
        data = file.read()
    count, _, table = struct.unpack_from("<III", data, 8)
    strings = []
    for index in range(1, count):
        length, offset = struct.unpack_from("<II", data, table + 8 * index)
        strings.append(data[offset:offset + length].decode("utf-8", "replace"))
    return strings


RANGES = [
    (0x20, 0x7E, 8), (0x00, 0x1F, 1), (0x7F, 0xFF, 2), (0x100, 0x24F, 1), (0x300, 0x36F, 1),
    (0x370, 0x3FF, 1), (0x400, 0x52F, 2), (0x590, 0x6FF, 3), (0x900, 0x97F, 2), (0xE00, 0xE7F, 1),
    (0x1100, 0x11FF, 1), (0x2000, 0x206F, 2), (0x2150, 0x218F, 1), (0x2580, 0x25FF, 1),
    (0x3000, 0x30FF, 3), (0x4E00, 0x9FA5, 6), (0xAC00, 0xD7A3, 3), (0xFB00, 0xFDFF, 1),
    (0xFF00, 0xFFEF, 1), (0x10330, 0x1034A, 1), (0x1D400, 0x1D7FF, 1), (0x1F300, 0x1F6FF, 4),
    (0x1F900, 0x1F9FF, 2), (0x20000, 0x2A6D6, 1), (0xE0020, 0xE007F, 1),
]


# Emoji of Unicode 15 and later, which PCRE2 10.42 does not know to be symbols.
NEW_EMOJI = {*range(0x1F6D8, 0x1F6DD), *range(0x1F6ED, 0x1F6F0), *range(0x1F6FD, 0x1F700)}


def assigned(start, end):
    """Characters that Unicode knew long ago, so that no two tables disagree about them."""
    import unicodedata
    old = unicodedata.ucd_3_2_0
    return [chr(c) for c in range(start, end + 1)
            if not 0xD800 <= c < 0xE000 and c not in NEW_EMOJI
            and (old.category(chr(c)) != "Cn" or c >= 0x1F300)]


def mixtures(size):
    """Runs of characters of all scripts, emoji and control characters, in no order."""
    generator = random.Random(20260102)
    alphabets = [assigned(start, end) for start, end, _ in RANGES]
    weights = [weight for _, _, weight in RANGES]
    texts = []
    while size > 0:
        parts = []
        for _ in range(generator.randint(1, 120)):
            alphabet = generator.choices(alphabets, weights)[0]
            parts.append("".join(generator.choice(alphabet) for _ in range(generator.randint(1, 9))))
            parts.append(generator.choice(["", "", " ", " ", "  ", "\n", "\n\n", "\t", "'s", "'LL", ", "]))
        texts.append("".join(parts))
        size -= len(texts[-1].encode())
    return texts


def corpus(cache):
    """At least 20 MB of mixed text, as documents."""
    texts = foldoc(cache) + code(9_000_000) + languages(cache) + mixtures(3_000_000)
    texts = [text for text in texts if text]
    random.Random(5).shuffle(texts)
    return texts


def write(texts, path):
    """The file that `cl-bench-tokenizers` reads."""
    with open(path, "wb") as file:
        for text in texts:
            data = text.encode()
            file.write(struct.pack("<I", len(data)) + data)


def encode(tokenizer, path, plain=False):
    """Our ids of each text in a file written by `write`."""
    command = ["cl-bench-tokenizers", "encode", tokenizer, path] + (["plain"] if plain else [])
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        raise RuntimeError(done.stderr.decode().strip() or f"status {done.returncode}")
    ids = array.array("i")
    ids.frombytes(done.stdout)
    if sys.byteorder == "big":
        ids.byteswap()
    result, offset = [], 0
    while offset < len(ids):
        count = ids[offset]
        result.append(ids[offset + 1:offset + 1 + count].tolist())
        offset += 1 + count
    return result
