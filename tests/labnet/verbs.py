# SPDX-License-Identifier: Apache-2.0
"""What does each verb of tests/lab but `exec` do?"""
import argparse
import os
import re
import shutil
import signal
import sys

from labnet import agents, links, nodes, state

NODE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,30}")
LINK_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}")
NODES_MAX = 64
LINKS_MAX = 16
LINK_VERBS = ("down", "up", "cut", "cut-one-way", "heal", "rate", "loss", "mtu-hole", "clear")
FILE_OPTIONS = ("--key", "--config")  # qnetd options whose file must be visible in the node


def up(folder, words):
    options = []
    if "--" in words:
        options = words[words.index("--") + 1:]
        words = words[:words.index("--")]
    parser = argparse.ArgumentParser(prog="tests/lab up", usage="tests/lab up NODE… [--links N | --link-names X,Y] "
                                     "[--build DIR] [--state DIR] [-- QNETD-OPTIONS…]")
    parser.add_argument("names", nargs="+", metavar="NODE")
    parser.add_argument("--links", type=int, default=None)
    parser.add_argument("--link-names", default=None)
    parser.add_argument("--link-options", default="")
    parser.add_argument("--build", default=os.path.join(state.ROOT, "build"))
    given = parser.parse_intermixed_args(words)
    lab = {"complete": False, "nodes": {}, "faults": {}, "switch": None, "build": os.path.realpath(given.build),
           "links": link_names(given.links, given.link_names), "link_options": given.link_options,
           "options": agent_options(options)}
    check_names("node", given.names, NODE_NAME, NODES_MAX)
    check_tools(lab)
    with state.Lock(folder, create=True):
        refuse_running_lab(folder)
        nodes.take_down(folder)
        os.makedirs(folder, exist_ok=True)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        try:
            bring_up(lab, folder, given.names, key_files(options))
        except BaseException:
            nodes.take_down(folder)
            raise
    if sys.stdout.isatty():
        print(f"{' '.join(given.names)}: up. Try: {state.ROOT}/tests/lab exec {given.names[0]} -- ls /net")


def bring_up(lab, folder, names, files):
    state.save(folder, lab)
    nodes.start(lab, folder, names)
    for name in names:
        nodes.furnish(lab, name, files)
    links.create(lab)
    for name in names:
        agents.start(lab, folder, name)
    state.save(folder, lab)
    agents.wait_ready(lab, folder, names, everyone=True)
    lab["complete"] = True
    state.save(folder, lab)


def link_names(count, names):
    if names is None:
        chosen = [f"en{number}" for number in range(1 if count is None else count)]
    else:
        chosen = names.split(",")
    check_names("link", chosen, LINK_NAME, LINKS_MAX)
    if count not in (None, len(chosen)):
        raise state.LabError(f"--links {count} but {len(chosen)} names")
    return chosen


def check_names(kind, names, pattern, most):
    if not 1 <= len(names) <= most:
        raise state.LabError(f"expected 1 to {most} {kind}s")
    for name in names:
        if not pattern.fullmatch(name) or (kind == "link" and name == "lo"):
            raise state.LabError(f"{name!r} cannot be the name of a {kind}")
    if len(set(names)) != len(names):
        raise state.LabError(f"two {kind}s with the same name")


def check_tools(lab):
    lab["helper"] = state.find_built(lab["build"], f"bin/{state.HELPER}")
    lab["library"] = state.find_built(lab["build"], "lib/libqnet.so")
    for name in ("bin/qnetd", "bin/qnet"):
        if not os.path.exists(os.path.join(lab["build"], name)):
            raise state.LabError(f"{lab['build']}/{name} is not built; run {state.ROOT}/tests/setup")
    for tool in ("ip", "nft", "tc"):
        if shutil.which(tool) is None:
            raise state.LabError(f"{tool} is missing; run {state.ROOT}/tests/setup")


def agent_options(options):
    keyed = any(word == "--key" or word.startswith("--key=") for word in options)
    return options + ([] if keyed or "--trusted" in options else ["--trusted"])


def key_files(options):
    found = []
    for word, following in zip(options, options[1:] + [None]):
        option, _, value = word.partition("=")
        if option in FILE_OPTIONS:
            path = value or following
            if path and os.path.isfile(path):
                found.append(os.path.abspath(path))
    return found


def refuse_running_lab(folder):
    lab = state.load(folder)
    if lab and lab["complete"] and all(state.is_alive(node["init"]) for node in lab["nodes"].values()):
        raise state.LabError(f"a lab with the nodes {' '.join(lab['nodes'])} is already up in {folder}; "
                             "end it with tests/lab down, or give another --state")


def down(folder, words):
    if words:
        raise state.LabError("usage: tests/lab down [--state DIR]")
    with state.Lock(folder):
        nodes.take_down(folder)


def link(folder, words):
    needs_value = len(words) > 1 and words[1] in ("rate", "loss", "mtu-hole")
    if len(words) < 2 or words[1] not in LINK_VERBS or len(words) != (3 if needs_value else 2):
        raise state.LabError("usage: tests/lab link A-B:LINK "
                             "down|up|cut|cut-one-way|heal|rate 100mbit|loss 1%|mtu-hole 1300|clear "
                             "[--state DIR]")
    with state.Lock(folder):
        lab = state.load_or_fail(folder)
        links.change(lab, words[0], words[1], words[2] if needs_value else None)
        state.save(folder, lab)


def agent(folder, words):
    if len(words) != 2 or words[1] not in ("kill", "stop", "cont", "restart", "log"):
        raise state.LabError("usage: tests/lab agent NODE kill|stop|cont|restart|log [--state DIR]")
    name, verb = words
    if verb == "log":
        state.node_of(state.load_or_fail(folder), name)
        with open(agents.log_path(folder, name), "rb") as log:
            shutil.copyfileobj(log, sys.stdout.buffer)
        return
    with state.Lock(folder):
        lab = state.load_or_fail(folder)
        state.node_of(lab, name)
        if verb == "kill":
            agents.kill(lab, name)
        elif verb == "restart":
            agents.restart(lab, folder, name)
        else:
            agents.pause(lab, name, stop=verb == "stop")
