# SPDX-License-Identifier: Apache-2.0
"""Where do the benchmarks run? A lab of two nodes, sshfs from a to b beside qnet, CPUs to pin everything to."""
import json
import os
import shutil
import subprocess
import tempfile
import time

from benchmarks import figures, steps

TESTS = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
LAB = os.path.join(TESTS, "lab")
STEPS = os.path.join(TESTS, "benchmarks", "steps.py")
PYTHON = "/usr/bin/python3"
LIBRARY_IN_NODE = "/run/qnet/lib/libqnet.so"
ADDRESS = {"a": "10.71.0.1", "b": "10.71.0.2"}
SSH_PORT = 2222
SSHFS = "/mnt/sshfs"  # in node a: all of b
QNET = "/net/b"
START_S = 10
POLL_S = 0.01

# What is pinned where: CPU of node a, CPU of node b.
PINNINGS = {"one CPU": ({0}, {0}), "CPU per node": ({0}, {1}), "unpinned": (None, None)}

SSHD_CONFIG = f"""
Port {SSH_PORT}
ListenAddress {ADDRESS['b']}
HostKey /run/bench/host_key
AuthorizedKeysFile /run/bench/user_key.pub
PidFile none
UseDNS no
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
Ciphers aes128-gcm@openssh.com
Subsystem sftp /usr/lib/openssh/sftp-server
"""


class BenchError(Exception):
    pass


