#!/usr/bin/env python3
#===- gpu.py - self-test and times of a GPU target -----------------------------#
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#===---------------------------------------------------------------------------#
"""Run a GPU target on the GPU of this machine: its unit tests (every encoding
in products, convolutions and lookups), then matrix products x [M, K] times
constant weights [K, N] for each encoding, checked against the CPU target and
timed. Without a device it says so and stops."""
import argparse
import os
import subprocess
import sys
import tempfile

from harness import (BenchmarkError, CompiledModel, compile_model,
                     find_compiler, in_child, machine, print_cells,
                     relative_error, summarize, time_block, write_json)
import cuda_peer
import kernel_cases as kernels

LEVELS = ["f32", "int8", "int4-g32", "int3-g32", "nf4-g64", "mxfp4", "w8a8",
          "int8-dynamic", "2:4"]
# Largest difference over the largest output: sums in another order, and for
# rounded activations a code of one value that may go either way.
TOLERANCE, TOLERANCE_ROUNDED = 5e-5, 2e-3
TESTS = ["CompressEncodingProductJITTests", "CompressIntegerProductTests",
         "CompressEncodingAgreementTests"]

EPILOG = """\
examples:
  gpu.py --target cuda:sm_90 --json gpu.json
  gpu.py --no-tests --levels f32,int4-g32 --shapes 4096x4096 --rows 1,128

Times include the copies of x and y between host and device. `GB/s` are the
bytes of the stored weight over that time, `of copy` is their share of what a
copy on the device was measured to read and write. Ratios are to cuBLASLt on
values of f16, or of int8 where both factors are codes, with the same copies
(`x Lt`) and alone on the device (`x Lt alone`); 2 is twice as slow.

exit code:
  0: all agrees, or there is no device; 1: a test or comparison failed; 2: the
  command line is wrong
"""


def find_device(compiler, target):
    """What `compress-compile --targets` says of it."""
    listing = subprocess.run([compiler, "--targets"], capture_output=True,
                             text=True, check=True).stdout
    name = target.split(":")[0]
    for line in listing.splitlines():
        if line.startswith(name + ": "):
            return line[len(name) + 2:]
    raise BenchmarkError(f"no target is '{name}'")


def run_tests(folder, target):
    """Names of the unit test binaries that failed."""
    failed = []
    for name in TESTS:
        binary = os.path.join(folder, "..", "unittests", name)
        if not os.path.exists(binary):
            print(f"{name}: not built")
            continue
        base = target.split(":")[0]
        done = subprocess.run([binary, f"--gtest_filter=*/{base}"],
                              capture_output=True, text=True)
        lines = [line for line in done.stdout.splitlines()
                 if line.startswith(("[  PASSED", "[  FAILED", "[  SKIPPED"))]
        print(f"{name}: {'; '.join(lines) or 'crashed'}", flush=True)
        if done.returncode:
            failed.append(name)
    return failed


def measure(job):
    """One product on the device and on the CPU."""
    case = kernels.Case(job["level"], {})
    with tempfile.TemporaryDirectory() as folder:
        model = os.path.join(folder, "model.onnx")
        kernels.save_model(case, model, job["m"], job["k"], job["n"])
        data = os.path.join(folder, "data.npz")
        import numpy as np
        x = kernels.make_input(job["m"], job["k"])
        np.savez(data, x=x)
        sides = {}
        for target in (job["target"], "cpu"):
            out = os.path.join(folder, target.replace(":", "-"))
            compile_model(job["compiler"], model, job["level"], data, out,
                          ["--target", target])
            sides[target] = CompiledModel(os.path.join(out, "model.so"),
                                          job["threads"])
            sides[target].bind({"x": x})
            sides[target].run()
        ours, cpu = sides[job["target"]], sides["cpu"]
        error = relative_error(ours.results, cpu.results)
        stored = os.path.getsize(os.path.join(
            folder, job["target"].replace(":", "-"), "model.safetensors"))
        times = summarize([time_block(ours.run, job["seconds"])])
        return {"error": error, "bytes": stored, "median": times["median"],
                "cpu": summarize([time_block(cpu.run, job["seconds"])])["median"]}


