# Each benchmark explains itself, without what it compares with installed.
#
# RUN: %python %s
import pathlib
import subprocess
import sys

folder = pathlib.Path(__file__).resolve().parents[2] / "benchmark"
scripts = [path for path in sorted(folder.glob("*.py")) if "ArgumentParser(" in path.read_text()]
assert len(scripts) >= 5, scripts
running = [(path, subprocess.Popen([sys.executable, path, "--help"], text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
           for path in scripts]
for path, process in running:
    text, _ = process.communicate()
    if process.returncode != 0 or "usage:" not in text or "examples:" not in text:
        sys.exit(f"{path.name} --help: exit code {process.returncode}\n{text}")
