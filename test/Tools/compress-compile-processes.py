"""`mpirun -n N compress-compile` gives the same files as one process, writes and
prints once, and ends with one message when one of the processes cannot go on."""
# REQUIRES: mpi, numpy
# RUN: %python %s %t
import os
import shlex
import shutil
import subprocess
import sys

work = sys.argv[1]
examples = os.environ["COMPRESS_EXAMPLES"]
tool = os.path.join(os.environ["COMPRESS_TOOLS_DIR"], "compress-compile")
shutil.rmtree(work, ignore_errors=True)
os.makedirs(work)
data = f"{examples}/digits/calib.npz"

# Variables mean nothing to other MPIs than Open MPI, options could be errors.
environment = dict(os.environ, OMPI_MCA_rmaps_base_oversubscribe="1",
                   PRTE_MCA_rmaps_default_mapping_policy=":oversubscribe")
if os.geteuid() == 0:
    environment.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")


def command(out, *extra, data=data):
    return [tool, f"{examples}/digits/digits.onnx", "-o", f"{work}/{out}", "--data", data,
            "--no-compare", "--max-size", "20%", "--levels",
            "f32,int8,int4-g32,int4-g32:rtn(range=mse),sparse-50%+int8,w8a8", *extra]


def run(*processes):
    """Each of `processes` is a number of them and their command."""
    line = processes[0][1]
    if len(processes) > 1:
        # Not by "mpirun A : B", on which that of Open MPI 5.0.7 crashes.
        ranks = [shlex.join(one) for number, one in processes for _ in range(number)]
        cases = " ".join(f"{rank}) exec {one};;" for rank, one in enumerate(ranks))
        line = ["sh", "-c", f"case ${{OMPI_COMM_WORLD_RANK:-$PMI_RANK}} in {cases} esac"]
    total = sum(number for number, _ in processes)
    return subprocess.run(["mpirun", "-n", str(total), *line], env=environment,
                          capture_output=True, text=True, timeout=300)


def check_same(out):
    for name in ("plan.yaml", "model.safetensors", "model.onnx"):
        with open(f"{work}/one/{name}", "rb") as one, open(f"{work}/{out}/{name}", "rb") as other:
            assert one.read() == other.read(), f"{name} of {out} differs"


subprocess.run(command("one"), check=True, stdout=subprocess.DEVNULL)
levels = {line.split()[-1] for line in open(f"{work}/one/plan.yaml") if "level:" in line}
assert len(levels) > 1, f"a plan with one level shows little: {levels}"
for count in (2, 3):
    out = f"by-{count}"
    done = run((count, command(out, "--cache", f"{work}/cache-{count}")))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("digits.onnx: search") == 1, done.stdout
    check_same(out)
    # Each job was done by one of them.
    assert len(os.listdir(f"{work}/cache-{count}")) >= 20
left = sorted(os.listdir(work))
assert left == ["by-2", "by-3", "cache-2", "cache-3", "one"], left

# What is not searched for needs no help.
done = run((2, [tool, f"{examples}/digits/digits.onnx", "-o", f"{work}/int8", "--no-compare"]))
assert done.returncode == 0 and done.stdout.count("digits.onnx: level") == 1, done.stdout
shutil.rmtree(f"{work}/int8")


def check_error(message, *processes):
    done = run(*processes)
    errors = [line for line in done.stderr.splitlines() if "compress-compile: error" in line]
    assert done.returncode != 0 and len(errors) == 1 and message in errors[0], done.stderr
    assert "digits.onnx: search" not in done.stdout, done.stdout
    assert sorted(os.listdir(work)) == left, os.listdir(work)


# In all, in one that only helps, between them, and at the end of the first.
check_error("no.npz", (2, command("no", data=f"{work}/no.npz")))
check_error("(--help tells more)", (2, command("no", "--no-such-option")))
check_error("no.npz", (1, command("no")), (1, command("no", data=f"{work}/no.npz")))
check_error("process 1 has another program, model or data than process 0",
            (1, command("no")), (1, command("no", "--seed", "1", data=f"{examples}/digits/test.npz")))
check_error("--max-size", (2, command("no", "--max-size", "0.1%")))
