# SPDX-License-Identifier: Apache-2.0
"""How does a command get into a node? Kept small: every `exec` loads it, and tests run hundreds of them."""
import os

from labnet import state

LIBRARY = "/run/qnet/lib/libqnet.so"
SPARE_PATH = "/run/qnet/bin"


def environment_as_started():
    """The environment this program was given. Python itself may have added LC_CTYPE to os.environ."""
    with open("/proc/self/environ", "rb") as file:
        entries = file.read().split(b"\0")
    return dict(entry.split(b"=", 1) for entry in entries if b"=" in entry)


def read_table(init, name):
    """/etc/passwd or /etc/group as the node has it."""
    with open(f"/proc/{init}/root/etc/{name}", encoding="utf-8", errors="surrogateescape") as file:
        return [line.rstrip("\n").split(":") for line in file if line.count(":") >= 3]


def find_user(init, user):
    """(uid, gid, groups, name, home) of a name or a number; a number needs no entry."""
    for entry in read_table(init, "passwd"):
        if len(entry) >= 6 and user in (entry[0], entry[2]):
            name, uid, gid, home = entry[0], int(entry[2]), int(entry[3]), entry[5]
            break
    else:
        if not user.isdigit():
            raise state.LabError(f"no user {user} on the node")
        name, uid, gid, home = user, int(user), int(user), "/"
    groups = [int(entry[2]) for entry in read_table(init, "group") if name in entry[3].split(",")]
    return uid, gid, [gid] + [group for group in groups if group != gid], name, home


def arguments(lab, node, command, preload=False, user=None, folder="/", environment=None, verb="exec"):
    """The helper's argument list; `environment` (bytes) gets the user's variables."""
    init = node["init"]["pid"]
    words = [lab["helper"], verb, str(init), "--folder", folder, "--spare-path", SPARE_PATH]
    if preload:
        words += ["--preload", LIBRARY]
    if user is not None:
        uid, gid, groups, name, home = find_user(init, user)
        words += ["--identity", ",".join(map(str, [uid, gid] + groups))]
        if environment is not None:
            environment.update({b"HOME": os.fsencode(home), b"USER": os.fsencode(name), b"LOGNAME": os.fsencode(name)})
            environment.pop(b"XDG_RUNTIME_DIR", None)
    return words + ["--"] + command


def working_folder():
    try:
        return os.getcwd()
    except FileNotFoundError:
        return "/"


def run(folder, name, command, plain, user):
    """Becomes the command; does not return."""
    import signal
    lab = state.load_or_fail(folder)
    node = state.node_of(lab, name)
    if not state.is_alive(node["init"]):
        raise state.LabError(f"node {name} is gone; tests/lab down, then up")
    environment = environment_as_started()
    words = arguments(lab, node, command, preload=not plain, user=user, folder=working_folder(),
                      environment=environment)
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them; the command must not.
        signal.signal(ignored, signal.SIG_DFL)
    os.execve(words[0], words, environment)
