# Results do not depend on the number of threads, nor on other runs at the same
# time; runs at the same time share the cores.
#
# REQUIRES: numpy
# RUN: %python %s %t digits f32 int8-dynamic w8a8 int4-g32+lowrank-r4
# RUN: %python %s %t charlm f32 int8-dynamic int4-g32 csr-90% sparse-50%
import os
import subprocess
import sys

import support

work = support.fresh(f"{sys.argv[1]}.{sys.argv[2]}")
example = support.EXAMPLES / sys.argv[2]
program = work / "run-concurrently"
is_image = sys.argv[2] == "digits"
if is_image:
    subprocess.run([os.environ["COMPRESS_CC"], "-O1", "-Wall", "-I", support.ROOT / "include",
                    support.ROOT / "test/Integration/Inputs/run-concurrently.c", "-o", program,
                    "-ldl", "-lpthread"], check=True)

for level in sys.argv[3:]:
    folder = work / level
    support.compile_model(example / f"{sys.argv[2]}.onnx", folder, "--level", level, "--data",
                          example / "calib.npz", "--no-compare")
    outputs = {}
    for threads in (1, 2, 3, 5):
        outputs[threads] = support.run_library(folder, example / "calib.npz", work, "--threads",
                                               threads)
    for threads, arrays in outputs.items():
        for name, array in arrays.items():
            assert array.tobytes() == outputs[1][name].tobytes(), (level, threads, name)

    if not is_image:
        continue  # The program makes up f32 inputs, not tokens.
    # More callers than cores, each with all cores if it were alone.
    cores, callers = len(os.sched_getaffinity(0)), 6
    for threads in (0, 2):
        done = subprocess.run([program, folder / "model.so", str(callers), "40", str(threads)],
                              capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        most = int(done.stdout)
        print(f"{level}: {most} threads for {callers} callers on {cores} cores ({threads})")
        # Who comes first finds all cores free.
        if threads == 0:
            assert most <= 1 + callers + 2 * cores, most
