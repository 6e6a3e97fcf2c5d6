#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Trains the small digits CNN of this folder and writes digits.onnx, calib.npz
and test.npz next to this script.

    pip install -r ../../requirements-train.txt && python3 train.py

The data are the 1797 8x8 images of the UCI handwritten digits that scikit-learn
carries. Takes about a minute on two CPU cores.
"""
import argparse
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

TEST_SAMPLES, CALIBRATION_SAMPLES = 597, 200
EPSILON = 1e-5

# (name, output channels, kernel size, groups, max-pool behind it)
CONVOLUTIONS = (("conv1", 32, 3, 1, False), ("conv2", 64, 3, 1, True),
                ("depthwise", 64, 3, 64, False), ("pointwise", 64, 1, 1, False))
HIDDEN, CLASSES = 128, 10


def init(seed):
    """Trainable parameters and the running statistics of batch normalization."""
    rng = np.random.default_rng(seed)
    params, stats, channels = {}, {}, 1

    def normal(name, shape, fan_in):
        params[name] = jnp.asarray(rng.normal(0, (2 / fan_in) ** 0.5, shape), jnp.float32)

    for name, out, size, groups, _ in CONVOLUTIONS:
        inner = channels // groups
        normal(name + ".weight", (out, inner, size, size), inner * size * size)
        params[name + ".bn.scale"], params[name + ".bn.bias"] = jnp.ones(out), jnp.zeros(out)
        stats[name + ".bn.mean"], stats[name + ".bn.var"] = jnp.zeros(out), jnp.ones(out)
        channels = out
    features = channels * 4 * 4
    normal("fc1.weight", (HIDDEN, features), features)
    normal("fc2.weight", (CLASSES, HIDDEN), HIDDEN)
    params["fc1.bias"], params["fc2.bias"] = jnp.zeros(HIDDEN), jnp.zeros(CLASSES)
    return params, stats


def forward(params, stats, x, training):
    """Logits, and the statistics updated from this batch when training."""
    new = {}
    for name, _, size, groups, pool in CONVOLUTIONS:
        x = jax.lax.conv_general_dilated(x, params[name + ".weight"], (1, 1),
                                         [(size // 2, size // 2)] * 2,
                                         feature_group_count=groups)
        mean, var = stats[name + ".bn.mean"], stats[name + ".bn.var"]
        if training:
            batch_mean, batch_var = x.mean((0, 2, 3)), x.var((0, 2, 3))
            new[name + ".bn.mean"] = 0.9 * mean + 0.1 * batch_mean
            new[name + ".bn.var"] = 0.9 * var + 0.1 * batch_var
            mean, var = batch_mean, batch_var
        scale = params[name + ".bn.scale"] * jax.lax.rsqrt(var + EPSILON)
        shift = params[name + ".bn.bias"] - mean * scale
        x = jax.nn.relu(x * scale[:, None, None] + shift[:, None, None])
        if pool:
            x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2),
                                      "VALID")
    x = x.reshape(x.shape[0], -1)
    x = jax.nn.relu(x @ params["fc1.weight"].T + params["fc1.bias"])
    return x @ params["fc2.weight"].T + params["fc2.bias"], new


def train(params, stats, images, labels, epochs, seed, batch=64):
    """Adam on randomly shifted images, with a cosine schedule."""
    def loss_fn(params, stats, x, y):
        logits, new = forward(params, stats, x, True)
        logp = jax.nn.log_softmax(logits)
        return -jnp.take_along_axis(logp, y[:, None], -1).mean(), new

    total = epochs * (len(images) // batch)

    @jax.jit
    def step(params, stats, m, v, t, x, y):
        (loss, stats), grad = jax.value_and_grad(loss_fn, has_aux=True)(params, stats, x, y)
        rate = 2e-3 * 0.5 * (1 + jnp.cos(jnp.pi * t / total))
        m = {k: 0.9 * m[k] + 0.1 * grad[k] for k in m}
        v = {k: 0.999 * v[k] + 0.001 * jnp.square(grad[k]) for k in v}
        params = {k: p - rate * ((m[k] / (1 - 0.9**t)) / (jnp.sqrt(v[k] / (1 - 0.999**t)) + 1e-8)
                                 + (1e-2 * p if p.ndim > 1 else 0)) for k, p in params.items()}
        return params, stats, m, v, loss

    rng = np.random.default_rng(seed)
    m = v = {k: jnp.zeros_like(p) for k, p in params.items()}
    t = 0
    for epoch in range(epochs):
        order = rng.permutation(len(images))[:len(images) // batch * batch]
        for index in order.reshape(-1, batch):
            t += 1
            dy, dx = rng.integers(-1, 2, 2)
            padded = np.pad(images[index], ((0, 0), (0, 0), (1, 1), (1, 1)))
            x = padded[:, :, 1 + dy:9 + dy, 1 + dx:9 + dx]
            params, stats, m, v, loss = step(params, stats, m, v, float(t), x, labels[index])
        if epoch % 10 == 9:
            print(f"epoch {epoch + 1}: loss {float(loss):.4f}", flush=True)
    return params, stats


def to_onnx(params, stats):
    """The network with its BatchNormalization nodes, as an opset 17 model."""
    nodes, x = [], "image"

    def node(op, inputs, output, **attributes):
        nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    for name, _, size, groups, pool in CONVOLUTIONS:
        x = node("Conv", [x, name + ".weight"], f"/{name}/conv", kernel_shape=[size, size],
                 pads=[size // 2] * 4, strides=[1, 1], dilations=[1, 1], group=groups)
        bn = name + ".bn."
        x = node("BatchNormalization", [x, bn + "scale", bn + "bias", bn + "mean", bn + "var"],
                 f"/{name}/bn", epsilon=EPSILON)
        x = node("Relu", [x], f"/{name}/relu")
        if pool:
            x = node("MaxPool", [x], f"/{name}/pool", kernel_shape=[2, 2], strides=[2, 2])
    x = node("Flatten", [x], "/flatten", axis=1)
    x = node("Gemm", [x, "fc1.weight", "fc1.bias"], "/fc1/gemm", transB=1)
    x = node("Relu", [x], "/fc1/relu")
    node("Gemm", [x, "fc2.weight", "fc2.bias"], "logits", transB=1)

    graph = helper.make_graph(
        nodes, "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", CLASSES])],
        [numpy_helper.from_array(np.asarray(value, np.float32), name)
         for name, value in {**params, **stats}.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)],
                              producer_name="compress examples/digits/train.py")
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    args = parser.parse_args()

    digits = load_digits()
    images = (digits.images[:, None] / 16).astype(np.float32)
    train_x, test_x, train_y, test_y = train_test_split(
        images, digits.target.astype(np.int64), test_size=TEST_SAMPLES, stratify=digits.target,
        random_state=args.seed)
    params, stats = init(args.seed)
    params, stats = train(params, stats, train_x, train_y, args.epochs, args.seed)
    logits, _ = forward(params, stats, test_x, False)
    correct = int((np.argmax(logits, -1) == test_y).sum())
    print(f"test accuracy: {correct}/{len(test_y)} = {100 * correct / len(test_y):.2f} %")

    args.out.mkdir(parents=True, exist_ok=True)
    onnx.save(to_onnx(params, stats), args.out / "digits.onnx")
    np.savez_compressed(args.out / "calib.npz", image=train_x[:CALIBRATION_SAMPLES])
    np.savez_compressed(args.out / "test.npz", image=test_x, labels=test_y)


if __name__ == "__main__":
    main()