def call(words, text=None, limit_s=300):
    """Standard output of a command; BenchError with its complaint if it fails."""
    try:
        done = subprocess.run(words, input=text, capture_output=True, text=True, check=False, timeout=limit_s,
                              stdin=subprocess.DEVNULL if text is None else None)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchError(str(error)) from None
    if done.returncode != 0:
        raise BenchError(f"{' '.join(words)}: status {done.returncode}: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


class Testbed:
    """The lab is made when the first benchmark needs it, and sshfs likewise."""

    def __init__(self, build, rounds, smoke, links=1):
        self.links = links
        self.build = build
        self.rounds = rounds
        self.smoke = smoke
        self.folder = None
        self.inits = {}
        self.has_sshfs = False
        self.next_round = 0
        self.pinning = "unpinned"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.folder:
            subprocess.run([LAB, "down", "--state", self.folder], stdin=subprocess.DEVNULL, check=False)
            shutil.rmtree(self.folder, ignore_errors=True)

    def program(self, name):
        path = os.path.join(self.build, "bench", f"qnet_bench_{name}")
        if not os.access(path, os.X_OK):
            raise BenchError(f"{path} is not built; run tests/setup")
        return path

    def library(self):
        path = os.path.join(self.build, "lib", "libqnet.so")
        if not os.path.exists(path):
            raise BenchError(f"{path} is not built; run tests/setup")
        return path

    # ---- the lab ----

    def need_lab(self):
        if self.folder:
            return
        if os.geteuid() != 0:
            raise BenchError("the lab needs root (start and find do not)")
        self.folder = tempfile.mkdtemp(prefix="qnet-bench-")
        call([LAB, "up", "a", "b", "--links", str(self.links), "--state", self.folder, "--build", self.build])
        with open(os.path.join(self.folder, "lab.json"), encoding="utf-8") as file:
            nodes = json.load(file)["nodes"]
        self.inits = {name: nodes[name]["init"]["pid"] for name in ADDRESS}

    def run_in(self, node, words, text=None):
        return call([LAB, "exec", node, "--state", self.folder, "--plain", "--"] + words, text)

    def shell_in(self, node, script):
        return self.run_in(node, ["sh", "-ec", script])

    def link(self, link, *verb):
        call([LAB, "link", f"a-b:{link}", *verb, "--state", self.folder])

    def popen_in(self, node, words):
        """Runs beside us; its standard output is a pipe."""
        return subprocess.Popen([LAB, "exec", node, "--state", self.folder, "--plain", "--"] + words,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    def start_in(self, node, words, udp_port=None, tcp_port=None, path=None):
        """Leaves `words` running on the node; returns when its port is bound or its path exists."""
        self.run_in(node, ["sh", "-c", '"$@" </dev/null >/run/bench-daemon.log 2>&1 &', "sh"] + words)
        deadline = time.monotonic() + START_S
        while not self.is_listening(node, udp_port, tcp_port, path):
            if time.monotonic() > deadline:
                log = self.run_in(node, ["cat", "/run/bench-daemon.log"])
                raise BenchError(f"{' '.join(words)} does not start: {log.strip()[-500:]}")
            time.sleep(POLL_S)

    def is_listening(self, node, udp_port, tcp_port, path):
        process = f"/proc/{self.inits[node]}"
        if path:
            return os.path.exists(f"{process}/root{path}")
        kind, port = ("udp", udp_port) if udp_port else ("tcp", tcp_port)
        wanted = f":{port:04X}"
        for table in (kind, kind + "6"):
            with open(f"{process}/net/{table}", encoding="ascii") as file:
                rows = [line.split() for line in file.readlines()[1:]]
            if any(row[1].endswith(wanted) and (kind == "udp" or row[3] == "0A") for row in rows):
                return True
        return False

    # ---- pinning ----

    def pin(self, pinning):
        """Moves every process of both nodes; what is started by run_steps() afterwards goes where node a is."""
        self.pinning = pinning
        everywhere = set(range(os.cpu_count()))
        for node, cpus in zip(ADDRESS, PINNINGS[pinning]):
            for thread in self.threads_of(node):
                try:
                    os.sched_setaffinity(thread, cpus or everywhere)
                except ProcessLookupError:
                    pass

    def threads_of(self, node):
        space = os.readlink(f"/proc/{self.inits[node]}/ns/pid")
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.readlink(f"/proc/{pid}/ns/pid") == space:
                    yield from map(int, os.listdir(f"/proc/{pid}/task"))
            except OSError:
                pass  # it has ended

    # ---- the other side ----

    def need_sshfs(self):
        """Mounts b's root at SSHFS in node a."""
        self.need_lab()
        if self.has_sshfs:
            return
        for tool in ("sshfs", "ssh-keygen", "/usr/sbin/sshd"):
            if shutil.which(tool) is None:
                raise BenchError(f"{tool} is missing; run tests/setup")
        keys = os.path.join(self.folder, "keys")
        os.mkdir(keys, mode=0o700)
        for name in ("host_key", "user_key"):
            call(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", os.path.join(keys, name)])
        for node, names in (("b", ("host_key", "user_key.pub")), ("a", ("user_key",))):
            for name in names:
                with open(os.path.join(keys, name), encoding="ascii") as file:
                    self.put(node, f"/run/bench/{name}", file.read())
        self.put("b", "/run/bench/sshd_config", SSHD_CONFIG)
        # Without PAM a locked password ("!") locks the account; the node's /etc is its own.
        self.shell_in("b", "mkdir -p /run/sshd; sed -i 's/^root:[^:]*:/root:*:/' /etc/shadow")
        self.start_in("b", ["/usr/sbin/sshd", "-D", "-e", "-f", "/run/bench/sshd_config"], tcp_port=SSH_PORT)
        options = ("Ciphers=aes128-gcm@openssh.com,StrictHostKeyChecking=no,UserKnownHostsFile=/dev/null,"
                   "IdentityFile=/run/bench/user_key,IdentitiesOnly=yes")
        self.shell_in("a", f"mkdir -p {SSHFS}; sshfs -F /dev/null -p {SSH_PORT} -o {options} root@{ADDRESS['b']}:/ "
                      f"{SSHFS} </dev/null >/run/bench-sshfs.log 2>&1 || {{ cat /run/bench-sshfs.log >&2; exit 1; }}")
        self.has_sshfs = True

    def put(self, node, path, content):
        self.run_in(node, ["sh", "-ec", 'umask 077; mkdir -p "${1%/*}"; cat > "$1"', "sh", path], text=content)

    # ---- measuring ----

    def run_steps(self, commands, rounds=None, unit="s"):
        """Runs the steps (steps.py) by turns on node a; {label: Samples}. Round numbers are never used twice."""
        count = rounds or self.rounds
        task = {"rounds": count, "first_round": self.next_round, "library": LIBRARY_IN_NODE, "steps": commands}
        self.next_round += count
        cpus = PINNINGS[self.pinning][0]
        pinned = ["taskset", "-c", ",".join(map(str, cpus))] if cpus else []
        output = self.run_in("a", pinned + [PYTHON, "-B", STEPS], text=json.dumps(task))
        values = json.loads(output)
        if "error" in values:
            raise BenchError(values["error"])
        return {label: figures.Samples(label, numbers, unit) for label, numbers in values.items()}


def run_steps_here(commands, rounds, library, cpu):
    """The same for local work, outside the lab, on one CPU."""
    task = {"rounds": rounds, "first_round": 0, "library": library, "steps": commands}
    values = json.loads(call(["taskset", "-c", str(cpu), PYTHON, "-B", steps.__file__], text=json.dumps(task)))
    if "error" in values:
        raise BenchError(values["error"])
    return {label: figures.Samples(label, numbers, "s") for label, numbers in values.items()}
