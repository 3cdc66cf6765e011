# SPDX-License-Identifier: Apache-2.0
"""llama.cpp as a reference: its converters, and its log-probabilities through xllamacpp."""
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def convert(llama, model, folder, kinds):
    """GGUF files of a Hugging Face folder, by llama.cpp's own script: their paths by type."""
    run([sys.executable, os.path.join(HERE, "llama_cpp_convert.py"), llama, model, folder, *kinds])
    return {kind: os.path.join(folder, kind + ".gguf") for kind in kinds}


def convert_adapter(llama, model, adapter, out):
    """A GGUF adapter of a PEFT folder, by llama.cpp's own script."""
    run([sys.executable, os.path.join(llama, "convert_lora_to_gguf.py"), "--base", model,
         "--outfile", out, adapter])


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        sys.exit(done.stdout.decode()[-3000:])


def float32_copy(source, out):
    """The same GGUF file with all its tensors dequantized."""
    import gguf
    import numpy
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(out, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name in ("general.architecture", "general.file_type"):
            continue
        kind = field.types[0]
        inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, field.contents(), kind, sub_type=inner)
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        writer.add_tensor(tensor.name, values.astype(numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


class Model:
    """llama.cpp on a GGUF file, everything in float32, with or without an adapter."""

    def __init__(self, model, adapter=None, threads=1):
        import xllamacpp
        parameters = xllamacpp.CommonParams()
        parameters.model.path = model
        parameters.n_ctx = 256
        parameters.n_parallel = 1
        parameters.warmup = False
        parameters.verbosity = -1
        parameters.cpuparams.n_threads = threads
        parameters.cache_type_k = xllamacpp.ggml_type.GGML_TYPE_F32
        parameters.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        off = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        parameters.flash_attn_type = off
        if adapter:
            parameters.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(adapter, 1.0)]
        self.server = xllamacpp.Server(parameters)

    def log_probabilities(self, prompt, size):
        """Of every possible next token, by id."""
        answer = self.server.handle_completions(
            {"prompt": prompt, "n_predict": 1, "n_probs": size, "temperature": 0.0,
             "cache_prompt": False, "ignore_eos": True})
        if isinstance(answer, (str, bytes)):
            answer = json.loads(answer)
        found = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        return {entry["id"]: entry["logprob"] for entry in found}
