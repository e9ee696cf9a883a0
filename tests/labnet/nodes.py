# SPDX-License-Identifier: Apache-2.0
"""How do nodes come up and go away?"""
import os
import select
import shutil
import signal
import subprocess
import time

from labnet import links, state

USER = (1000, "user")  # made on nodes whose machine has nobody with this uid
END_S = 10
PLACES_NOT_COPIED = ("/proc", "/sys", "/dev", "/run", "/tmp", "/boot", "/mnt", "/media")


def other_file_systems():
    """Mount points of the machine's other disks (a separate /home or /usr): they belong to a node's root as well."""
    found = []
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            before, _, after = line.partition(" - ")
            place, source = before.split()[4], after.split()[1]
            hidden = any(place == skip or place.startswith(skip + "/") for skip in PLACES_NOT_COPIED)
            if (place != "/" and source.startswith("/dev/") and not hidden and place not in found
                    and os.path.isdir(place) and not set(place) & set(":,\\")):
                found.append(place)
    return sorted(found)


def start(lab, folder, names):
    """Starts the inits of all nodes at once; fills in lab["nodes"] and lab["switch"]."""
    options = [word for place in other_file_systems() for word in ("--overlay", place)]
    options += ["--show", state.ROOT] + ([] if lab["build"] == state.ROOT else ["--show", lab["build"]])
    running = {}
    for name in names:
        os.makedirs(os.path.join(folder, "nodes", name))
        running[name] = start_helper([lab["helper"], "init", folder, name] + options)
    if len(names) != 2:
        running[None] = start_helper([lab["helper"], "switch", folder, "switch"])
    for name, helper in running.items():
        output, errors = helper.communicate()
        if helper.returncode != 0:
            raise state.LabError(f"node {name or 'switch'} does not start: {errors.strip() or helper.returncode}")
        init = state.process(int(output))
        if name is None:
            lab["switch"] = init
        else:
            lab["nodes"][name] = {"init": init, "agent": None}


def start_helper(words):
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


# ---- what is in a node ----

def path_in(node, path):
    return f"/proc/{node['init']['pid']}/root{path}"


def write(node, path, text, mode=0o644):
    """Replaces the file itself, never what a symbolic link of that name leads to: that would be the machine's file."""
    target = path_in(node, path)
    with open(target + ".lab-new", "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
        file.write(text if isinstance(text, bytes) else text.encode())
        os.fchmod(file.fileno(), mode)
    os.rename(target + ".lab-new", target)


def copy_library(lab, node):
    """Into the node, where every user can reach it; running programs keep the old one."""
    os.makedirs(path_in(node, "/run/qnet/lib"), exist_ok=True)
    target = path_in(node, "/run/qnet/lib/libqnet.so")
    shutil.copyfile(lab["library"], target + ".new")
    os.chmod(target + ".new", 0o755)
    os.rename(target + ".new", target)


def furnish(lab, name, key_files):
    node = lab["nodes"][name]
    hosts = [f"{links.address(0, k)} {other}" for k, other in enumerate(lab["nodes"], 1)]
    write(node, "/etc/hostname", name + "\n")
    write(node, "/etc/hosts", "\n".join(["127.0.0.1 localhost", "::1 localhost"] + hosts) + "\n")
    os.makedirs(path_in(node, "/var/lib/qnet"), exist_ok=True)
    add_user(node)
    copy_library(lab, node)
    os.makedirs(path_in(node, "/run/qnet/bin"))
    links.run_in(lab, node["init"], ["mount", "-n", "--bind", os.path.join(lab["build"], "bin"), "/run/qnet/bin"])
    for path in key_files:
        os.makedirs(os.path.dirname(path_in(node, path)), exist_ok=True)
        with open(path, "rb") as file:
            write(node, path, file.read(), 0o600)


def add_user(node):
    uid, name = USER
    with open(path_in(node, "/etc/passwd"), encoding="utf-8", errors="surrogateescape") as file:
        users = file.read()
    entries = [line.split(":") for line in users.splitlines()]
    home = next((entry[5] for entry in entries if len(entry) > 5 and entry[2] == str(uid)), None)
    if home is None:
        home = f"/home/{name}"
        with open(path_in(node, "/etc/group"), encoding="utf-8", errors="surrogateescape") as file:
            groups = file.read()
        write(node, "/etc/passwd", users + f"{name}:x:{uid}:{uid}::{home}:/bin/bash\n")
        write(node, "/etc/group", groups + f"{name}:x:{uid}:\n")
    if not os.path.lexists(path_in(node, home)):
        os.makedirs(path_in(node, home))
        os.chown(path_in(node, home), uid, uid)


# ---- the end ----

def helpers():
    """(pid, arguments) of every process of ours on this machine: a lab is found without lab.json."""
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                words = [os.fsdecode(word) for word in file.read().split(b"\0")]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if os.path.basename(words[0]) == state.HELPER and len(words) > 3:
            yield int(entry), words[1:]


def end_processes(pids, sign=signal.SIGKILL):
    """Sends the signal and waits until they are gone. An init takes its whole node along."""
    waiting, ended = {}, []
    for pid in pids:
        try:
            waiting[os.pidfd_open(pid)] = pid
            os.kill(pid, sign)
        except ProcessLookupError:
            continue
    deadline = time.monotonic() + END_S
    poll = select.poll()
    for fd in waiting:
        poll.register(fd, select.POLLIN)
    while waiting and time.monotonic() < deadline:
        for fd, _ in poll.poll(1000):
            poll.unregister(fd)
            os.close(fd)
            ended.append(waiting.pop(fd))
    if waiting:
        raise state.LabError(f"processes do not end: {' '.join(map(str, waiting.values()))}")
    # Some machines' pid 1 takes seconds to collect what it inherits; nothing is lost if it takes longer.
    while any(os.path.exists(f"/proc/{pid}") for pid in ended) and time.monotonic() < deadline:
        time.sleep(0.01)


def take_down(folder):
    """Ends everything of this lab, complete or not, and removes its files. Nothing there: nothing done."""
    inits = set()
    while True:  # A killed `up` may have left a helper that is still making its node.
        pids = [pid for pid, words in helpers() if words[0] in ("init", "switch") and words[1] == folder]
        if not pids:
            break
        inits.update(map(str, pids))
        end_processes(pids)
    # Whoever ran a command there has just lost it, and is about to say so.
    end_processes([pid for pid, words in helpers() if words[0] == "exec" and words[1] in inits], sign=0)
    for part in ("nodes", "log"):
        shutil.rmtree(os.path.join(folder, part), ignore_errors=True)
    for name in (state.FILE, state.FILE + ".new"):
        try:
            os.unlink(os.path.join(folder, name))
        except (FileNotFoundError, NotADirectoryError):
            pass
    try:
        os.rmdir(folder)
    except OSError:  # Missing, or it holds files that are not ours.
        pass
