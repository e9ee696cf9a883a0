# SPDX-License-Identifier: Apache-2.0
"""What are the limits of this machine? R, T, the relay, and the link driver alone."""
from benchmarks import figures
from benchmarks.testbed import ADDRESS, PYTHON

RELAY_SOCKET = "/run/bench-relay.sock"
RELAY_PORT, ECHO_PORT, PING_PORT, LINK_PORT, FLOOD_PORT, IPERF_PORT = 7001, 7002, 7003, 7004, 7005, 7006
EPOLL_PORT = 7007
RATE_OF_IPERF = ("import json, sys; "
                 "print(\"gbit_per_s\", json.load(sys.stdin)[\"end\"][\"sum_received\"][\"bits_per_second\"] / 1e9)")
PINNED = ("one CPU", "CPU per node")


def start_relay(bed):
    """Once per lab; both daemons run until it ends."""
    bed.need_lab()
    if bed.is_listening("a", None, None, RELAY_SOCKET):
        return
    program = bed.program("relay")
    ends = {node: f"{address}:{RELAY_PORT}" for node, address in ADDRESS.items()}
    bed.start_in("b", [program, "daemon", "--bind", ends["b"], "--peer", ends["a"]], udp_port=RELAY_PORT)
    bed.start_in("a", [program, "daemon", "--bind", ends["a"], "--peer", ends["b"], "--local", RELAY_SOCKET],
                 path=RELAY_SOCKET)


def start_echo(bed):
    for port, wait in ((ECHO_PORT, "recv"), (EPOLL_PORT, "epoll")):
        if not bed.is_listening("b", port, None, None):
            bed.start_in("b", [bed.program("udp_pingpong"), "echo", "--bind", f"{ADDRESS['b']}:{port}",
                               "--wait", wait], udp_port=port)


def ping_words(bed, size, wait="recv"):
    return [bed.program("udp_pingpong"), "ping", "--bind", f"{ADDRESS['a']}:{PING_PORT}", "--to",
            f"{ADDRESS['b']}:{ECHO_PORT if wait == 'recv' else EPOLL_PORT}", "--size", size, "--wait", wait,
            "--count", "500" if bed.smoke else "10000"]


def ping_pong(bed):
    """R itself, the limit of everything else."""
    bed.need_lab()
    start_echo(bed)
    for pinning in PINNED:
        bed.pin(pinning)
        times = bed.run_steps([{"label": "R", "value": "p50", "words": ping_words(bed, "64")}], unit="µs")["R"]
        yield figures.Figure("r", "UDP ping-pong, 64 B, p50", pinning, times.median(), "µs", [times])


def relay(bed):
    start_relay(bed)
    start_echo(bed)
    for size in ("64", "64:4096"):
        for pinning in PINNED:
            bed.pin(pinning)
            times = bed.run_steps([
                {"label": "relay", "value": "p50", "words": [
                    bed.program("relay"), "app", "--local", RELAY_SOCKET, "--size", size, "--count",
                    "500" if bed.smoke else "10000"]},
                {"label": "R", "value": "p50", "words": ping_words(bed, size)}], unit="µs")
            yield figures.times_as_long("relay", f"request:reply {size}", pinning, times["relay"], times["R"])


def throughput(bed):
    """T, and what the link driver moves with a checksum over every byte."""
    bed.need_lab()
    if not bed.is_listening("b", None, IPERF_PORT, None):
        bed.start_in("b", ["iperf3", "-s", "-p", str(IPERF_PORT), "-B", ADDRESS["b"]], tcp_port=IPERF_PORT)
    program = bed.program("link")
    if not bed.is_listening("b", LINK_PORT, None, None):
        bed.start_in("b", [program, "echo", "--link", f"udp:{ADDRESS['b']}:{LINK_PORT}"], udp_port=LINK_PORT)
    seconds = "1" if bed.smoke else "2"
    iperf = f"iperf3 -C cubic -J -c {ADDRESS['b']} -p {IPERF_PORT} -t {seconds} | {PYTHON} -c '{RATE_OF_IPERF}'"
    for pinning in PINNED:
        bed.pin(pinning)
        rates = bed.run_steps([
            {"label": "link", "value": "gbit_per_s", "words": [
                program, "flood", "--link", f"udp:{ADDRESS['a']}:{FLOOD_PORT}", "--to", f"{ADDRESS['b']}:{LINK_PORT}",
                "--seconds", seconds]},
            {"label": "T", "value": "gbit_per_s", "words": ["sh", "-c", iperf]}], unit="Gbit/s")
        yield figures.times_as_long("t", "UDP link, checked bytes", pinning, rates["link"], rates["T"])
