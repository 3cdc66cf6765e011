# SPDX-License-Identifier: Apache-2.0
"""Tokenizers of each kind: small ones trained here, and SmolLM2's, rebuilt from its GGUF file.

Each case is a name, the path that ours reads, and a function from texts to the reference's ids.
"""
import base64
import io
import json
import os
import struct

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers import processors, trainers

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN35 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}"
    r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
PREFIX = r"[^\r\n\p{L}\p{N}]?"
CASED_TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TEKKEN = f"{PREFIX}{UPPER}*{LOWER}+|{PREFIX}{UPPER}+{LOWER}*" + r"|\p{N}" + CASED_TAIL
SUFFIX = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
GPT4O = (
    f"{PREFIX}{UPPER}*{LOWER}+{SUFFIX}|{PREFIX}{UPPER}+{LOWER}*{SUFFIX}" + r"|\p{N}{1,3}" + CASED_TAIL
)
DEEPSEEK3 = [
    r"\p{N}{1,3}", r"[一-龥぀-ゟ゠-ヿ]+",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
    r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
]


def byte_level(**options):
    return pre_tokenizers.ByteLevel(add_prefix_space=False, **options)


def split(pattern):
    return pre_tokenizers.Split(Regex(pattern), behavior="isolated", invert=False)


def bpe(texts, pre_tokenizer=None, normalizer=None, size=4000, **model):
    tokenizer = Tokenizer(models.BPE(**model))
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer:
        tokenizer.normalizer = normalizer
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
        if "ByteLevel" in str(pre_tokenizer) else [])
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def with_bytes(tokenizer):
    """The same with byte fallback: <0x00> to <0xFF> among its tokens."""
    definition = json.loads(tokenizer.to_str())
    model = definition["model"]
    if model["type"] == "Unigram":
        model["vocab"] += [[f"<0x{byte:02X}>", -30.0] for byte in range(256)]
    else:
        for byte in range(256):
            model["vocab"][f"<0x{byte:02X}>"] = len(model["vocab"])
    model["byte_fallback"] = True
    return Tokenizer.from_str(json.dumps(definition))


def unigram(texts, pre_tokenizer, normalizer=None, size=4000):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer:
        tokenizer.normalizer = normalizer
    trainer = trainers.UnigramTrainer(
        vocab_size=size, special_tokens=["<unk>", "<s>", "</s>"], unk_token="<unk>",
        show_progress=False)
    # This trainer wants a piece for every character that it sees.
    tokenizer.train_from_iterator([text for text in texts if max(text) < "\u0700"], trainer)
    return tokenizer


def sentencepiece_model(texts, **options):
    model = io.BytesIO()
    lines = [line for text in texts for line in text.split("\n") if line.strip()]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, vocab_size=6000, minloglevel=2,
        character_coverage=0.98,
        hard_vocab_limit=False, num_threads=1, **options)
    return model.getvalue()


def charsmap(model):
    """The compiled replacements in a .model file (normalizer_spec.precompiled_charsmap)."""
    from sentencepiece import sentencepiece_model_pb2
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(model)
    return base64.b64encode(proto.normalizer_spec.precompiled_charsmap).decode()


def from_gguf_scores(path):
    """The .model file of a GGUF file that has SentencePiece's pieces and scores."""
    from sentencepiece import sentencepiece_model_pb2
    metadata = gguf_metadata(path)
    proto = sentencepiece_model_pb2.ModelProto()
    for text, score, kind in zip(*(metadata["tokenizer.ggml." + key]
                                   for key in ("tokens", "scores", "token_type"))):
        proto.pieces.add(piece=text, score=score, type=kind)
    proto.trainer_spec.model_type = 2
    proto.trainer_spec.byte_fallback = True
    proto.trainer_spec.vocab_size = len(proto.pieces)
    proto.normalizer_spec.name = "identity"
    proto.normalizer_spec.add_dummy_prefix = True
    proto.normalizer_spec.remove_extra_whitespaces = False
    return proto.SerializeToString()


def hugging_face(tokenizer):
    return lambda texts: [
        encoding.ids for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]


def gguf_metadata(path):
    """The metadata of a GGUF file."""
    with open(path, "rb") as file:
        data = file.read(64 << 20)
    formats = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}

    def value(kind, offset):
        if kind in formats:
            size = struct.calcsize(formats[kind])
            return struct.unpack_from("<" + formats[kind], data, offset)[0], offset + size
        if kind == 8:
            length, = struct.unpack_from("<Q", data, offset)
            return data[offset + 8:offset + 8 + length].decode("utf-8", "replace"), offset + 8 + length
        kind, count = struct.unpack_from("<IQ", data, offset)
        offset, items = offset + 12, []
        for _ in range(count):
            item, offset = value(kind, offset)
            items.append(item)
        return items, offset

    count, = struct.unpack_from("<Q", data, 16)
    offset, result = 24, {}
    for _ in range(count):
        key, offset = value(8, offset)
        kind, = struct.unpack_from("<I", data, offset)
        result[key], offset = value(kind, offset + 4)
    return result


