#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Trains the character-level transformer of this folder and writes charlm.onnx,
calib.npz, valid.npz and valid.txt next to this script.

    pip install -r ../../requirements-train.txt && python3 train.py

The text is the King James Bible (public domain) from the Debian packages
`bible-kjv` and `bible-kjv-text`, which are downloaded and unpacked into a
temporary folder (no root needed). Pass --text FILE to train on something else.
Takes about fifteen minutes on two CPU cores.
"""
import argparse
import json
import math
import pathlib
import re
import subprocess
import tempfile
import time

import jax
import jax.numpy as jnp
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CONTEXT, WIDTH, HEADS, LAYERS = 128, 128, 4, 3
FORBIDDEN = -1e4  # added to the score of a position that may not be seen
CALIBRATION_SAMPLES, VALIDATION_SAMPLES = 64, 128


def bible():
    """The King James Bible, one verse a line, from Debian's packages."""
    with tempfile.TemporaryDirectory() as tmp:
        for package in ("bible-kjv", "bible-kjv-text"):
            subprocess.run(["apt-get", "download", "-q", package], cwd=tmp, check=True)
        for deb in pathlib.Path(tmp).glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(deb), f"{tmp}/root"], check=True)
        text = subprocess.run(
            [f"{tmp}/root/usr/bin/bible", "-p", f"{tmp}/root/usr/lib", "-l100000",
             "gen1:1-rev22:21"],
            capture_output=True, check=True, stdin=subprocess.DEVNULL).stdout
    verses = re.findall(r"^ +\d+ (.*\S)", text.decode("ascii", "replace"), re.M)
    return "\n".join(verses) + "\n"


# --- Model -------------------------------------------------------------------
# Parameters are a flat dictionary; its keys become the initializer names.


def init(key, vocabulary):
    params = {}

    def normal(name, shape, std):
        nonlocal key
        key, sub = jax.random.split(key)
        params[name] = std * jax.random.normal(sub, shape, jnp.float32)

    normal("embed.token", (vocabulary, WIDTH), 0.05)
    normal("embed.position", (CONTEXT, WIDTH), 0.02)
    for i in range(LAYERS):
        p = f"layer{i}."
        for norm in ("norm1", "norm2"):
            params[p + norm + ".scale"] = jnp.ones(WIDTH)
            params[p + norm + ".bias"] = jnp.zeros(WIDTH)
        for name, rows, cols in (("attn.query", WIDTH, WIDTH), ("attn.key", WIDTH, WIDTH),
                                 ("attn.value", WIDTH, WIDTH), ("attn.out", WIDTH, WIDTH),
                                 ("mlp.up", WIDTH, 4 * WIDTH), ("mlp.down", 4 * WIDTH, WIDTH)):
            residual = name in ("attn.out", "mlp.down")
            normal(p + name + ".weight", (rows, cols),
                   rows**-0.5 / (math.sqrt(2 * LAYERS) if residual else 1.0))
            params[p + name + ".bias"] = jnp.zeros(cols)
    params["norm.scale"] = jnp.ones(WIDTH)
    params["norm.bias"] = jnp.zeros(WIDTH)
    normal("head.weight", (WIDTH, vocabulary), WIDTH**-0.5)
    return params


