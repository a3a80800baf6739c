#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""llama_run.py: loads a model and generates greedily through python3 ctypes.

The way KoboldCpp does it: the engine is a shared library that ctypes opens with
RTLD_LOCAL, so that its names are in nobody's global scope and every call of ours
goes through dlsym() on its handle. Only calls between the engine's own libraries
use the PLT. As in llama_run.c the parameter structs are opaque bytes, and a field
is set only where the bytes around it are the defaults of v0.5.0.
"""
import argparse
import ctypes
import glob
import os
import struct
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
LOAD_MODES = ["auto", "none", "mmap", "mlock", "mmap+mlock", "dio"]

# Offsets in v0.5.0, and what its defaults hold there.
SPLIT_MODE_AT, LOAD_MODE_AT, FLAGS_AT = 20, 24, 72
CONTEXT_TOKENS_AT, BATCH_TOKENS_AT = 0, 4


class Params(ctypes.Structure):
    """Larger than any version's struct; by value it goes through memory."""
    _fields_ = [("raw", ctypes.c_uint8 * 512)]

    def get_i32(self, offset):
        return struct.unpack_from("<i", self.raw, offset)[0]

    def set_i32(self, offset, value):
        struct.pack_into("<i", self.raw, offset, value)


class Batch(ctypes.Structure):
    _fields_ = [("n_tokens", ctypes.c_int32), ("token", ctypes.POINTER(ctypes.c_int32)),
                ("others", ctypes.c_void_p * 5)]


LOG_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
POINTER, INT, TOKENS = ctypes.c_void_p, ctypes.c_int32, ctypes.POINTER(ctypes.c_int32)

# name: (result, arguments)
PROTOTYPES = {
    "llama_backend_init": (None, []),
    "llama_backend_free": (None, []),
    "llama_log_set": (None, [LOG_CALLBACK, POINTER]),
    "llama_model_default_params": (Params, []),
    "llama_model_load_from_file": (POINTER, [ctypes.c_char_p, Params]),
    "llama_model_free": (None, [POINTER]),
    "llama_model_get_vocab": (POINTER, [POINTER]),
    "llama_vocab_n_tokens": (INT, [POINTER]),
    "llama_vocab_is_eog": (ctypes.c_bool, [POINTER, INT]),
    "llama_tokenize": (INT, [POINTER, ctypes.c_char_p, INT, TOKENS, INT,
                             ctypes.c_bool, ctypes.c_bool]),
    "llama_token_to_piece": (INT, [POINTER, INT, ctypes.c_char_p, INT, INT, ctypes.c_bool]),
    "llama_context_default_params": (Params, []),
    "llama_init_from_model": (POINTER, [POINTER, Params]),
    "llama_free": (None, [POINTER]),
    "llama_n_batch": (ctypes.c_uint32, [POINTER]),
    "llama_set_n_threads": (None, [POINTER, INT, INT]),
    "llama_get_memory": (POINTER, [POINTER]),
    "llama_memory_clear": (None, [POINTER, ctypes.c_bool]),
    "llama_batch_get_one": (Batch, [TOKENS, INT]),
    "llama_decode": (INT, [POINTER, Batch]),
    "llama_get_logits_ith": (ctypes.POINTER(ctypes.c_float), [POINTER, INT]),
    "llama_sampler_init_greedy": (POINTER, []),
    "llama_sampler_sample": (INT, [POINTER, POINTER, INT]),
    "llama_sampler_free": (None, [POINTER]),
    "llama_load_mode_from_str": (ctypes.c_int, [ctypes.c_char_p]),
}


def fail(message, code=1):
    sys.stdout.flush()
    print("llama_run.py: " + message, file=sys.stderr)
    sys.exit(code)


def open_engine(libs):
    """Opens libllama and libggml RTLD_LOCAL and gives every function its prototype."""
    found = glob.glob(os.path.join(libs, "libllama.*.so"))
    if len(found) != 1:
        fail(f"{libs}: no libllama.*.so there; fetch_engine.sh DIR fetches it, "
             "--engine DIR names it")
    llama = ctypes.CDLL(found[0], mode=ctypes.RTLD_LOCAL)
    ggml = ctypes.CDLL(glob.glob(os.path.join(libs, "libggml.*.so"))[0], mode=ctypes.RTLD_LOCAL)
    for name, (result, arguments) in PROTOTYPES.items():
        function = getattr(llama, name, None)
        if function is None:
            fail(f"{found[0]}: has no {name}: not v0.5.0?")
        function.restype, function.argtypes = result, arguments
    ggml.ggml_backend_load_all_from_path.argtypes = [ctypes.c_char_p]
    ggml.ggml_backend_load_all_from_path.restype = None
    return llama, ggml


def model_params(llama, load_mode):
    params = llama.llama_model_default_params()
    if load_mode == "auto":
        return params
    is_known = (params.get_i32(SPLIT_MODE_AT) == 1
                and params.get_i32(LOAD_MODE_AT) == llama.llama_load_mode_from_str(b"auto")
                and bytes(params.raw[FLAGS_AT:FLAGS_AT + 5]) == b"\0\0\1\0\0")
    if not is_known:
        fail("the layout of this libllama's llama_model_params is unknown: leave out -lm")
    params.set_i32(LOAD_MODE_AT, llama.llama_load_mode_from_str(load_mode.encode()))
    return params


