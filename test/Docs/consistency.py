# What the documents say exists, exists: the targets of links, the passes of
# docs/Pipelines.md, the test of each constraint and every type in
# docs/Encodings.md.
#
# RUN: compress-opt --help > %t.help
# RUN: %python %s %t.help
import os
import pathlib
import re
import subprocess
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
ours = r"`((?:compress|onnx|convert-(?:onnx|compress|quant|sparse-tensor))-[a-z0-9-]+)`"
passes = set(re.findall(ours, (root / "docs/Pipelines.md").read_text()))
tools = {path.name for path in (root / "tools").iterdir()}
assert len(passes) > 15
problems += [f"Pipelines.md: no pass {name}" for name in sorted(passes - known - tools)]

# A constraint names the file of its negative test, in which a comment with the
# constraint's number stands before an expected error; and the other way round.
page = (root / "docs/Encodings.md").read_text()
constraints = re.findall(r"^\| ([a-z]+-C\d+) \|.*\| ([^|]*) \|$", page, re.M)
assert len(constraints) > 80
tests = root / "test/Dialect/Compress/IR"
tested = set()
for path in sorted(tests.glob("*errors.mlir")):
    for part in path.read_text().split("// -----"):
        numbers = re.findall(r"^// ([a-z]+-C\d+)$", part, re.M)
        tested.update((number, path.name) for number in numbers)
        if numbers and "expected-error" not in part:
            problems.append(f"{path.name}: {numbers[0]}: no error is expected")
stated = set()
for number, names in constraints:
    files = re.findall(r"`([a-z-]+\.mlir)`", names)
    if not files:
        problems.append(f"Encodings.md: {number} names no test")
    if number in {known for known, _ in stated}:
        problems.append(f"Encodings.md: {number} is there twice")
    stated.update((number, name) for name in files)
problems += [f"Encodings.md: {number}: no comment '// {number}' in {name}"
             for number, name in sorted(stated - tested)]
problems += [f"{name}: {number} is not in Encodings.md" for number, name in sorted(tested - stated)]

# The types that the page shows are legal, and what is printed for one is the
# same type and prints as itself.
blocks = re.findall(r"^```mlir\n(.*?)^```", page, re.M | re.S)
types = [re.sub(r"\s+", " ", text).strip()
         for block in blocks
         for text in re.sub(r"^//.*\n", "", block, flags=re.M).split("!compress.tensor")[1:]]
types = ["!compress.tensor" + text for text in types]
assert len(types) > 50


def compress_opt(text):
    tool = os.path.join(os.environ["COMPRESS_TOOLS_DIR"], "compress-opt")
    result = subprocess.run([tool, "-"], input=text, text=True, capture_output=True)
    if result.returncode != 0:
        sys.exit(f"the types of Encodings.md:\n{result.stderr}")
    return result.stdout


def declared(text):
    return re.findall(r"^ *func\.func private @t\d+\((.*)\)$", text, re.M)


def declare(list):
    return "".join(f"func.func private @t{i}({type})\n" for i, type in enumerate(list))


printed = declared(compress_opt(declare(types)))
assert len(printed) == len(types)
again = declared(compress_opt(declare(printed)))
problems += [f"Encodings.md: {a} prints as {b}, which prints as {c}"
             for a, b, c in zip(types, printed, again) if b != c]
for type, text in zip(types, printed):
    spaced = re.sub(r"\d\.\d+e[+-]\d+", lambda number: str(float(number[0])), text)
    isShort = text.count("quant<") < type.count("quant<") or (
        text.count("scaled<") < type.count("scaled<"))
    if " ," in text or not isShort and "".join(spaced.split()) != "".join(type.split()):
        problems.append(f"Encodings.md: {type} prints as {text}")
compress_opt("".join(f"func.func @t{i}(%x: {a}) -> {b} {{ return %x : {a} }}\n"
                     for i, (a, b) in enumerate(zip(types, printed))))

for line in problems:
    print(line)
sys.exit(bool(problems))
