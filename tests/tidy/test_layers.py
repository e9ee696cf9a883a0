# SPDX-License-Identifier: Apache-2.0
"""Does every include follow an arrow of the picture in ARCHITECTURE.md? Nothing includes upwards."""
import re

import pytest

import tree

BASE = ["transport/base"]
WIRE = ["transport/wire"] + BASE
CORE = ["transport/core"] + WIRE
LINK = ["transport/link"] + CORE
CLIENT = ["agent/client"] + WIRE

# Folder: what it may include, itself included. The longest matching folder decides.
MAY_INCLUDE = {
    "transport/base": BASE,
    "transport/wire": WIRE,
    "transport/core": CORE,
    "transport/link": LINK,
    "agent/client": CLIENT,
    "agent/exec": ["agent/exec"] + WIRE,
    "agent/cli": ["agent/cli"] + CLIENT,
    "agent": ["agent", "agent/exec"] + CLIENT + LINK,
    "preload": ["preload"] + CLIENT,
    "preload/include": ["preload/include"],
    "fusefs": ["fusefs"] + CLIENT,
    "examples": ["preload/include"],
}

# System headers and who alone may use them.
ONLY_IN = [
    (r"boost/", ["agent"]),
    (r"sodium", ["transport/link"]),
    (r"spdlog/|fmt/", ["agent", "agent/cli"]),
    (r"nlohmann/|CLI/", ["agent", "agent/cli"]),
    (r"fuse", ["fusefs"]),
]

# What ends up in other people's processes stays small and starts quickly.
LEAN = ["preload", "agent/client", "transport/wire", "transport/base"]
NOT_LEAN = r"(iostream|regex|locale|sstream|fstream|iomanip|ostream|istream|filesystem|format|thread)$"

# Sans-IO: no system call, no clock, no thread.
NOT_IN_CORE = (r"(unistd\.h|fcntl\.h|time\.h|ctime|poll\.h|pthread\.h|thread|mutex|shared_mutex|condition_variable"
               r"|future|sys/.*|net/.*|netinet/.*|linux/.*|arpa/.*)$")
NOT_CALLED_IN_CORE = r"\b(random_device|steady_clock::now|system_clock|clock_gettime|gettimeofday|getrandom|syscall)\b"

_INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"(?P<own>[^"]+)"|<(?P<system>[^>]+)>)', re.MULTILINE)


def longest(path, folders):
    """The innermost of `folders` that holds `path`."""
    holding = [folder for folder in folders if path.startswith(folder + "/")]
    return max(holding, key=len, default=None)


def includes(kind):
    for path in tree.files_ending(*tree.CPP, *tree.C, ".def"):
        for match in _INCLUDE.finditer(path.read_text()):
            if match[kind]:
                yield tree.name(path), match[kind]


def code_of(folder):
    return [p for p in tree.files_ending(*tree.CPP) if tree.name(p).startswith(folder + "/")]


def violates(source, included):
    folder = longest(source, MAY_INCLUDE)
    if folder is None:
        return False  # tests may include anything
    owner = longest(included, MAY_INCLUDE)
    return owner not in MAY_INCLUDE[folder]


def test_nothing_includes_upwards():
    wrong = [f"{source} includes {included}" for source, included in includes("own") if violates(source, included)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("source, included, is_wrong", [
    ("transport/base/x.hpp", "transport/wire/message.hpp", True),
    ("transport/wire/x.hpp", "transport/base/ids.hpp", False),
    ("transport/core/x.cpp", "transport/link/link_driver.hpp", True),
    ("agent/exec/x.cpp", "transport/core/engine.hpp", True),
    ("agent/exec/x.cpp", "agent/router.hpp", True),
    ("agent/client/x.cpp", "transport/wire/codec.hpp", False),
    ("agent/client/x.cpp", "agent/exec/executor.hpp", True),
    ("agent/x.cpp", "agent/cli/x.hpp", True),
    ("agent/x.cpp", "agent/exec/executor.hpp", False),
    ("agent/x.cpp", "preload/route.hpp", True),
    ("preload/x.cpp", "agent/client/client.hpp", False),
    ("preload/x.cpp", "agent/exec/executor.hpp", True),
    ("preload/x.cpp", "transport/core/engine.hpp", True),
    ("fusefs/x.cpp", "preload/route.hpp", True),
    ("agent/x.cpp", "tests/sim/x.hpp", True),
])
def test_the_check_itself_knows_the_arrows(source, included, is_wrong):
    assert violates(source, included) == is_wrong


def test_includes_are_written_from_the_root():
    wrong = [f'{source} includes "{included}", which is no file of the tree'
             for source, included in includes("own")
             if not (tree.ROOT / included).is_file() and not (tree.ROOT / "preload/include" / included).is_file()
             and not any(tree.BUILD.glob(f"**/{included}"))]
    assert not wrong, "\n".join(wrong)


def test_libraries_stay_where_they_belong():
    wrong = []
    for source, included in includes("system"):
        folder = longest(source, MAY_INCLUDE)
        for pattern, allowed in ONLY_IN:
            if folder and re.match(pattern, included) and folder not in allowed:
                wrong.append(f"{source} includes <{included}>: only {', '.join(allowed)} may")
    assert not wrong, "\n".join(wrong)


def test_the_preload_library_stays_lean():
    wrong = [f"{source} includes <{included}>" for source, included in includes("system")
             if longest(source, MAY_INCLUDE) in LEAN and re.match(NOT_LEAN, included)]
    assert not wrong, "\n".join(wrong)


def test_the_core_makes_no_system_call_and_asks_no_clock():
    wrong = [f"{source} includes <{included}>" for source, included in includes("system")
             if longest(source, MAY_INCLUDE) == "transport/core" and re.match(NOT_IN_CORE, included)]
    for path in code_of("transport/core"):
        wrong += [f"{tree.name(path)} uses {use}" for use in re.findall(NOT_CALLED_IN_CORE, path.read_text())]
    assert not wrong, "\n".join(wrong)