def context_params(llama, token_count):
    params = llama.llama_context_default_params()
    if token_count <= params.get_i32(CONTEXT_TOKENS_AT):
        return params
    if params.get_i32(CONTEXT_TOKENS_AT) != 512 or params.get_i32(BATCH_TOKENS_AT) != 2048:
        fail(f"{token_count} tokens do not fit this libllama's default context, and its "
             "llama_context_params is unknown")
    params.set_i32(CONTEXT_TOKENS_AT, token_count)
    return params


class Run:
    """One loaded model with its context; sums tokens and seconds over the repeats."""

    def __init__(self, llama, request):
        self.llama = llama
        self.prompt_count = self.generated_count = 0
        self.prompt_s = self.generate_s = 0.0
        start = time.monotonic()
        self.model = llama.llama_model_load_from_file(
            os.fsencode(request.model), model_params(llama, request.load_mode))
        if not self.model:
            fail(f"{request.model}: the engine cannot load it (-v shows why)")
        self.vocab = llama.llama_model_get_vocab(self.model)
        self.prompt = self.tokenize(request.prompt.encode())
        self.context = llama.llama_init_from_model(
            self.model, context_params(llama, len(self.prompt) + request.n_predict))
        if not self.context:
            fail(f"{request.model}: the engine cannot make a context (-v shows why)")
        llama.llama_set_n_threads(self.context, request.threads, request.threads)
        self.sampler = llama.llama_sampler_init_greedy()
        self.load_s = time.monotonic() - start

    def tokenize(self, text):
        tokens = (ctypes.c_int32 * (len(text) + 8))()
        count = self.llama.llama_tokenize(self.vocab, text, len(text), tokens, len(tokens),
                                          True, False)
        if count <= 0:
            fail("-p: the model's tokenizer makes nothing of the prompt")
        return tokens[:count]

    def decode(self, tokens):
        array = (ctypes.c_int32 * len(tokens))(*tokens)
        batch = self.llama.llama_batch_get_one(array, len(tokens))
        code = self.llama.llama_decode(self.context, batch)
        if code:
            fail(f"llama_decode of {len(tokens)} tokens failed with {code}")

    def read_prompt(self):
        batch_max = self.llama.llama_n_batch(self.context)
        start = time.monotonic()
        self.llama.llama_memory_clear(self.llama.llama_get_memory(self.context), True)
        for at in range(0, len(self.prompt), batch_max):
            self.decode(self.prompt[at:at + batch_max])
        self.prompt_s += time.monotonic() - start
        self.prompt_count += len(self.prompt)

    def piece(self, token):
        text = ctypes.create_string_buffer(256)
        length = self.llama.llama_token_to_piece(self.vocab, token, text, len(text), 0, False)
        return text.raw[:max(length, 0)]

    def generate(self, count):
        start = time.monotonic()
        for i in range(count):
            token = self.llama.llama_sampler_sample(self.sampler, self.context, -1)
            if self.llama.llama_vocab_is_eog(self.vocab, token):
                break
            sys.stdout.buffer.write(self.piece(token))
            self.generated_count += 1
            if i + 1 < count:
                self.decode([token])
        self.generate_s += time.monotonic() - start
        sys.stdout.buffer.write(b"\n")
        sys.stdout.buffer.flush()

    def close(self):
        self.llama.llama_sampler_free(self.sampler)
        self.llama.llama_free(self.context)
        self.llama.llama_model_free(self.model)
        self.llama.llama_backend_free()


def parse_request():
    parser = argparse.ArgumentParser(prog="llama_run.py", allow_abbrev=False)
    parser.add_argument("-m", "--model", required=True, help="the GGUF model")
    parser.add_argument("-p", "--prompt", default="Once upon a time")
    parser.add_argument("-n", "--n-predict", type=int, default=32, help="tokens to generate")
    parser.add_argument("-t", "--threads", type=int, default=2)
    parser.add_argument("-lm", "--load-mode", choices=LOAD_MODES, default="auto")
    parser.add_argument("-r", "--repeat", type=int, default=1, help="run the prompt N times")
    parser.add_argument("-e", "--engine", default=os.path.join(HERE, "..", "build", "engine"),
                        help="the directory that fetch_engine.sh filled")
    parser.add_argument("-v", "--verbose", action="store_true", help="let the engine log")
    request = parser.parse_args()
    if request.threads < 1 or request.repeat < 1 or request.n_predict < 0:
        parser.error("-t and -r are at least 1, -n is not negative")
    if not os.access(request.model, os.R_OK):
        fail(f"{request.model}: cannot read it")
    return request


def main():
    request = parse_request()
    libs = os.path.join(os.path.abspath(request.engine), "lib")
    llama, ggml = open_engine(libs)
    ignore_log = LOG_CALLBACK(lambda level, text, user: None)
    if not request.verbose:
        llama.llama_log_set(ignore_log, None)
    ggml.ggml_backend_load_all_from_path(os.fsencode(libs))
    llama.llama_backend_init()
    run = Run(llama, request)
    for _ in range(request.repeat):
        run.read_prompt()
        run.generate(request.n_predict)
    print(f"llama_run.py: {run.prompt_count} prompt + {run.generated_count} generated tokens, "
          f"load {run.load_s:.3f} s, prompt {run.prompt_count / run.prompt_s:.1f} t/s, "
          f"generation {run.generated_count / max(run.generate_s, 1e-9):.1f} t/s",
          file=sys.stderr)
    run.close()


if __name__ == "__main__":
    main()
