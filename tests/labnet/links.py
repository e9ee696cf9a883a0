# SPDX-License-Identifier: Apache-2.0
"""What joins the nodes, and how is it disturbed?

Link number I is one segment: a veth pair when there are two nodes, else a bridge in a network namespace of its own.
Node number K (from 1) has 10.71.I.K/24 and the hardware address 02:71:00:00:II:KK on it. Faults stand in lab.json and
are applied as a whole, so a verb can be repeated: drops by hardware address where a frame comes in (the sender never
notices, whatever the protocol), rates where it goes out.
The two ends of a pair never have the same interface number: where they do, the kernel takes a veth for a device without
a lower one and reports its carrier up to a second late.
One drop or one place in a queue is one packet of the kernel: up to 64 KB where segmentation is offloaded. Per-packet
loss, and holes for large packets only, need `ip link set en0 gso_max_segs 1` on the sender.
"""
import re
import subprocess

from labnet import state

RATE = re.compile(r"(\d+(?:\.\d+)?)(k|m|g|)bit")
RATE_UNITS = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9}
QUEUE_S = 0.05
QUEUE_BYTES_MIN = 16 << 10
BURST_BYTES_MIN = 4 << 10
BURST_S = 1 / 250  # a timer tick of the slowest kernel that Debian builds
LOSS_STEPS = 10000


def address(link_number, node_number):
    return f"10.71.{link_number}.{node_number}"


def hardware_address(link_number, node_number):
    return f"02:71:00:00:{link_number:02x}:{node_number:02x}"


def index(link_number, node_number, end=0):
    """Interface number, unique in the lab; `end` 1 is the one on the bridge."""
    return 10 + 2 * (256 * node_number + link_number) + end


def run_in(lab, init, command, text=""):
    """Runs a tool with `text` as its input in the namespaces of `init`; what it complains about becomes our error."""
    done = subprocess.run([lab["helper"], "exec", str(init["pid"]), "--"] + command, input=text, text=True,
                          capture_output=True, check=False)
    if done.returncode != 0:
        raise state.LabError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}\n{text}")


def create(lab):
    """Makes every link and gives it its addresses."""
    nodes = list(lab["nodes"].values())
    pids = [node["init"]["pid"] for node in nodes]
    outer, inner = [], []
    for number, link in enumerate(lab["links"]):
        ends = [f"name {link} index {index(number, k)} address {hardware_address(number, k)} netns {pid}"
                for k, pid in enumerate(pids, 1)]
        if len(nodes) == 2:
            outer.append(f"link add {ends[0]} type veth peer {ends[1]}")
            continue
        inner.append(f"link add name br{number} type bridge")
        inner.append(f"link set br{number} up")
        for k, end in enumerate(ends, 1):
            port = f"p{number}-{k}"
            outer.append(f"link add {end} type veth "
                         f"peer name {port} index {index(number, k, 1)} netns {lab['switch']['pid']}")
            inner.append(f"link set {port} master br{number} up")
    done = subprocess.run(["ip", "-batch", "-"], input="\n".join(outer), text=True, capture_output=True, check=False)
    if done.returncode != 0:
        raise state.LabError(f"cannot make the links: {done.stderr.strip()}")
    if inner:
        run_in(lab, lab["switch"], ["ip", "-batch", "-"], "\n".join(inner))
    for k, node in enumerate(nodes, 1):
        lines = [f"addr add {address(number, k)}/24 dev {link}\nlink set {link} up"
                 for number, link in enumerate(lab["links"])]
        run_in(lab, node["init"], ["ip", "-batch", "-"], "\n".join(lines))


# ---- faults ----

def parse_pair(lab, spec):
    """ "a-b:en0" → ("a", "b", "en0"); node names may hold a '-' themselves."""
    pair, _, link = spec.rpartition(":")
    if link not in lab["links"]:
        raise state.LabError(f"{spec}: no link {link}; the links are {' '.join(lab['links'])}")
    for match in re.finditer("-", pair):
        first, second = pair[:match.start()], pair[match.end():]
        if first in lab["nodes"] and second in lab["nodes"] and first != second:
            return first, second, link
    raise state.LabError(f"{spec}: expected A-B:{link} with two of the nodes {' '.join(lab['nodes'])}")


def parse_rate(text):
    match = RATE.fullmatch(text)
    bits = float(match[1]) * RATE_UNITS[match[2]] if match else 0
    if bits < 8000:
        raise state.LabError(f"{text}: expected a rate such as 100mbit, at least 8kbit")
    return bits


def parse_loss(text):
    try:
        percent = float(text.removesuffix("%"))
    except ValueError:
        percent = -1
    if not 0 <= percent <= 100:
        raise state.LabError(f"{text}: expected a loss such as 1%")
    return percent


