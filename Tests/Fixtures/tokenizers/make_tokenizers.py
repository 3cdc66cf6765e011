#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the tokenizers of this folder and what Hugging Face `tokenizers` computes with them.

    pip install tokenizers==0.23.3 sentencepiece==0.2.3
    python make_tokenizers.py

Each NAME/tokenizer.json is a small tokenizer trained on the sentences below; lines.json holds the
texts, NAME/expected.json their ids, first with special tokens parsed, then as plain text. Those that
SentencePiece trained (NAME/tokenizer.model) have ids of plain text alone.
"""
import base64
import io
import json
import os
import random

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

HERE = os.path.dirname(os.path.abspath(__file__))

CORPUS = [
    "The miller's daughter counted 12 sacks, then 345 more; they're heavier than last year's.",
    "It's late, I'm tired, we've walked, you'll see, he'd agree, and she didn't answer.",
    "def add(left, right):\n    return left + right\n\n\tprint(add(2, 3))  # five\n",
    "Der Müller zählte die Säcke, während draußen der Regen über die Dächer lief.",
    "Élève, garçon, déjà vu: où est passé le café? Ça va très bien.",
    "Мельник считал мешки, и дождь шёл над крышами.",
    "北の国から来た人は、静かに山を見ていた。山は高い。",
    "the the the then there these those thing nothing something everything counting",
    "walked walking walks talked talking talks answer answered answering",
    "🙂 rain and 🌧️ again; 100% of 2,048 tokens … — “quoted” text",
] * 3

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def byte_level(**options):
    return pre_tokenizers.ByteLevel(add_prefix_space=False, **options)


def split(pattern):
    return pre_tokenizers.Split(Regex(pattern), behavior="isolated", invert=False)


def train(pre_tokenizer, normalizer=None, full_alphabet=True, **model):
    tokenizer = Tokenizer(models.BPE(**model))
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer:
        tokenizer.normalizer = normalizer
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet()) if full_alphabet else []
    trainer = trainers.BpeTrainer(
        vocab_size=620 if full_alphabet else 420, special_tokens=SPECIAL,
        initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return json.loads(tokenizer.to_str())


def added(content, token_id, **flags):
    entry = dict(id=token_id, content=content, single_word=False, lstrip=False, rstrip=False,
                 normalized=False, special=False)
    entry.update(flags)
    return entry


def smollm():
    digits = pre_tokenizers.Digits(individual_digits=True)
    definition = train(pre_tokenizers.Sequence([digits, byte_level()]))
    # Old files write merges as one string.
    definition["model"]["merges"] = [" ".join(pair) for pair in definition["model"]["merges"]]
    return definition


def gpt2():
    """A prefix space, bytes that the vocabulary lacks, fused unknown tokens."""
    definition = train(
        pre_tokenizers.ByteLevel(add_prefix_space=True), full_alphabet=False,
        unk_token="<|endoftext|>", fuse_unk=True)
    return definition


def llama3():
    """Merges that are ignored for whole pieces, a beginning token, stripping added tokens."""
    definition = train(pre_tokenizers.Sequence([split(LLAMA3), byte_level(use_regex=False)]))
    vocabulary = definition["model"]["vocab"]
    for whole in ["Ġunreachable", "miller", "Zq"]:
        vocabulary.setdefault(whole, len(vocabulary))
    definition["model"]["ignore_merges"] = True
    size = len(vocabulary)
    definition["added_tokens"] += [
        added("<left>", size, lstrip=True),
        added("<right>", size + 1, rstrip=True, special=True),
        added("<both>", size + 2, lstrip=True, rstrip=True),
        added("<word>", size + 3, single_word=True),
        added("mid", size + 4, single_word=True),
        added("<le", size + 5),
        added("  ", size + 6),
    ]
    definition["post_processor"] = {
        "type": "Sequence",
        "processors": [
            {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False,
             "use_regex": True},
            {"type": "TemplateProcessing",
             "single": [{"SpecialToken": {"id": "<|im_start|>", "type_id": 0}},
                        {"Sequence": {"id": "A", "type_id": 0}}],
             "pair": [{"Sequence": {"id": "A", "type_id": 0}},
                      {"Sequence": {"id": "B", "type_id": 1}}],
             "special_tokens": {"<|im_start|>": {
                 "id": "<|im_start|>", "ids": [1], "tokens": ["<|im_start|>"]}}},
        ],
    }
    return definition


def qwen2():
    """Composition, and added tokens matched in the normalized text."""
    definition = train(
        pre_tokenizers.Sequence([split(QWEN2), byte_level(use_regex=False)]), normalizers.NFC())
    size = len(definition["model"]["vocab"])
    definition["added_tokens"] += [
        added("cafe\u0301", size, normalized=True),
        added("\u00e9lan", size + 1, normalized=False),
        added("<norm>", size + 2, normalized=True, lstrip=True, special=True),
        added("tool", size + 3, normalized=True, single_word=True),
    ]
    return definition


UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
PREFIX = r"[^\r\n\p{L}\p{N}]?"
CASED_TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def tekken():
    """Words parted before capitals."""
    pattern = f"{PREFIX}{UPPER}*{LOWER}+|{PREFIX}{UPPER}+{LOWER}*" + r"|\p{N}" + CASED_TAIL
    return train(pre_tokenizers.Sequence([split(pattern), byte_level(use_regex=False)]))


def gpt4o():
    suffix = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    pattern = (f"{PREFIX}{UPPER}*{LOWER}+{suffix}|{PREFIX}{UPPER}+{LOWER}*{suffix}"
               + r"|\p{N}{1,3}" + CASED_TAIL)
    return train(pre_tokenizers.Sequence([split(pattern), byte_level(use_regex=False)]))


def qwen35():
    pattern = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}"
               r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
    return train(pre_tokenizers.Sequence([split(pattern), byte_level(use_regex=False)]))


def expressions():
    """Expressions that no scanner knows, and a text; merged, removed and contiguous."""
    sequence = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(r"\p{N}{1,3}(?=(?:\p{N}{3})*\b)"), "isolated"),
        pre_tokenizers.Split("ing", "merged_with_previous"),
        pre_tokenizers.Split("wal", "merged_with_next"),
        pre_tokenizers.Split(Regex(r"[!?]"), "contiguous"),
        pre_tokenizers.Split(Regex(r"^x|\w+$"), "isolated"),
        pre_tokenizers.Split(Regex(r"[\w\s.,'<>|]+"), "removed", invert=True),
        pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=True)])
    return train(sequence)


def characters(pre_tokenizer, normalizer=None, **model):
    """BPE over characters."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", **model))
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer:
        tokenizer.normalizer = normalizer
    trainer = trainers.BpeTrainer(
        vocab_size=420, special_tokens=["<unk>", "<s>", "</s>"], limit_alphabet=100,
        show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return json.loads(tokenizer.to_str())


def with_bytes(definition):
    model = definition["model"]
    for byte in range(256):
        if isinstance(model["vocab"], dict):
            model["vocab"][f"<0x{byte:02X}>"] = len(model["vocab"])
        else:
            model["vocab"].append([f"<0x{byte:02X}>", -30.0])
    model["byte_fallback"] = True
    return definition


def llama2_legacy():
    """A space before every stretch of text, written by the normalizer; a stripping token."""
    definition = with_bytes(characters(pre_tokenizers.Metaspace(), fuse_unk=True))
    definition["pre_tokenizer"] = None
    definition["normalizer"] = {"type": "Sequence", "normalizers": [
        {"type": "Prepend", "prepend": "\u2581"},
        {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]}
    definition["post_processor"] = {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 1],
                                    "trim_offsets": True, "add_prefix_space": False}
    size = len(definition["model"]["vocab"])
    definition["added_tokens"] += [
        added("<|im_end|>", size, special=True, rstrip=True),
        added("<norm>", size + 1, special=True, normalized=True)]
    return definition


def llama2_new():
    """A space before the first stretch of text only."""
    definition = llama2_legacy()
    definition["normalizer"] = None
    definition["pre_tokenizer"] = {
        "type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": False}
    return definition


def metaspace():
    """Unknown characters, one token each."""
    return characters(pre_tokenizers.Metaspace(prepend_scheme="always"))


def words():
    """Unicode normalization, and pre-tokenizers that leave things out."""
    return characters(
        pre_tokenizers.Sequence([
            pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation("merged_with_previous"),
            pre_tokenizers.Digits()]),
        normalizers.Sequence([
            normalizers.Strip(), normalizers.Nmt(), normalizers.NFD(), normalizers.Lowercase(),
            normalizers.StripAccents(), normalizers.Replace(Regex(r"the+"), "th")]))


def unigram(**options):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=400, special_tokens=["<unk>", "<s>", "</s>"], unk_token="<unk>",
        show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return json.loads(tokenizer.to_str())


def unigram_bytes():
    return with_bytes(unigram())


def sentencepiece_model(**options):
    model = io.BytesIO()
    lines = [line for text in CORPUS for line in text.split("\n") if line.strip()]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, vocab_size=520, minloglevel=2,
        character_coverage=0.98,
        hard_vocab_limit=False, num_threads=1, **options)
    return model.getvalue()