def forward(params, tokens):
    def norm(x, name):
        mean = x.mean(-1, keepdims=True)
        var = jnp.square(x - mean).mean(-1, keepdims=True)
        return ((x - mean) * jax.lax.rsqrt(var + 1e-5) * params[name + ".scale"]
                + params[name + ".bias"])

    def linear(x, name):
        return x @ params[name + ".weight"] + params[name + ".bias"]

    def heads(x):
        return x.reshape(x.shape[0], x.shape[1], HEADS, -1).transpose(0, 2, 1, 3)

    length = tokens.shape[1]
    mask = jnp.where(jnp.tril(jnp.ones((length, length), bool)), 0.0, FORBIDDEN)
    x = params["embed.token"][tokens] + params["embed.position"][:length]
    for i in range(LAYERS):
        p = f"layer{i}."
        y = norm(x, p + "norm1")
        q, k, v = (heads(linear(y, p + "attn." + n)) for n in ("query", "key", "value"))
        scores = q @ k.transpose(0, 1, 3, 2) * (WIDTH // HEADS) ** -0.5 + mask
        y = (jax.nn.softmax(scores, -1) @ v).transpose(0, 2, 1, 3).reshape(x.shape)
        x = x + linear(y, p + "attn.out")
        y = linear(norm(x, p + "norm2"), p + "mlp.up")
        x = x + linear(jax.nn.gelu(y, approximate=False), p + "mlp.down")
    return norm(x, "norm") @ params["head.weight"]


def loss_fn(params, tokens, labels):
    logp = jax.nn.log_softmax(forward(params, tokens), -1)
    return -jnp.take_along_axis(logp, labels[..., None], -1).mean()


def train(params, stream, steps, batch, seed):
    """AdamW with a warm-up and a cosine schedule on random windows of `stream`."""
    peak, warmup, decay, b1, b2 = 2e-3, 100, 0.05, 0.9, 0.98
    zeros = {k: jnp.zeros_like(v) for k, v in params.items()}

    @jax.jit
    def step(params, m, v, t, tokens, labels):
        loss, grad = jax.value_and_grad(loss_fn)(params, tokens, labels)
        size = jnp.sqrt(sum(jnp.vdot(g, g) for g in grad.values()))
        clip = jnp.minimum(1.0, 1.0 / (size + 1e-6))
        rate = peak * jnp.minimum(t / warmup, 0.5 * (1 + jnp.cos(jnp.pi * t / steps)) + 0.01)
        m = {k: b1 * m[k] + (1 - b1) * grad[k] * clip for k in m}
        v = {k: b2 * v[k] + (1 - b2) * jnp.square(grad[k] * clip) for k in v}
        new = {}
        for k, p in params.items():
            update = (m[k] / (1 - b1**t)) / (jnp.sqrt(v[k] / (1 - b2**t)) + 1e-8)
            new[k] = p - rate * (update + (decay * p if p.ndim == 2 else 0.0))
        return new, m, v, loss

    rng = np.random.default_rng(seed)
    m, v, start = zeros, zeros, time.time()
    for t in range(1, steps + 1):
        at = rng.integers(0, len(stream) - CONTEXT - 1, batch)
        window = stream[at[:, None] + np.arange(CONTEXT + 1)]
        params, m, v, loss = step(params, m, v, float(t), window[:, :-1], window[:, 1:])
        if t % 200 == 0 or t == 1:
            print(f"step {t}/{steps}: loss {float(loss):.4f}, {time.time() - start:.0f} s",
                  flush=True)
    return params


# --- ONNX --------------------------------------------------------------------


def to_onnx(params, alphabet):
    """The same computation as forward(), as an opset 17 model with a dynamic batch."""
    nodes, constants = [], {k: np.asarray(v, np.float32) for k, v in params.items()}

    def node(op, inputs, output, **attributes):
        nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def constant(name, value):
        constants[name] = value
        return name

    def linear(x, name):
        y = node("MatMul", [x, name + ".weight"], f"/{name}/matmul".replace(".", "/"))
        return node("Add", [y, name + ".bias"], f"/{name}/out".replace(".", "/"))

    def norm(x, name):
        return node("LayerNormalization", [x, name + ".scale", name + ".bias"],
                    "/" + name.replace(".", "/"), axis=-1, epsilon=1e-5)

    constant("attn.scale", np.float32((WIDTH // HEADS) ** -0.5))
    constant("attn.mask", np.where(np.tril(np.ones((CONTEXT, CONTEXT), bool)), 0,
                                   FORBIDDEN).astype(np.float32))
    constant("shape.split", np.array([0, 0, HEADS, WIDTH // HEADS], np.int64))
    constant("shape.merge", np.array([0, 0, WIDTH], np.int64))
    constant("gelu.sqrt2", np.float32(math.sqrt(2)))
    constant("one", np.float32(1))
    constant("half", np.float32(0.5))

    x = node("Gather", ["embed.token", "tokens"], "/embed/token", axis=0)
    x = node("Add", [x, "embed.position"], "/embed/out")
    for i in range(LAYERS):
        p, at = f"layer{i}.", f"/layer{i}"
        y = norm(x, p + "norm1")
        parts = {}
        for part, perm in (("query", [0, 2, 1, 3]), ("key", [0, 2, 3, 1]),
                           ("value", [0, 2, 1, 3])):
            z = linear(y, f"{p}attn.{part}")
            z = node("Reshape", [z, "shape.split"], f"{at}/attn/{part}/split")
            parts[part] = node("Transpose", [z], f"{at}/attn/{part}/heads", perm=perm)
        s = node("MatMul", [parts["query"], parts["key"]], f"{at}/attn/scores")
        s = node("Mul", [s, "attn.scale"], f"{at}/attn/scaled")
        s = node("Add", [s, "attn.mask"], f"{at}/attn/masked")
        s = node("Softmax", [s], f"{at}/attn/probabilities", axis=-1)
        y = node("MatMul", [s, parts["value"]], f"{at}/attn/mix")
        y = node("Transpose", [y], f"{at}/attn/mix/tokens", perm=[0, 2, 1, 3])
        y = node("Reshape", [y, "shape.merge"], f"{at}/attn/mix/merged")
        x = node("Add", [x, linear(y, p + "attn.out")], f"{at}/attn/residual")
        y = linear(norm(x, p + "norm2"), p + "mlp.up")
        e = node("Div", [y, "gelu.sqrt2"], f"{at}/mlp/gelu/div")
        e = node("Erf", [e], f"{at}/mlp/gelu/erf")
        e = node("Add", [e, "one"], f"{at}/mlp/gelu/add")
        y = node("Mul", [y, e], f"{at}/mlp/gelu/mul")
        y = node("Mul", [y, "half"], f"{at}/mlp/gelu")
        x = node("Add", [x, linear(y, p + "mlp.down")], f"{at}/mlp/residual")
    node("MatMul", [norm(x, "norm"), "head.weight"], "logits")

    graph = helper.make_graph(
        nodes, "charlm",
        [helper.make_tensor_value_info("tokens", TensorProto.INT64, ["N", CONTEXT])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT,
                                       ["N", CONTEXT, len(alphabet)])],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)],
                              producer_name="compress examples/charlm/train.py")
    model.ir_version = 8
    helper.set_model_props(model, {"alphabet": json.dumps(alphabet)})
    onnx.checker.check_model(model, full_check=True)
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", type=pathlib.Path, help="train on this file")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    args = parser.parse_args()

    text = args.text.read_text(encoding="utf-8") if args.text else bible()
    alphabet = "".join(sorted(set(text)))
    index = {c: i for i, c in enumerate(alphabet)}
    stream = np.array([index[c] for c in text], np.int32)

    # Every 20th block of the book is held out, so that validation has text of
    # every genre in it; the rest is joined and trained on.
    block = 8192
    starts = range(0, len(stream) - block, block)
    held = [stream[s:s + block] for n, s in enumerate(starts) if n % 20 == 10]
    kept = np.concatenate([stream[s:s + block] for n, s in enumerate(starts) if n % 20 != 10])
    print(f"{len(text)} characters, alphabet of {len(alphabet)}, {len(held)} held-out blocks")

    params = init(jax.random.PRNGKey(args.seed), len(alphabet))
    print(f"{sum(v.size for v in params.values())} parameters")
    params = train(params, kept, args.steps, args.batch, args.seed)

    rng = np.random.default_rng(args.seed + 1)
    at = rng.integers(0, len(kept) - CONTEXT, CALIBRATION_SAMPLES)
    calibration = kept[at[:, None] + np.arange(CONTEXT)].astype(np.int64)
    # Windows of the held-out blocks, spread evenly over the book.
    windows = np.concatenate([
        b[s + np.arange(CONTEXT + 1)][None] for b in held
        for s in range(0, block - CONTEXT - 1, CONTEXT)])
    windows = windows[np.linspace(0, len(windows) - 1, VALIDATION_SAMPLES).astype(int)]
    tokens, labels = windows[:, :-1].astype(np.int64), windows[:, 1:].astype(np.int64)
    loss = float(loss_fn(params, tokens, labels))
    print(f"validation: {loss:.4f} nats a character, perplexity {math.exp(loss):.4f}")

    args.out.mkdir(parents=True, exist_ok=True)
    onnx.save(to_onnx(params, alphabet), args.out / "charlm.onnx")
    np.savez_compressed(args.out / "calib.npz", tokens=calibration)
    np.savez_compressed(args.out / "valid.npz", tokens=tokens, labels=labels)
    # The validation windows as text, for the reader.
    excerpts = ["".join(alphabet[i] for i in w) for w in windows]
    (args.out / "valid.txt").write_text("\n-----\n".join(excerpts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
