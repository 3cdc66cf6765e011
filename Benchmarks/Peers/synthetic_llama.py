# SPDX-License-Identifier: Apache-2.0
"""A Llama of the shape of Llama 3.2 1B with random weights, in bf16: synthetic_llama.py FOLDER

For measuring only. The peers make theirs in memory (peer_lora.py --model synthetic-1b).
"""
import json
import pathlib
import sys

import torch
from safetensors.torch import save_file

folder = pathlib.Path(sys.argv[1])
hidden, inner, layers, heads, key_heads, size, vocabulary = 2048, 8192, 16, 32, 8, 64, 128256
torch.manual_seed(0)


def random(*shape):
    return torch.randn(*shape, dtype=torch.bfloat16) * 0.02


tensors = {"model.embed_tokens.weight": random(vocabulary, hidden),
           "model.norm.weight": torch.ones(hidden, dtype=torch.bfloat16)}
for layer in range(layers):
    prefix = f"model.layers.{layer}."
    for name in ["input_layernorm", "post_attention_layernorm"]:
        tensors[prefix + name + ".weight"] = torch.ones(hidden, dtype=torch.bfloat16)
    for name, outputs, inputs in [
            ("self_attn.q_proj", heads * size, hidden), ("self_attn.k_proj", key_heads * size, hidden),
            ("self_attn.v_proj", key_heads * size, hidden), ("self_attn.o_proj", hidden, heads * size),
            ("mlp.gate_proj", inner, hidden), ("mlp.up_proj", inner, hidden),
            ("mlp.down_proj", hidden, inner)]:
        tensors[f"{prefix}{name}.weight"] = random(outputs, inputs)
folder.mkdir(parents=True, exist_ok=True)
(folder / "config.json").write_text(json.dumps({
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": hidden,
    "intermediate_size": inner, "num_hidden_layers": layers, "num_attention_heads": heads,
    "num_key_value_heads": key_heads, "head_dim": size, "vocab_size": vocabulary,
    "max_position_embeddings": 2048, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
    "tie_word_embeddings": True, "hidden_act": "silu", "torch_dtype": "bfloat16"}))
save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
