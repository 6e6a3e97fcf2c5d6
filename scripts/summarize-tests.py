#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Prints what lit's xunit results hold: how many tests were skipped and why, the
failed ones, and "N passed, N failed, N skipped" as the last line.

    summarize-tests.py RESULTS.xml LIT_EXIT_CODE

Exits with 1 if a test failed, none ran, or lit itself failed. (lit's JSON results
would do, but leave out the unit tests that skip themselves.)
"""
import collections
import sys
import xml.etree.ElementTree


def main():
    path, lit_status = sys.argv[1], int(sys.argv[2])
    try:
        cases = list(xml.etree.ElementTree.parse(path).iter("testcase"))
    except (OSError, xml.etree.ElementTree.ParseError) as error:
        print(f"error: lit left no results: {error}")
        cases, lit_status = [], lit_status or 1

    failed, reasons = [], collections.Counter()
    for case in cases:
        skipped = case.find("skipped")
        if case.find("failure") is not None:
            failed.append(f"{case.get('classname')}/{case.get('name')}")
        elif skipped is not None:
            # This is how lit words a unit test's GTEST_SKIP.
            message = skipped.get("message", "")
            reasons["by the unit test itself" if message == "User interrupt" else message] += 1
    skipped = sum(reasons.values())
    passed = len(cases) - len(failed) - skipped

    for reason, count in sorted(reasons.items()):
        print(f"{count} skipped: {reason}")
    for name in failed:
        print(f"failed: {name}")
    if not passed and not failed:
        print("error: no test ran")
    broken = bool(lit_status and not failed)
    if broken:
        print(f"error: lit itself failed with exit code {lit_status}")
    print(f"{passed} passed, {len(failed)} failed, {skipped} skipped")
    return 1 if failed or broken or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