def measure_peers(job):
    """What NVIDIA's library takes for the same product, alone on the device and
    with the copies that ours includes; a reason where something is missing."""
    row = {}
    if not job["target"].startswith("cuda"):
        return {"reason": "cuBLASLt is NVIDIA's"}
    try:
        device = cuda_peer.Device()
        for name, is_byte in (("f16", False), ("int8", True)):
            product = cuda_peer.Product(device, job["m"], job["k"], job["n"], is_byte)
            row[name] = device.time(product.enqueue, job["seconds"])
            row[name + "_copies"] = summarize(
                [time_block(product.run_with_copies, job["seconds"])])["median"]
            product.free()
    except cuda_peer.Unavailable as error:
        row["reason"] = str(error)
    return row


def measure_copies(job):
    """The bandwidth of copies on the device, or why it is not known."""
    if not job["target"].startswith("cuda"):
        return {"reason": "copies are timed on CUDA only"}
    try:
        return {"bytes_per_second": cuda_peer.Device().measure_copy(job["seconds"])}
    except cuda_peer.Unavailable as error:
        return {"reason": str(error)}


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", default="cuda:sm_80")
    parser.add_argument("--bin", default="", help="folder of the tools")
    parser.add_argument("--levels", default=",".join(LEVELS))
    parser.add_argument("--shapes", default="1000x1000,4096x4096",
                        help="KxN,... (default: %(default)s)")
    parser.add_argument("--rows", default="1,8,128,1024",
                        help="M,... (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--no-tests", action="store_true",
                        help="leave out the unit tests")
    parser.add_argument("--json", metavar="FILE")
    return parser.parse_args()


def main():
    args = parse()
    compiler = find_compiler(args.bin)
    state = find_device(compiler, args.target)
    if state != "runs here":
        print(f"skipped: no device ({state})")
        return 0
    failures = [] if args.no_tests else run_tests(
        os.path.dirname(os.path.abspath(compiler)), args.target)
    rows, lines = [], []
    copies = in_child(measure_copies, {"target": args.target, "seconds": args.seconds})
    bandwidth = copies.get("bytes_per_second")
    print("copies on the device:",
          f"{bandwidth / 1e9:.0f} GB/s" if bandwidth else
          f"not measured ({copies.get('reason') or copies.get('failure')})")
    reasons = set()
    for shape in args.shapes.split(","):
        k, n = map(int, shape.split("x"))
        for m in map(int, args.rows.split(",")):
            peers = in_child(measure_peers, {
                "target": args.target, "m": m, "k": k, "n": n,
                "seconds": args.seconds})
            reasons.update(filter(None, (peers.get("reason"), peers.get("failure"))))
            for level in args.levels.split(","):
                row = in_child(measure, {
                    "target": args.target, "level": level, "m": m, "k": k,
                    "n": n, "compiler": compiler, "threads": args.threads,
                    "seconds": args.seconds})
                rounded = level in ("w8a8", "int8-dynamic")
                name = "int8" if rounded else "f16"
                peer, alone = peers.get(name + "_copies"), peers.get(name)
                row.update(level=level, m=m, k=k, n=n, peer=peer, peer_alone=alone)
                rows.append(row)
                name = f"{level} {m}x{k}x{n}"
                if "failure" in row:
                    failures.append(name)
                    lines.append([name, row["failure"], *[""] * 6])
                    continue
                good = row["error"] <= (TOLERANCE_ROUNDED if rounded else TOLERANCE)
                if not good:
                    failures.append(name)
                speed = row["bytes"] / row["median"]
                lines.append([
                    name, f"{row['median'] * 1e6:.1f}", f"{row['cpu'] * 1e6:.1f}",
                    f"{speed / 1e9:.1f}",
                    f"{100 * speed / bandwidth:.0f} %" if bandwidth else "-",
                    f"{row['median'] / peer:.2f}" if peer else "-",
                    f"{row['median'] / alone:.2f}" if alone else "-",
                    f"{row['error']:.1e}" + ("" if good else " WRONG")])
    print_cells(["case", "us", "cpu us", "GB/s", "of copy", "x Lt", "x Lt alone",
                 "error"], lines, left=1)
    for reason in sorted(reasons):
        print(f"not compared with cuBLASLt: {reason}")
    if args.json:
        write_json(args.json, {"machine": machine(), "target": args.target,
                               "copies": copies, "rows": rows, "failures": failures})
    for failure in failures:
        print("FAILED:", failure)
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchmarkError as error:
        sys.exit(f"gpu.py: {error}")
