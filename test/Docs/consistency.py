# What the documents say exists, exists: the targets of links, the passes of
# docs/Pipelines.md, the test of each constraint in docs/Encodings.md.
#
# RUN: compress-opt --help > %t.help
# RUN: %python %s %t.help
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parents[2]
problems = []

pages = [root / "README.md", root / "CONTRIBUTING.md", *sorted((root / "docs").glob("*.md"))]
assert len(pages) > 5
for page in pages:
    text = page.read_text()
    prose = re.sub(r"^ *```.*?^ *```", "", text, flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)#:]+)\)", prose):
        if not (page.parent / target).exists():
            problems.append(f"{page.name}: no file {target}")
    if text.count("```") % 2:
        problems.append(f"{page.name}: a code block is not closed")

known = set(re.findall(r"--([a-z0-9-]+)", pathlib.Path(sys.argv[1]).read_text()))
ours = r"`((?:compress|onnx|convert-onnx|convert-compress)-[a-z0-9-]+)`"
passes = set(re.findall(ours, (root / "docs/Pipelines.md").read_text()))
tools = {path.name for path in (root / "tools").iterdir()}
assert len(passes) > 15
problems += [f"Pipelines.md: no pass {name}" for name in sorted(passes - known - tools)]

errors = (root / "test/Dialect/Compress/IR/errors.mlir").read_text()
tested = set(re.findall(r"func\.func (?:private )?@(\w+)", errors))
constraints = (root / "docs/Encodings.md").read_text().split("## Constraints")[1]
rows = re.findall(r"^\| ([A-Z]\d+) \|.*\| ([^|]*) \|$", constraints, re.M)
assert len(rows) > 15
for number, tests in rows:
    names = re.findall(r"`@(\w+)`", tests)
    if not names:
        problems.append(f"Encodings.md: {number} names no test")
    problems += [f"Encodings.md: {number}: no test @{n}" for n in names if n not in tested]

for line in problems:
    print(line)
sys.exit(bool(problems))
