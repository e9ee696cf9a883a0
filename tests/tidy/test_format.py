# SPDX-License-Identifier: Apache-2.0
"""Is the text of every source file as the tools and STYLE.md want it?"""
import re
import shutil
import subprocess

import pytest

import tree

# A home or build path of somebody's machine; standard places of Debian are none.
_MACHINE_PATH = re.compile(r"(?<![\w.])/(home|Users|work|workspace)/[\w.-]+")


def test_clang_format_has_nothing_to_say():
    if not shutil.which("clang-format"):
        pytest.skip("clang-format is not installed")
    files = [str(path) for path in tree.files_ending(*tree.CPP)]
    run = subprocess.run(["clang-format", "--dry-run", "-Werror", "--style=file", *files], cwd=tree.ROOT,
                         capture_output=True, text=True)
    wrong = sorted({line.split(":")[0].removeprefix(f"{tree.ROOT}/") for line in run.stderr.splitlines()
                    if "error:" in line})
    assert run.returncode == 0, "clang-format -i " + " ".join(wrong)


def test_every_source_file_names_its_licence():
    wrong = [tree.name(path) for path in tree.sources()
             if "SPDX-License-Identifier: Apache-2.0" not in "\n".join(path.read_text().splitlines()[:3])]
    assert not wrong, "\n".join(wrong)


def test_the_licence_is_there():
    text = (tree.ROOT / "LICENSE").read_text()
    assert "Apache License" in text and "Version 2.0" in text


def test_no_trailing_blanks_tabs_or_missing_last_newline():
    wrong = []
    for path in tree.sources() + tree.files_ending(".md"):
        text = path.read_text()
        wrong += [f"{tree.name(path)}:{number}: trailing blank" for number, line in enumerate(text.split("\n"), 1)
                  if line != line.rstrip()]
        if "\t" in text:
            wrong.append(f"{tree.name(path)}: a tab")
        if text and not text.endswith("\n"):
            wrong.append(f"{tree.name(path)}: no newline at the end")
    assert not wrong, "\n".join(wrong)


def test_cpp_files_say_which_question_they_answer():
    """Headers begin with their own name and the question, as in `ids.hpp: which integers must not be confused?`."""
    wrong = [tree.name(path) for path in tree.files_ending(".hpp")
             if f"// {path.name}:" not in path.read_text()]
    assert not wrong, "\n".join(wrong)


def test_headers_are_included_once():
    wrong = [tree.name(path) for path in tree.files_ending(".hpp") if "#pragma once" not in path.read_text()]
    assert not wrong, "\n".join(wrong)


def test_nothing_is_left_to_do():
    mark = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
    wrong = [f"{tree.name(path)}:{number}" for path in tree.sources()
             for number, line in enumerate(path.read_text().splitlines(), 1) if mark.search(line)]
    assert not wrong, "\n".join(wrong)


def test_no_path_of_one_machine_is_in_the_tree():
    wrong = [f"{tree.name(path)}: {match[0]}" for path in tree.sources() + tree.files_ending(".md", ".json")
             if path.name != "test_format.py" for match in _MACHINE_PATH.finditer(path.read_text())]
    assert not wrong, "\n".join(wrong)


def test_only_the_version_and_known_names_are_at_the_root():
    folders = {path.name for path in tree.ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}
    assert folders - {"build", "__pycache__"} <= {"preload", "agent", "transport", "fusefs", "tests", "examples"}
