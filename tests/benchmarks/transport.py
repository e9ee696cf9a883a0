# SPDX-License-Identifier: Apache-2.0
"""How good is the transport by itself, engine to engine, over one link and several? Nodes with four links."""
import json
import os
import time

from benchmarks import figures, network
from benchmarks.testbed import BenchError, PYTHON, Testbed

LINKS = 4
ENGINE_PORT, IPERF_PORT, MPTCP_PORT, ECHO_PORT = 7010, 7011, 7012, 7013
TCP_STREAM = os.path.join(os.path.dirname(os.path.realpath(__file__)), "tcp_stream.py")
MBIT_OF_IPERF = ("import json, sys; "
                 "print(\"mbit_per_s\", json.load(sys.stdin)[\"end\"][\"sum_received\"][\"bits_per_second\"] / 1e6)")
STEADY_S, SMOKE_STEADY_S = 600, 20
SLICE_MS = 50
WINDOW = 4  # slices that a share is taken of


def addresses(node, links):
    return [f"10.71.{link}.{'ab'.index(node) + 1}" for link in links]


def engine_port(links):
    return ENGINE_PORT + 10 * len(links)


class Bench:
    """The servers on b, one per set of links, and the words that measure them from a."""

    def __init__(self, bed):
        self.bed = bed
        self.program = bed.program("engine")
        self.smoke = bed.smoke
        bed.need_lab()
        bed.start_in("b", ["iperf3", "-s", "-p", str(IPERF_PORT)], tcp_port=IPERF_PORT)
        bed.start_in("b", [PYTHON, "-B", TCP_STREAM, "serve", str(MPTCP_PORT)], tcp_port=MPTCP_PORT)
        bed.start_in("b", [PYTHON, "-B", TCP_STREAM, "echo", str(ECHO_PORT)], tcp_port=ECHO_PORT)
        for node in "ab":
            bed.shell_in(node, "ip mptcp limits set subflow 8 add_addr_accepted 8")

    def pick(self, full, smoke):
        return str(smoke if self.smoke else full)

    def engine(self, role, links=(0,), **options):
        """Each set of links has ports of its own, so that a server for another one does not hear us."""
        port = engine_port(links)
        own, peer = ([f"{address}:{port}" for address in addresses(node, links)] for node in "ab")
        if not self.bed.is_listening("b", port, None, None):
            self.bed.start_in("b", [self.program, "serve", "--own", ",".join(peer), "--peer", ",".join(own)],
                              udp_port=port)
            self.bed.pin(self.bed.pinning)
        words = [self.program, role, "--own", ",".join(own), "--peer", ",".join(peer)]
        return words + [text for name, value in options.items() for text in (f"--{name}", str(value))]

    def stream(self, links=(0,), **options):
        return {"label": "qnet", "value": "mbit_per_s",
                "words": self.engine("stream", links, seconds=self.pick(3, 1), **options)}

    def iperf(self, link, control, label):
        command = (f"iperf3 -C {control} -J -O 1 -c {addresses('b', [link])[0]} -p {IPERF_PORT} "
                   f"-t {self.pick(3, 1)} | {PYTHON} -c '{MBIT_OF_IPERF}'")
        return {"label": label, "value": "mbit_per_s", "words": ["sh", "-c", command]}

    def mptcp(self, links):
        self.announce(links)
        return {"label": "MPTCP", "value": "mbit_per_s", "words": [
            PYTHON, "-B", TCP_STREAM, "send", addresses("b", [0])[0], str(MPTCP_PORT), self.pick(3, 1)]}

    def announce(self, links):
        """b tells its addresses on the other links, a's MPTCP opens a subflow to each."""
        self.bed.shell_in("b", "; ".join(["ip mptcp endpoint flush"] + [
            f"ip mptcp endpoint add {address} signal" for address in addresses("b", links[1:])]))

    def shape(self, *rates):
        """Limits the first links; the others are free."""
        for link in range(LINKS):
            self.bed.link(f"en{link}", *(("rate", rates[link]) if link < len(rates) else ("clear",)))


def share(what, ours, theirs, **limits):
    return figures.Figure("transport", what, "unpinned", ours.median() / theirs.median(), f"of {theirs.label}",
                          [ours, theirs], **limits)


def small_calls(bench):
    """R blocks in recv(2); whoever serves more than one descriptor blocks in epoll_wait(2)."""
    bed = bench.bed
    network.start_echo(bed)
    for pinning in network.PINNED:
        bed.pin(pinning)
        calls = bench.engine("call", count=bench.pick(10000, 500))
        times = bed.run_steps([{"label": "qnet", "value": "p50", "words": calls}] + [
            {"label": label, "value": "p50", "words": network.ping_words(bed, "64", wait)}
            for label, wait in (("R", "recv"), ("R with epoll", "epoll"))], unit="µs")
        yield figures.times_as_long("transport", "64 B call, p50", pinning, times["qnet"], times["R"], at_most=1.25)
        yield figures.times_as_long("transport", "64 B call, p50", pinning, times["qnet"], times["R with epoll"],
                                    at_most=1.25)