def parse_bytes(text):
    if not text.isdecimal() or not 68 <= int(text) <= 65535:
        raise state.LabError(f"{text}: expected the largest packet that passes, 68 to 65535 bytes")
    return int(text)


def fault_of(lab, first, second, link):
    return lab["faults"].setdefault(link, {}).setdefault("/".join(sorted((first, second))), {})


def change(lab, spec, verb, value):
    """One `link` verb: changes what lab.json says and makes it so."""
    first, second, link = parse_pair(lab, spec)
    fault = fault_of(lab, first, second, link)
    if verb == "cut":
        fault["cut"] = True
    elif verb == "cut-one-way":
        fault["cut-from"] = list(lab["nodes"]).index(first) + 1
    elif verb == "heal":
        fault.pop("cut", None)
        fault.pop("cut-from", None)
    elif verb == "rate":
        fault["rate"] = parse_rate(value)
    elif verb == "loss":
        fault["loss"] = parse_loss(value)
    elif verb == "mtu-hole":
        fault["mtu-hole"] = parse_bytes(value)
    elif verb == "clear":
        fault.clear()
    if verb in ("down", "up"):
        set_carrier(lab, first, link, verb)
    elif verb == "clear":
        for name in (first, second):
            set_carrier(lab, name, link, "up")
    if verb in ("cut", "cut-one-way", "heal", "loss", "mtu-hole", "rate", "clear"):
        for name in (first, second):
            apply_filters(lab, name)
    if verb in ("rate", "clear"):
        for name in (first, second):
            apply_rates(lab, name, link)


def set_carrier(lab, name, link, direction):
    run_in(lab, lab["nodes"][name]["init"], ["ip", "link", "set", link, direction])


def faults_between(lab, name, link):
    """(number of the other node, fault) for every other node that something is wrong with."""
    numbers = {other: k for k, other in enumerate(lab["nodes"], 1)}
    for pair, fault in lab["faults"].get(link, {}).items():
        ends = pair.split("/")
        if name in ends and fault:
            ends.remove(name)
            yield numbers[ends[0]], fault


def apply_filters(lab, name):
    chains = []
    for number, link in enumerate(lab["links"]):
        come_in, go_out = [], []
        for other, fault in faults_between(lab, name, link):
            peer = hardware_address(number, other)
            if fault.get("cut") or fault.get("cut-from") == other:
                come_in.append(f"ether saddr {peer} drop")
            if fault.get("mtu-hole"):
                come_in.append(f"ether saddr {peer} meta length > {fault['mtu-hole']} drop")
            if fault.get("loss"):
                share = round(fault["loss"] / 100 * LOSS_STEPS)
                come_in.append(f"ether saddr {peer} numgen random mod {LOSS_STEPS} < {share} drop")
            if fault.get("rate") and len(lab["nodes"]) != 2:
                go_out.append(f"ether daddr {peer} meta priority set 1:{other:x}")
        for hook, rules in (("ingress", come_in), ("egress", go_out)):
            if rules:
                head = f'chain {hook}_{number} {{ type filter hook {hook} device "{link}" priority 0;'
                chains += [head] + rules + ["}"]
    table = "table netdev qnet_lab"
    text = "\n".join([table, f"delete {table}"] + ([table + " {"] + chains + ["}"] if chains else [])) + "\n"
    run_in(lab, lab["nodes"][name]["init"], ["nft", "-f", "-"], text)


def shape(bits):
    """(bits, burst in bytes, queue in bytes) for tc."""
    per_second = bits / 8
    return (int(bits), int(max(BURST_BYTES_MIN, per_second * BURST_S)), int(max(QUEUE_BYTES_MIN, per_second * QUEUE_S)))


def apply_rates(lab, name, link):
    """tbf between two nodes. With more, a class per peer, chosen by the egress chain above; the rest passes freely."""
    rates = [(other, fault["rate"]) for other, fault in faults_between(lab, name, link) if fault.get("rate")]
    lines = []
    if rates and len(lab["nodes"]) == 2:
        bits, burst, queue = shape(rates[0][1])
        lines = [f"qdisc add dev {link} root handle 1: tbf rate {bits}bit burst {burst} limit {queue + burst}"]
    elif rates:
        lines.append(f"qdisc add dev {link} root handle 1: htb default 0")
        for other, rate in rates:
            bits, burst, queue = shape(rate)
            lines.append(f"class add dev {link} parent 1: classid 1:{other:x} htb quantum 60000 "
                         f"rate {bits}bit ceil {bits}bit burst {burst} cburst {burst}")
            lines.append(f"qdisc add dev {link} parent 1:{other:x} bfifo limit {queue}")
    run_in(lab, lab["nodes"][name]["init"],
           ["sh", "-c", f"tc qdisc del dev {link} root 2>/dev/null; exec tc -batch -"], "\n".join(lines) + "\n")
