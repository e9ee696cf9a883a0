# SPDX-License-Identifier: Apache-2.0
"""Do the documents say what is there?"""
import json
import os
import re
import subprocess

import pytest

import tree

README = tree.ROOT / "README.md"
ARCHITECTURE = tree.ROOT / "ARCHITECTURE.md"
FIRST_SCREEN_LINES = 40


def named_files(text):
    """Files in back quotes with a folder of ours in front: `preload/open_calls.cpp`; not patterns."""
    found = re.findall(r"`((?:preload|agent|transport|fusefs|tests|examples)/[\w./-]+)`", text)
    return sorted(set(found))


def test_files_named_in_the_documents_exist():
    for document in tree.files_ending(".md"):
        names = named_files(document.read_text())
        missing = [name for name in names if not (tree.ROOT / name).exists()]
        assert not missing, f"{document.name} names {missing}"


def test_the_architecture_follows_one_open_and_read():
    rows = re.findall(r"^\| *\d+ *\| *`([\w/.]+)`", ARCHITECTURE.read_text(), re.MULTILINE)
    assert len(rows) >= 10
    assert [row for row in rows if not (tree.ROOT / row).is_file()] == []


def test_links_between_documents_lead_somewhere():
    for document in tree.files_ending(".md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_the_readme_shows_the_two_commands_on_its_first_screen():
    first_screen = "\n".join(README.read_text().splitlines()[:FIRST_SCREEN_LINES])
    for text in ("./examples/demo", "./tests/run", "LD_PRELOAD=libqnet.so cp"):
        assert text in first_screen, text


@pytest.mark.parametrize("command", ["tests/setup", "tests/run", "tests/lab", "examples/demo", ".ci/run"])
def test_the_commands_of_the_readme_can_be_run(command):
    path = tree.ROOT / command
    assert path.exists() and os.access(path, os.X_OK), command


def help_of(program):
    path = tree.BUILD / "bin" / program
    if not path.exists():
        pytest.fail(f"{path} is not built")
    run = subprocess.run([path, "--help"], capture_output=True, text=True, timeout=10)
    assert run.returncode == 0, run.stderr
    return run.stdout


def options_of(text):
    return re.findall(r"^\s*(?:-\w,\s*)?--([\w-]+)", text, re.MULTILINE)


def test_help_names_every_setting_of_the_contract():
    options = set(options_of(help_of("qnetd")))
    assert {"name", "link", "peer", "socket", "trusted", "config", "prefix", "help"} <= options


def test_settings_are_spelled_alike_and_explained():
    text = help_of("qnetd")
    for option in options_of(text):
        assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", option), option
    for line in text.splitlines():
        assert len(line) <= 160, line


def test_readme_uses_only_options_that_exist():
    known = set(options_of(help_of("qnetd")))
    commands = re.findall(r"^qnetd (.*?)(?:&|#|$)", README.read_text(), re.MULTILINE)
    assert commands
    for command in commands:
        assert set(re.findall(r"--([\w-]+)", command)) <= known, command


def test_the_command_lists_its_verbs():
    text = help_of("qnet")
    for verb in ("run", "nodes", "stats"):
        assert re.search(rf"^\s+{verb}\b", text, re.MULTILINE), verb


def test_versions_agree():
    version = re.search(r"project\(qnet VERSION (\d+\.\d+\.\d+)", (tree.ROOT / "CMakeLists.txt").read_text())[1]
    assert f"## {version}" in (tree.ROOT / "CHANGELOG.md").read_text()


def test_presets_are_there():
    presets = json.loads((tree.ROOT / "CMakePresets.json").read_text())["configurePresets"]
    assert {"dev", "release", "asan", "tsan", "fuzz"} <= {preset["name"] for preset in presets}