def one_link(bench):
    bed = bench.bed
    for pinning in network.PINNED:
        bed.pin(pinning)
        rates = bed.run_steps([bench.stream(), bench.iperf(0, "cubic", "T")], unit="Mbit/s")
        yield figures.times_as_long("transport", "1 MiB messages", pinning, rates["qnet"], rates["T"], at_least=0.5)
    bed.pin("unpinned")
    bench.shape("2gbit")
    rates = bed.run_steps([bench.stream(), bench.iperf(0, "cubic", "T at 2 Gbit/s")], unit="Mbit/s")
    yield share("1 MiB messages", rates["qnet"], rates["T at 2 Gbit/s"], at_least=0.95)
    bench.shape()


def several_links(bench):
    """The sum is what iperf3 gets on each link alone."""
    bed = bench.bed
    bed.pin("unpinned")
    for what, rates, floor in (("2 x 100 Mbit/s", ["100mbit"] * 2, 0.97), ("4 x 250 Mbit/s", ["250mbit"] * 4, 0.97),
                               ("100 + 10 Mbit/s", ["100mbit", "10mbit"], 0.92)):
        bench.shape(*rates)
        links = range(len(rates))
        got = bed.run_steps([bench.stream(links), bench.mptcp(links)] + [
            bench.iperf(link, "cubic", f"en{link}") for link in links], unit="Mbit/s")
        alone = [got[f"en{link}"] for link in links]
        total = figures.Samples("the sum", [sum(values) for values in zip(*(one.values for one in alone))], "Mbit/s")
        yield share(what, got["qnet"], total, at_least=floor)
        yield share(what + ", MPTCP", got["MPTCP"], total)
        yield figures.times_as_long("transport", what, "unpinned", got["qnet"], got["MPTCP"], at_least=1)
        if len(set(rates)) > 1:
            alone[0].label = "the best link"
            yield share(what + ", best link", got["qnet"], alone[0], at_least=0.98)
            yield share(what + ", MPTCP, best link", got["MPTCP"], alone[0])
    bench.shape()


def lossy_link(bench):
    """Each packet by itself: with segmentation in the interface a rule drops 64 KiB at once."""
    bed = bench.bed
    bed.pin("unpinned")
    for node in "ab":
        bed.shell_in(node, "ip link set dev en0 gso_max_segs 1")
    bench.shape("100mbit")
    bed.link("en0", "loss", "1%")
    rates = bed.run_steps([bench.stream(), bench.iperf(0, "bbr", "iperf3 bbr")], unit="Mbit/s")
    yield share("1 % loss at 100 Mbit/s", rates["qnet"], rates["iperf3 bbr"], at_least=0.97)
    for node in "ab":
        bed.shell_in(node, "ip link set dev en0 gso_max_segs 65535")
    bench.shape()


def calls_beside_bulk(bench):
    bed = bench.bed
    bed.pin("unpinned")
    bench.shape("1gbit")
    options = {"interval": 1000, "count": bench.pick(3000, 200)}
    times = bed.run_steps([
        {"label": "beside bulk", "value": "p99", "words": bench.engine("call", bulk=1 << 20, **options)},
        {"label": "idle", "value": "p99", "words": bench.engine("call", **options)}], unit="µs")
    more_ms = (times["beside bulk"].median() - times["idle"].median()) / 1000
    yield figures.Figure("transport", "p99 beside bulk, 1 Gbit/s", "unpinned", more_ms, "ms above idle",
                         [times["beside bulk"], times["idle"]], at_most=2)
    bench.shape()


def run_with(bench, words, faults):
    """Output of `words` on node a; `faults`: (seconds from its start, what to do then)."""
    with bench.bed.popen_in("a", words) as process:
        if process.stdout.readline() != "started\n":
            raise BenchError(f"{' '.join(words)}: did not start")
        started = time.monotonic()
        for at, act in faults:
            time.sleep(max(0, started + at - time.monotonic()))
            act()
        output = process.stdout.read()
    if process.returncode != 0:
        raise BenchError(f"{' '.join(words)}: status {process.returncode}")
    return output


def number(word, output):
    words = output.split()
    return float(words[words.index(word) + 1])


