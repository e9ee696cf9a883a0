# SPDX-License-Identifier: Apache-2.0
"""Do files and lines stay as small as STYLE.md says?"""
import re

import tree

LINE_COLUMNS_MAX = 120
FILE_LINES_MAX = 600
MAIN_LINES_MAX = 80
PUBLIC_HEADER_LINES_MAX = 250
FUNCTION_LINES_MAX = 75  # "up to 70", with the braces and a comment


def long_lines():
    for path in tree.sources():
        if path.suffix == ".def":
            continue  # One row, one line.
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if len(line) > LINE_COLUMNS_MAX:
                yield f"{tree.name(path)}:{number}: {len(line)} columns"


def line_count(path):
    return len(path.read_text().splitlines())


_HEAD = re.compile(r"^(?!namespace\b|class\b|struct\b|enum\b)[A-Za-z].*\)[^;]*\{$")


def functions(path):
    """(first line, length) of each top-level body, as clang-format lays it out: from `… {` to a `}` in column 0."""
    start = None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if start is None and _HEAD.match(line):
            start = number
        elif start is not None and line.startswith("}"):
            yield start, number - start + 1
            start = None


def test_no_line_is_longer_than_120_columns():
    wrong = list(long_lines())
    assert not wrong, "\n".join(wrong)


def test_no_file_is_longer_than_600_lines():
    wrong = [f"{tree.name(p)}: {line_count(p)} lines" for p in tree.sources() if line_count(p) > FILE_LINES_MAX]
    assert not wrong, "\n".join(wrong)


def test_every_main_file_is_short():
    wrong = [f"{tree.name(p)}: {line_count(p)} lines" for p in tree.sources()
             if p.name == "main.cpp" and line_count(p) > MAIN_LINES_MAX]
    assert not wrong, "\n".join(wrong)


def test_public_headers_are_short():
    wrong = [f"{tree.name(p)}: {line_count(p)} lines" for p in tree.files_ending(".hpp")
             if not tree.name(p).startswith("tests/") and line_count(p) > PUBLIC_HEADER_LINES_MAX]
    assert not wrong, "\n".join(wrong)


def test_functions_fit_on_a_screen():
    wrong = [f"{tree.name(path)}:{start}: {length} lines"
             for path in tree.files_ending(*tree.CPP) for start, length in functions(path)
             if length > FUNCTION_LINES_MAX]
    assert not wrong, "\n".join(wrong)
