# SPDX-License-Identifier: Apache-2.0
"""A GGUF model as a Hugging Face folder in float32, for the peers: gguf_to_hf.py FILE.gguf FOLDER

The weights are dequantized, so peers and our tools compute with the same numbers. The peers get token ids, so
no tokenizer is written.
"""
import pathlib
import sys

import torch
import transformers

source, folder = map(pathlib.Path, sys.argv[1:3])
model = transformers.AutoModelForCausalLM.from_pretrained(
    source.parent.resolve(), gguf_file=source.name, dtype=torch.float32)
# It is an ordinary model from here on: nothing may ask for the format that it came from.
for holder, name in [(model, "hf_quantizer"), (model, "_weight_conversions")]:
    if hasattr(holder, name):
        setattr(holder, name, None if name == "hf_quantizer" else [])
model.is_quantized = False
if hasattr(model.config, "quantization_config"):
    del model.config.quantization_config
model.save_pretrained(folder)