def lost_links(bench):
    """Each of the two links is lost in turn, so that it is once the one in use."""
    bed = bench.bed
    bed.pin("unpinned")
    words = bench.engine("call", (0, 1), interval=1000, count=6000, seconds=6)
    bench.announce((0, 1))
    mptcp = [PYTHON, "-B", TCP_STREAM, "call", addresses("b", [0])[0], str(ECHO_PORT), "6"]
    runs = {"undisturbed": (words, None), "silent cut": (words, ("cut", "heal")),
            "carrier loss": (words, ("down", "up")), "MPTCP": (mptcp, ("cut", "heal"))}
    gaps = {what: [] for what in runs}
    for _ in range(bed.rounds):
        for what, (command, pair) in runs.items():
            steps = [] if pair is None else [
                (at, lambda link=link, verb=verb: bed.link(link, verb))
                for at, link, verb in ((0.5, "en0", pair[0]), (1.2, "en0", pair[1]),
                                       (2.7, "en1", pair[0]), (3.4, "en1", pair[1]))]
            gaps[what].append(number("gap", run_with(bench, command, steps)) / 1000)
    samples = {what: figures.Samples(what, values, "ms") for what, values in gaps.items()}
    calm = samples["undisturbed"]
    cut, carrier = samples["silent cut"], samples["carrier loss"]
    yield figures.Figure("transport", "longest gap, silent cut", "unpinned", cut.median(), "ms", [cut, calm],
                         at_most=50)
    yield figures.times_as_long("transport", "longest gap, silent cut", "unpinned", cut, samples["MPTCP"], at_most=1)
    yield figures.Figure("transport", "longest gap, carrier loss", "unpinned", carrier.median() - calm.median(),
                         "ms above undisturbed", [carrier, calm], at_most=5)


def recovered_link(bench):
    """From the moment at which the verb is started, which takes a while itself."""
    bed = bench.bed
    bed.pin("unpinned")
    bench.shape("100mbit", "100mbit")
    words = bench.engine("stream", (0, 1), seconds=6, slice=SLICE_MS, depth=8, size=1 << 18)
    times = []
    for _ in range(1 if bench.smoke else bed.rounds):
        healed = []

        def heal(healed=healed):
            healed.append(time.monotonic() * 1e6)
            bed.link("en1", "heal")

        output = run_with(bench, words, [(1.5, lambda: bed.link("en1", "cut")), (3, heal)])
        slices = [tuple(map(float, line.split()[1:])) for line in output.splitlines() if line.startswith("slice ")]
        times.append(seconds_until_back(slices, healed[0]))
    back = figures.Samples("qnet", times, "s")
    yield figures.Figure("transport", "recovered link at 90 %", "unpinned", back.median(), "s", [back], at_most=1.5)
    bench.shape()


def seconds_until_back(slices, healed_us):
    """Until a window carries what one link carried before plus 90 % of the same."""
    alone = [size for at, size in slices if healed_us - 1e6 < at <= healed_us]
    wanted = 1.9 * sum(alone) / len(alone)
    for i in range(WINDOW, len(slices) + 1):
        window = slices[i - WINDOW:i]
        if window[0][0] > healed_us and sum(size for _, size in window) >= wanted * WINDOW:
            return (window[-1][0] - healed_us) / 1e6
    raise BenchError("the recovered link did not come back")


def restarted_peer(bench):
    """A call is pending while b's engine is killed and started again: how long after that was begun does it fail?"""
    bed = bench.bed
    bed.pin("unpinned")
    own, peer = ([f"{addresses(node, [0])[0]}:{engine_port([0])}"] for node in "ab")
    clock = f"{PYTHON} -c 'import time; print(\"at\", time.monotonic() * 1e6)'"
    serve = f"{bench.program} serve --own {peer[0]} --peer {own[0]}"
    start = f"{serve} </dev/null >/dev/null 2>&1 & echo $! >/run/engine.pid"
    bed.shell_in("b", f"kill -9 $(pidof qnet_bench_engine) || true; {start}")
    times = []
    for _ in range(bed.rounds):
        began = []

        def restart(began=began):
            began.append(number("at", bed.shell_in("b", f"kill -9 $(cat /run/engine.pid); {clock}; {start}")))

        output = run_with(bench, bench.engine("pend"), [(0.3, restart)])
        times.append((number("failed_at", output) - began[0]) / 1000)
    failed = figures.Samples("qnet", times, "ms")
    yield figures.Figure("transport", "pending call, peer restarts", "unpinned", failed.median(), "ms after its start",
                         [failed], at_most=20)


def steady(bench):
    """Nothing is wrong with two links, but nobody gets a CPU."""
    bed = bench.bed
    seconds = int(bench.pick(STEADY_S, SMOKE_STEADY_S))
    burner = "for i in $(seq {}); do timeout {} sh -c 'while :; do :; done' & done".format(os.cpu_count(), seconds + 10)
    bed.shell_in("a", f"{burner} </dev/null >/dev/null 2>&1")
    words = bench.engine("call", (0, 1), interval=1000, count=1000 * seconds, seconds=seconds)
    output = run_with(bench, words, [])
    losses = figures.Samples("link-downs", [number("link_losses", output)], "")
    gap = figures.Samples("longest gap", [number("gap", output) / 1000], "ms")
    yield figures.Figure("transport", "links lost, CPUs saturated", "unpinned", losses.median(), f"in {seconds} s",
                         [losses, gap], at_most=0)


PARTS = (small_calls, one_link, several_links, lossy_link, calls_beside_bulk, lost_links, recovered_link,
         restarted_peer, steady)


def run(bed):
    """A lab of its own, because of the links."""
    with Testbed(bed.build, bed.rounds, bed.smoke, links=LINKS) as own:
        bench = Bench(own)
        for part in PARTS:
            yield from part(bench)