SMALL_RULES = [("\uff21", "A"), ("\ufb01", "fi"), ("\u00bd", "1/2"), ("\u3000", " "), ("\u00a0", " "),
               ("\t", " "), ("\r", " "), ("\n", " "), ("\u200b", ""), ("e\u0301", "\u00e9"),
               ("\u0001", "")]


def small_rules():
    """A table of replacements, in SentencePiece's text form; the full ones have 200 KB."""
    path = os.path.join(HERE, "rules.tsv")
    with open(path, "w") as file:
        for source, target in SMALL_RULES:
            file.write(" ".join(f"{ord(c):x}" for c in source) + "\t"
                       + " ".join(f"{ord(c):x}" for c in target) + "\n")
    return path


def precompiled():
    """The same table inside a tokenizer.json."""
    definition = unigram()
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(SENTENCEPIECE["unigram-model"]())
    table = base64.b64encode(proto.normalizer_spec.precompiled_charsmap).decode()
    definition["normalizer"] = {"type": "Precompiled", "precompiled_charsmap": table}
    return definition


SENTENCEPIECE = {
    "bpe-model": lambda: sentencepiece_model(
        model_type="bpe", normalization_rule_name="identity", byte_fallback=True,
        remove_extra_whitespaces=False),
    "bpe-model-symbols": lambda: sentencepiece_model(
        model_type="bpe", normalization_rule_tsv=small_rules(),
        user_defined_symbols=["<left>", "ing", "\u2581\u2581"]),
    "unigram-model": lambda: sentencepiece_model(
        model_type="unigram", normalization_rule_tsv=small_rules(), byte_fallback=True),
    "unigram-model-suffix": lambda: sentencepiece_model(
        model_type="unigram", normalization_rule_name="identity", user_defined_symbols=["the", "<left>"],
        treat_whitespace_as_suffix=True),
}

