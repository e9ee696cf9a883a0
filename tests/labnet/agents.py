# SPDX-License-Identifier: Apache-2.0
"""How are the agents started, disturbed and found ready?"""
import json
import os
import signal
import subprocess
import time

from labnet import enter, links, nodes, state

READY_S = 30
STOP_S = 5
POLL_S = 0.01
SOCKET = "/run/qnet/agent.sock"


def log_path(folder, name):
    return os.path.join(folder, "log", name)


def environment():
    """The user's, without what would change the agent's libraries or identity."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("QNET_", "LD_")) and key != "SOCK"}


def command(lab, name):
    own = list(lab["nodes"]).index(name) + 1
    words = [os.path.join(lab["build"], "bin", "qnetd"), "--name", name]
    for number, link in enumerate(lab["links"]):
        options = "," + lab["link_options"] if lab["link_options"] else ""
        words += ["--link", f"{link}=udp:{links.address(number, own)}{options}"]
    for k, peer in enumerate(lab["nodes"], 1):
        if k != own:
            ways = [f"{link}@{links.address(number, k)}" for number, link in enumerate(lab["links"])]
            words += ["--peer", f"{peer}={','.join(ways)}"]
    return words + lab["options"]


def start(lab, folder, name):
    node = lab["nodes"][name]
    words = enter.arguments(lab, node, command(lab, name), verb="spawn")
    os.makedirs(os.path.join(folder, "log"), exist_ok=True)
    with open(log_path(folder, name), "ab") as log:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True,
                              env=environment(), check=False)
    if done.returncode != 0 or not done.stdout.strip():
        raise state.LabError(f"cannot start the agent of {name}\n{log_end(folder, name)}")
    node["agent"] = state.process(int(done.stdout))


def log_end(folder, name, lines=40):
    try:
        with open(log_path(folder, name), encoding="utf-8", errors="replace") as log:
            return f"--- log of {name}'s agent\n" + "".join(log.readlines()[-lines:])
    except FileNotFoundError:
        return f"--- {name}'s agent has not written a log"


def seen_from(lab, name):
    """{node: up?} as `qnet nodes` tells it on that node, or None while its agent does not answer."""
    words = enter.arguments(lab, lab["nodes"][name], [os.path.join(lab["build"], "bin", "qnet"), "nodes", "--json"])
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment(),
                              timeout=STOP_S, check=False)
        listing = json.loads(done.stdout) if done.returncode == 0 else None
    except (subprocess.TimeoutExpired, ValueError):
        return None
    if listing is None:
        return None
    entries = listing["nodes"] if isinstance(listing, dict) else listing
    return {entry["name"]: entry["state"] in ("up", "self") for entry in entries}


def wait_ready(lab, folder, names, everyone):
    """Until each agent answers and, with `everyone`, sees all nodes up. An agent that dies ends the wait at once."""
    deadline = time.monotonic() + READY_S
    seen = {}
    for name in names:
        node = lab["nodes"][name]
        while True:
            if not state.is_alive(node["agent"]):
                raise state.LabError(f"the agent of {name} died at start\n{log_end(folder, name)}")
            if os.path.exists(nodes.path_in(node, SOCKET)):
                seen[name] = seen_from(lab, name)
                if seen[name] is not None and (
                        not everyone or all(seen[name].get(other, False) for other in lab["nodes"])):
                    break
            if time.monotonic() > deadline:
                logs = "\n".join(log_end(folder, other) for other in names)
                raise state.LabError(f"{name} is not ready after {READY_S} s; it sees {seen.get(name)}\n{logs}")
            time.sleep(POLL_S)


# ---- the verbs ----

def kill(lab, name):
    agent = lab["nodes"][name]["agent"]
    if state.is_alive(agent):
        nodes.end_processes([agent["pid"]])


def is_stopped(pid):
    """Every thread of it, as SIGSTOP does in the end."""
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/stat", "rb") as file:
                if file.read().rpartition(b")")[2].split()[0] not in (b"T", b"t"):
                    return False
    except (FileNotFoundError, ProcessLookupError):
        pass
    return True


def pause(lab, name, stop):
    agent = lab["nodes"][name]["agent"]
    if not state.is_alive(agent):
        raise state.LabError(f"the agent of {name} is not running")
    os.kill(agent["pid"], signal.SIGSTOP if stop else signal.SIGCONT)
    deadline = time.monotonic() + STOP_S
    while is_stopped(agent["pid"]) != stop and state.is_alive(agent):
        if time.monotonic() > deadline:
            raise state.LabError(f"the agent of {name} does not {'stop' if stop else 'go on'}")
        time.sleep(POLL_S / 10)


def restart(lab, folder, name):
    """With the library and the program as they are built now."""
    kill(lab, name)
    nodes.copy_library(lab, lab["nodes"][name])
    start(lab, folder, name)
    state.save(folder, lab)
    wait_ready(lab, folder, [name], everyone=False)
