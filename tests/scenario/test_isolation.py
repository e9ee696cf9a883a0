# SPDX-License-Identifier: Apache-2.0
"""What do programs on one node cost each other? Who is more urgent goes first; who stands still, or copies much, delays
nobody by more than a queue."""
import pytest

from conversation import converse
from harness import wait_until

#: Reads 2000 bytes of a remote file, none that an open brings along, again and again in some threads; says when it
#: has begun.
CROWD = r"""
import os, sys, threading
def read():
    fd = os.open("/net/b/tmp/data", os.O_RDONLY)
    while True: os.pread(fd, 2000, 50000)
for _ in range(int(sys.argv[1])): threading.Thread(target=read, daemon=True).start()
print("reading", flush=True)
sys.stdin.read()
"""

#: Times the same read, so many times one after the other; prints the median in milliseconds.
TIMED = r"""
import os, sys, time
fd = os.open("/net/b/tmp/data", os.O_RDONLY)
took = []
for _ in range(int(sys.argv[1])):
    began = time.monotonic()
    os.pread(fd, 2000, 50000)
    took.append(time.monotonic() - began)
print(sorted(took)[len(took) // 2] * 1000)
"""

#: Times looks at a file, and prints how long the slowest but one in twenty took, in milliseconds.
LOOKS = r"""
import os, time
took = []
for _ in range(200):
    began = time.monotonic()
    os.stat("/net/b/etc/hostname")
    took.append(time.monotonic() - began)
print(sorted(took)[len(took) * 95 // 100] * 1000)
"""


def median_ms(lab, how, count=30):
    return float(lab.exec("a", [*how, "/usr/bin/python3", "-c", TIMED, str(count)], check=True).stdout)


def test_the_more_urgent_process_waits_less_on_a_full_link(make_lab):
    lab = make_lab("a", "b")
    lab.exec("b", "head -c 100000 /dev/urandom >/tmp/data", plain=True, check=True)
    lab.link("a-b:en0", "rate", "10mbit")
    crowd = converse(lab, "a", "import os, sys; os.execvp('nice', ['nice', '-n', '19', '/usr/bin/python3', '-c', "
                               f"{CROWD!r}, '40'])")
    assert crowd.read_line() == "reading\n"
    patient = median_ms(lab, ["nice", "-n", "19"])
    urgent = median_ms(lab, ["nice", "-n", "-10"])
    real_time = median_ms(lab, ["chrt", "-f", "10"])
    assert patient > 20, "forty replies of 1.7 ms stand before it"
    assert urgent < patient / 2, (urgent, patient)
    assert real_time < patient / 2, (real_time, patient)
    crowd.kill()


#: A terminal of b's that nobody types into.
TERMINAL = r"""
import os, pty, sys
_, end = pty.openpty()
print(os.ttyname(end), flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("disturbance", ["fifo", "terminal", "copies"])
def test_who_stands_still_or_copies_delays_nobody(make_lab, disturbance):
    lab = make_lab("a", "b")
    running = []
    if disturbance == "fifo":
        lab.exec("b", "mkfifo /tmp/empty /tmp/full", plain=True, check=True)
        # Both ends of each are held, so that an open does not wait: four read what nobody writes, four write what
        # nobody reads.
        running = [lab.start("b", "exec 3<>/tmp/empty 4<>/tmp/full; read", plain=True)]
        running += [lab.start("a", "cat /net/b/tmp/empty") for _ in range(4)]
        running += [lab.start("a", "cat /dev/zero >/net/b/tmp/full") for _ in range(4)]
    elif disturbance == "terminal":
        terminal = converse(lab, "b", TERMINAL, plain=True)
        name = terminal.read_line().strip()
        running = [terminal] + [lab.start("a", f"cat /net/b{name}") for _ in range(8)]
    else:
        lab.exec("b", "head -c 64M /dev/zero >/tmp/big", plain=True, check=True)
        running = [lab.start("a", "while cp /net/b/tmp/big /tmp/copy$$; do :; done") for _ in range(2)]
    waiting = 2 if disturbance == "copies" else 8
    wait_until(lambda: lab.handles("b") >= waiting, 20, "they have opened what they read")
    slow_ms = float(lab.exec("a", ["/usr/bin/python3", "-c", LOOKS], check=True).stdout)
    assert slow_ms < 50
    for command in running:
        command.kill()