TOKENIZERS = [
    smollm, gpt2, llama3, qwen2, qwen35, tekken, gpt4o, expressions, llama2_legacy, llama2_new, metaspace,
    words, unigram, unigram_bytes, precompiled,
]


def lines():
    fixed = [
        "", " ", "a", "  a", "a  ", "\n", "\n\n\n", " \n ", "\t", "\t\tx", "\r\n", "x\r\ny\rz\n",
        "a \n b", "a\n  b", "a   \n\n   b", "   leading", "trailing   ", "1", "12", "123", "1234567",
        "  12  34", "x=1;y=22;", "3.14159", "1,000,000", "\u00bd\u00be \u00b2 \u2167 \u4e00\u4e8c",
        "\u0661\u0662\u0663", "I'm you're we'll they've he'd it's", "I'M YOU'RE WE'LL", "'s 't '",
        " 's", "can''t", "'\u017f x'\u017f", "rock'n'roll", "'lL 'Ve 'rE", "foo_bar fooBar foo-bar",
        "hello, world!", "!!!???", "...\n\n...", "a!\n\nb", "\U0001f642\U0001f327\ufe0f\U0001f469"
        "\u200d\U0001f4bb", "\U0001f1e9\U0001f1ea", "e\u0301 \u00e9", "\u0300first", "a\u0300\u0301",
        "\u0e01\u0e33 \u0e19\u0e49\u0e33", "\u0928\u092e\u0938\u094d\u0924\u0947", "\u05e9\u05dc"
        "\u05d5\u05dd", "\u0645\u0631\u062d\u0628\u0627", "\u5317\u306e\u56fd\u304b\u3089", "\ud55c\uad6d",
        "\u00a0nbsp\u00a0\u00a0x", "\u3000wide\u3000\u3000x", "\u2028line\u2029para", "\u0085next",
        "\u0000\u0001\u001f\u007f", "\u0004\u0006", "\U0010ffff", "\ufeffbom", "\u200bzw", "Dž ǅ ß ẞ İ",
        "\ufb01 \ufb02", "\u212b \u00c5 A\u030a", "\u1112\u1161\u11ab \ud55c", "q\u0323\u0307",
        "<|im_start|>user\nHi<|im_end|>\n", "text<|im_end|>text", "<|im_start|", "<|endoftext|>",
        "<|im_end|><|im_end|>", " <|im_end|> ", "a <left> b", "a\n \t<left>b", "a<right>   b",
        "a<right> \n\u00a0b", "a  <both>  b", "<right>  <left>", "<right>  <right>  x", "<left", "<le ft",
        "<lef", "<word>", "x<word>", "<word>x", "x <word> y", "_<word>", "<word>\u0301", "mid", "amid",
        "mid-way", "midst", " mid ", "a  b   c    d", "<right>    x", "<both>  <word>", "unreachable",
        " unreachable", "miller", " miller", "Zq", "Zqq", "cafe\u0301", "caf\u00e9", "un caf\u00e9s",
        "\u00e9lan", "e\u0301lan", " <norm> x", "<norm>", "tool", "toolbox", "a tool.", "e\u0301<norm>",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "the" * 70, "thething" * 40, " " * 130, "\n" * 75, "!?" * 50, "9" * 100, "\u5c71" * 60,
    ] + CORPUS[:10]
    parts = [
        " ", "  ", "   ", "\n", "\n\n", "\t", "\r\n", "\u00a0", "\u3000", "'s", "'T", "'ll", "'RE",
        "'", "1", "23", "4567", "\u00bd", "\u0661", "e\u0301", "\u00e9", "o\u0308", "\u0301",
        "the", " the", "Thing", " miller", "count", "ing", "ed", "walk", "\u00fc", "\u00df", "\u043c",
        "\u043a\u0438", "\u5317", "\u5c71", "\u3042", "\ud55c", "\u0e01", "\u0628", "\U0001f642",
        "\u200d", "\ufe0f", ".", ",", "!", "(", ")", "_", "-", "\u2026", "<", ">", "<|im_start|>",
        "<|im_end|>", "<left>", "<right>", "<both>", "<word>", "mid", "<norm>", "tool", "caf\u00e9",
        "\u2028", "\u0085", "\u0000", "\u000b", "\U00010348", "\U0001d7d8",
    ]
    generator = random.Random(20260101)
    fuzz = ["".join(generator.choice(parts) for _ in range(generator.randint(2, 14)))
            for _ in range(300)]
    return fixed + fuzz


