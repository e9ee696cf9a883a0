# SPDX-License-Identifier: Apache-2.0
"""tree.py: which files are ours, and where was the tree built?"""
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("QNET_BUILD_DIR", ROOT / "build"))

CPP = (".cpp", ".hpp")
C = (".c", ".h")
_NOT_OURS = {".git", "build", "__pycache__", ".pytest_cache", ".cache"}


def _walk():
    for folder, folders, files in os.walk(ROOT):
        folders[:] = sorted(name for name in folders if name not in _NOT_OURS)
        for name in sorted(files):
            path = Path(folder) / name
            if not path.is_symlink():
                yield path


def files():
    """Every file of the project, in a stable order."""
    return list(_walk())


def files_ending(*endings):
    return [path for path in files() if path.name.endswith(endings)]


def is_script(path):
    """A program without an ending, by its first line; not an input of a fuzz target."""
    with path.open("rb") as file:
        return "." not in path.name and "corpus" not in path.parts and file.read(2) == b"#!"


def sources():
    """What people write: code, lists, build files, scripts."""
    chosen = files_ending(*CPP, *C, ".def", ".py", ".sh", ".cmake", "CMakeLists.txt")
    return chosen + [path for path in files() if path not in chosen and is_script(path)]


def name(path):
    return str(path.relative_to(ROOT))