def smollm2(gguf):
    """tokenizer.json as SmolLM2's authors publish it: digits alone, then GPT-2's split."""
    metadata = gguf_metadata(gguf)
    tokens = metadata["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in metadata["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), byte_level()])
    tokenizer.add_special_tokens([
        AddedToken(token, normalized=False) for token, kind in
        zip(tokens, metadata["tokenizer.ggml.token_type"]) if kind == 3])
    return tokenizer


def cases(texts, gguf, work, vectors):
    """All cases, one after another; `texts` is what the small tokenizers are trained on."""
    def saved(name, tokenizer):
        path = os.path.join(work, name.replace(" ", "-").replace(",", "") + ".json")
        tokenizer.save(path)
        return name, path, hugging_face(tokenizer)

    reference = smollm2(gguf)
    yield saved("SmolLM2, tokenizer.json", reference)
    yield "SmolLM2, GGUF", gguf, hugging_face(reference)
    sequence = pre_tokenizers.Sequence
    for name, pattern, normalizer in [
        ("Llama 3", LLAMA3, None), ("Qwen 2", LLAMA3.replace("{1,3}", ""), normalizers.NFC()),
        ("Qwen 3.5", QWEN35, normalizers.NFC()), ("tekken", TEKKEN, None), ("GPT-4o", GPT4O, None),
    ]:
        yield saved(name, bpe(texts, sequence([split(pattern), byte_level(use_regex=False)]), normalizer))
    yield saved("GPT-2", bpe(texts, pre_tokenizers.ByteLevel(add_prefix_space=True)))
    yield saved("DeepSeek-V3, PCRE2",
        bpe(texts, sequence([split(p) for p in DEEPSEEK3] + [byte_level(use_regex=False)])))
    yield saved("Punctuation and three digits, PCRE2", bpe(texts, sequence(
        [pre_tokenizers.Punctuation("contiguous"), split("[0-9][0-9][0-9]"), byte_level()])))
    legacy = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    words = bpe(texts, pre_tokenizers.Metaspace(prepend_scheme="always"), unk_token="<unk>", fuse_unk=True)
    yield saved("Metaspace BPE", words)
    definition = json.loads(words.to_str())
    definition["pre_tokenizer"] = None
    definition["normalizer"] = json.loads(legacy.__getstate__())
    llama2 = with_bytes(Tokenizer.from_str(json.dumps(definition)))
    yield saved("Llama 2, legacy", llama2)
    definition = json.loads(llama2.to_str())
    definition["normalizer"] = None
    definition["pre_tokenizer"] = {
        "type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}
    yield saved("Llama 2, new", Tokenizer.from_str(json.dumps(definition)))
    definition["normalizer"] = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    definition["pre_tokenizer"] = {
        "type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}
    yield saved("Gemma", Tokenizer.from_str(json.dumps(definition)))
    plain = bpe(texts, pre_tokenizers.Whitespace(), unk_token="<unk>",
                normalizer=normalizers.Sequence(
                    [normalizers.NFD(), normalizers.Lowercase(), normalizers.StripAccents()]))
    yield saved("Whitespace, NFD, Lowercase, StripAccents", plain)
    yield saved("Punctuation, Digits, WhitespaceSplit", bpe(
        texts, sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation(),
                         pre_tokenizers.Digits(individual_digits=False)]), unk_token="<unk>"))
    spaces = unigram(texts, pre_tokenizers.Metaspace())
    yield saved("Unigram, Metaspace", spaces)
    yield saved("Unigram, byte fallback", with_bytes(spaces))
    yield from sentencepiece_cases(texts, spaces, work, saved)
    llama = os.path.join(vectors, "models/ggml-vocab-llama-spm.gguf")
    processor = sentencepiece.SentencePieceProcessor(model_proto=from_gguf_scores(llama))
    yield "Llama 2's scores, GGUF beside .model", llama, processor.encode


def sentencepiece_cases(texts, spaces, work, saved):
    kinds = [
        ("BPE .model, identity, bytes", dict(
            model_type="bpe", normalization_rule_name="identity", byte_fallback=True,
            remove_extra_whitespaces=False, split_digits=True)),
        ("BPE .model, nmt_nfkc, user symbols", dict(
            model_type="bpe", user_defined_symbols=["[sym]", "ing", "  "])),
        ("Unigram .model, nmt_nfkc, bytes", dict(model_type="unigram", byte_fallback=True)),
        ("Unigram .model, user symbols, suffix", dict(
            model_type="unigram", user_defined_symbols=["[sym]", "ing"],
            treat_whitespace_as_suffix=True)),
    ]
    for name, options in kinds:
        data = sentencepiece_model(texts, **options)
        path = os.path.join(work, name.replace(" ", "-").replace(",", ""))
        with open(path, "wb") as file:
            file.write(data)
        processor = sentencepiece.SentencePieceProcessor(model_proto=data)
        yield name, path, processor.encode
        if "Unigram .model, nmt_nfkc" in name:
            definition = json.loads(spaces.to_str())
            definition["normalizer"] = {"type": "Precompiled", "precompiled_charsmap": charsmap(data)}
            yield saved("Unigram, Precompiled nmt_nfkc", Tokenizer.from_str(json.dumps(definition)))
