# SPDX-License-Identifier: Apache-2.0
"""What is known about a lab, and where is it written down?

One folder per lab: lab.json, log/NODE (what the agent printed), nodes/NODE (an empty folder, where the node's namespace
mounts its tree). A process is named by pid and start time, so that a reused pid is not mistaken for it.
Writers hold an exclusive lock on the folder itself; `exec` only reads.
"""
import fcntl
import json
import os

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
HELPER = "qnet_lab_node"
FILE = "lab.json"


class LabError(Exception):
    """Something the user must know; printed as one message, status 1."""


def default_folder():
    return os.environ.get("QNET_LAB_STATE") or f"/tmp/qnet-lab-{os.getuid()}"


def start_time(pid):
    """Clock ticks since boot, or None when there is no such process (a zombie counts as none)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def process(pid):
    return {"pid": pid, "start": start_time(pid)}


def is_alive(known):
    return bool(known) and known["start"] is not None and start_time(known["pid"]) == known["start"]


def find_built(build, name):
    """In the lab's own build, else in the checkout's usual one: a sanitizer build has no library of its own."""
    for folder in (build, os.path.join(ROOT, "build")):
        path = os.path.join(folder, name)
        if os.path.exists(path):
            return path
    raise LabError(f"{build}/{name} is not built; run {ROOT}/tests/setup")


def load(folder):
    """The lab as `up` left it, or None."""
    try:
        with open(os.path.join(folder, FILE), encoding="utf-8") as file:
            return json.load(file)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def load_or_fail(folder):
    lab = load(folder)
    if lab is None or not lab["complete"]:
        raise LabError(f"no lab is up in {folder}; start one with tests/lab up a b")
    return lab


def save(folder, lab):
    path = os.path.join(folder, FILE)
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(lab, file, indent=1)
    os.rename(path + ".new", path)


def node_of(lab, name):
    if name not in lab["nodes"]:
        raise LabError(f"no node {name}; the nodes are {' '.join(lab['nodes'])}")
    return lab["nodes"][name]


class Lock:
    """with Lock(folder): nobody else changes this lab. The folder is made if `create`, else it may be missing."""

    def __init__(self, folder, create=False):
        self.folder = folder
        self.create = create
        self.fd = -1

    def __enter__(self):
        while True:
            if self.create:
                os.makedirs(self.folder, mode=0o755, exist_ok=True)
            try:
                self.fd = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except FileNotFoundError:
                return self
            fcntl.flock(self.fd, fcntl.LOCK_EX)
            try:  # Another `down` may have removed the folder while we waited.
                if os.path.samestat(os.stat(self.folder), os.fstat(self.fd)):
                    return self
            except FileNotFoundError:
                pass
            os.close(self.fd)
            self.fd = -1

    def __exit__(self, *_):
        if self.fd >= 0:
            os.close(self.fd)