def write(path, value, **options):
    with open(os.path.join(HERE, path), "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, separators=(",", ":"), **options)
        file.write("\n")


def main():
    texts = lines()
    write("lines.json", texts)
    for make in TOKENIZERS:
        name = make.__name__
        os.makedirs(os.path.join(HERE, name), exist_ok=True)
        write(f"{name}/tokenizer.json", make())
        tokenizer = Tokenizer.from_file(os.path.join(HERE, name, "tokenizer.json"))
        expected = {}
        for key, plain in [("special", False), ("plain", True)]:
            tokenizer.encode_special_tokens = plain
            expected[key] = [tokenizer.encode(text, add_special_tokens=False).ids
                             for text in texts]
        write(f"{name}/expected.json", expected)
        print(name, tokenizer.get_vocab_size(), sum(len(ids) for ids in expected["special"]))
    for name, make in SENTENCEPIECE.items():
        os.makedirs(os.path.join(HERE, name), exist_ok=True)
        data = make()
        with open(os.path.join(HERE, name, "tokenizer.model"), "wb") as file:
            file.write(data)
        processor = sentencepiece.SentencePieceProcessor(model_proto=data)
        write(f"{name}/expected.json", {"plain": [processor.encode(text) for text in texts]})
        print(name, processor.get_piece_size(), len(data))
    os.remove(os.path.join(HERE, "rules.tsv"))


if __name__ == "__main__":
    main()
