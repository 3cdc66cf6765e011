#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""llama.cpp's own converter on a model without a tokenizer.

usage: llama_cpp_convert.py LLAMA_CPP MODEL FOLDER f32|f16|bf16...

LLAMA_CPP holds convert_hf_to_gguf.py and what it imports. Writes FOLDER/f32.gguf and so on, with a
vocabulary of SentencePiece's kind that has a name for each id instead of the model's own.
"""
import os
import sys

llama, model, folder, *kinds = sys.argv[1:]
sys.path.insert(0, llama)
import convert_hf_to_gguf as converter


def set_vocab(self):
    size = self.hparams["vocab_size"]
    tokens = [b"<unk>", b"<s>", b"</s>"] + [b"<0x%02X>" % byte for byte in range(256)]
    # Bytes as ordinary texts: half a character would make the server wait for the other half.
    kinds = [2, 3, 3] + [1] * (size - 3)
    tokens += [b"token%d" % index for index in range(259, size)]
    writer = self.gguf_writer
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens[:size])
    writer.add_token_scores([-float(index) for index in range(size)])
    writer.add_token_types(kinds[:size])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(False)


find = converter.get_model_class


def without_tokenizer(*arguments, **options):
    found = find(*arguments, **options)
    found.set_vocab = set_vocab
    return found


converter.get_model_class = without_tokenizer
for kind in kinds:
    sys.argv = ["convert_hf_to_gguf.py", "--outtype", kind, "--outfile",
                os.path.join(folder, kind + ".gguf"), model]
    converter.main()
