# SPDX-License-Identifier: Apache-2.0
"""Programs that the library cannot enter use the remote files that they inherit: static ones, setuid ones, and those
started with an empty LD_PRELOAD. busybox is Debian's static one; static_calls.c says what single calls answer."""
import signal
import time
from pathlib import Path

import pytest

from harness import wait_until
from side_by_side import same

pytestmark = pytest.mark.slow

SOURCE = Path(__file__).resolve().parent / "programs" / "static_calls.c"
TOOL = "/usr/local/bin/static_calls"
#: The contract: a lost peer is an error by then.
ERROR_WITHIN_S = 1.0

LINES = r"printf 'one\ntwo\nthree\nfour\n' >$D/lines; printf '%s' 'hello world, hello net' >$D/text"


def install(lab, *nodes):
    """The static program on the nodes, which are fresh in each lab."""
    for node in nodes:
        lab.exec(node, f"test -x {TOOL} || gcc -O1 -static -o {TOOL} {SOURCE}", plain=True, check=True)


@pytest.fixture
def static_lab(lab):
    install(lab, "a", "b")
    return lab


def kernel_descriptors(lab, node="a"):
    return lab.stats(node)["kernel_descriptors"]


def test_a_static_program_reads_and_writes_what_it_inherits(static_lab):
    before = kernel_descriptors(static_lab)["opened"]
    same(static_lab, r"""
busybox cat <$D/lines
busybox cat /dev/stdin <$D/lines
busybox tail -c 5 <$D/lines
busybox sort <$D/lines >$D/sorted; cat $D/sorted
busybox wc <$D/dir/sub/numbers
busybox sha256sum <$D/dir/sub/numbers
busybox seq 1 5000 >$D/written; wc $D/written
busybox dd if=/dev/zero bs=1M count=5 2>/dev/null >$D/zeros; busybox dd bs=3M <$D/zeros 2>/dev/null | sha256sum
{ echo shell; busybox echo static; echo shell; } >$D/mixed; cat $D/mixed
{ echo shell; busybox echo static; echo shell; } >>$D/mixed; cat $D/mixed
busybox cat <$D/nothing
""", LINES)
    assert kernel_descriptors(static_lab)["opened"] - before >= 12


def test_the_offset_is_shared_with_the_parent_before_and_after(static_lab):
    same(static_lab, rf"""
exec 3<>$D/lines; read -r x <&3; echo $x; busybox dd bs=1 count=4 <&3 2>/dev/null; read -r x <&3; echo $x
{{ busybox head -n 1; echo then; cat; }} <$D/lines
{{ read -r x; busybox head -n 1; read -r y; echo $x $y; busybox cat; }} <$D/lines
exec 3<>$D/text; {TOOL} read 3; {TOOL} read 3; head -c 2 <&3
exec 3<>$D/text; busybox printf ABC >&3; printf DEF >&3; busybox printf GHI >&3; cat $D/text
exec 3<>$D/text 4<&3; busybox sh -c 'printf 12 >&3; printf 34 >&4; printf 56 >&3'; cat $D/text
for i in 1 2 3 4 5 6 7 8; do busybox echo $i & done >$D/many; wait; sort $D/many; rm $D/many
for i in 1 2 3 4 5 6 7 8; do busybox echo $i & done >>$D/many; wait; sort $D/many; rm $D/many
""", LINES)


def test_single_calls_answer_as_on_a_local_file(static_lab):
    same(static_lab, rf"""
{TOOL} read <$D/text
{TOOL} send <$D/text
{TOOL} map <$D/text
{TOOL} write 3 3<>$D/text; cat $D/text; stat -c '%s %a' $D/text
{TOOL} write 3 3>>$D/text; cat $D/text
{TOOL} write 3 3<$D/text
{TOOL} read 3 3>$D/text
""", LINES)


#: Starts busybox by posix_spawn(3). Python's descriptors are close-on-exec: only file actions hand them over.
SPAWN = r"""
import os, sys
D = sys.argv[1]
def run(*words, actions=()):
    child = os.posix_spawn("/bin/busybox", ["busybox", *words], os.environ, file_actions=actions)
    print(words[0], os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
text, out = os.open(D + "/lines", os.O_RDONLY), os.open(D + "/out", os.O_CREAT | os.O_RDWR, 0o644)
run("cat", actions=[(os.POSIX_SPAWN_DUP2, text, 0)])
os.lseek(text, 4, os.SEEK_SET)
run("cat", actions=[(os.POSIX_SPAWN_DUP2, text, 7), (os.POSIX_SPAWN_DUP2, 7, 0), (os.POSIX_SPAWN_CLOSE, 7)])
run("cat", actions=[(os.POSIX_SPAWN_OPEN, 0, D + "/lines", os.O_RDONLY, 0)])
run("seq", "3", actions=[(os.POSIX_SPAWN_OPEN, 1, D + "/new", os.O_CREAT | os.O_WRONLY, 0o644)])
run("cat", "/none", actions=[(os.POSIX_SPAWN_DUP2, out, 1), (os.POSIX_SPAWN_DUP2, 1, 2), (os.POSIX_SPAWN_CLOSE, out)])
run("ls", "/proc/self/fd", actions=[(os.POSIX_SPAWN_CLOSE, text), (os.POSIX_SPAWN_DUP2, out, 5)])
run("cat", actions=[(os.POSIX_SPAWN_DUP2, 0, text), (os.POSIX_SPAWN_DUP2, text, 0)])
os.set_inheritable(out, True)
run("sh", "-c", "echo inherited >&%d" % out)
os.lseek(out, 0, os.SEEK_SET)
print(os.read(out, 999), os.read(os.open(D + "/new", os.O_RDONLY), 99))
"""


def test_posix_spawn_gives_them_too_with_its_file_actions(static_lab):
    same(static_lab, [f"python3 -c '{SPAWN}' $D <$D/text"], LINES)


def test_posix_spawn_by_and_by_shares_the_offset(static_lab):
    """The parent closes its side of the kernel descriptor while the child reads already."""
    result = static_lab.exec("a", ["/usr/bin/python3", "-c", r"""
import os
open("/net/b/tmp/numbers", "w").write("".join("%03d\n" % number for number in range(200)))
file = os.open("/net/b/tmp/numbers", os.O_RDONLY)
os.dup2(file, 0)
for number in range(0, 200, 2):
    words = ["busybox", "dd", "bs=4", "count=1", "status=none"]
    os.waitpid(os.posix_spawn("/bin/busybox", words, os.environ), 0)
    os.write(1, os.read(file, 4))
"""], check=True, timeout=60)
    assert result.stdout == "".join(f"{number:03}\n" for number in range(200))


def test_system_and_popen_give_them_too(static_lab):
    same(static_lab, r"""
python3 -c 'import os; os.system("busybox cat; busybox echo end")' <$D/lines
perl -e 'system("busybox cat; busybox echo end"); print `busybox wc -c`' <$D/lines
awk 'BEGIN { "busybox cat" | getline x; print x; print "out" | "busybox cat" }' <$D/lines >$D/awk; cat $D/awk
""", LINES)


def test_setuid_programs_and_those_without_the_library_inherit_too(static_lab):
    lab = static_lab
    lab.exec("a", "cp /bin/cat /usr/local/bin/setuid_cat; chmod 4755 /usr/local/bin/setuid_cat", plain=True, check=True)
    lab.exec("b", "printf 'for 1000\n' >/tmp/own; chown 1000 /tmp/own; chmod 600 /tmp/own", plain=True, check=True)
    result = lab.exec("a", "setuid_cat </net/b/tmp/own", user=1000)
    assert (result.status, result.stdout) == (0, "for 1000\n"), result.stderr
    result = lab.exec("a", "LD_PRELOAD= cat </net/b/tmp/own; LD_PRELOAD= sh -c 'echo more' >>/net/b/tmp/own")
    assert (result.status, result.stdout) == (0, "for 1000\n"), result.stderr
    assert lab.exec("b", "cat /tmp/own", plain=True).stdout == "for 1000\nmore\n"


def test_what_a_static_program_writes_is_at_the_owner_when_write_returns(static_lab):
    """The other node looks while the writer still holds the file open."""
    lab = static_lab
    writer = lab.start("a", "busybox sh -c 'echo first; read x; echo second' >/net/b/tmp/live")
    wait_until(lambda: lab.exec("b", "cat /tmp/live", plain=True).stdout == "first\n", 5, "the first line at b")
    assert writer.wait(input="\n").status == 0
    assert lab.exec("b", "cat /tmp/live", plain=True).stdout == "first\nsecond\n"


def test_a_full_disk_reaches_the_static_writer(static_lab):
    lab = static_lab
    lab.exec("b", "mkdir -p /tmp/small; mount -t tmpfs -o size=64k none /tmp/small", plain=True, check=True)
    try:
        result = lab.exec("a", "busybox dd if=/dev/zero bs=16k count=8 >/net/b/tmp/small/f")
        assert result.status == 1 and "No space left on device" in result.stderr, result
        assert lab.exec("b", "stat -c %s /tmp/small/f", plain=True).stdout == "65536\n"
    finally:
        lab.exec("b", "umount /tmp/small", plain=True, check=True)


def test_locks_of_a_static_program_hold_between_nodes(static_lab):
    lab = static_lab
    lab.exec("b", ": >/tmp/locked", plain=True, check=True)
    holder = lab.start("a", f"{TOOL} lock 3 3<>/net/b/tmp/locked")
    attempt = f"{TOOL} lock 3 3<>/tmp/locked </dev/null"
    held = "setlk EAGAIN\nflock EAGAIN\n"
    wait_until(lambda: lab.exec("b", attempt, plain=True).stdout == held, 5, "both locks are held")
    assert holder.wait(input="").stdout == "setlk 0\nflock 0\n"
    assert lab.exec("b", attempt, plain=True).stdout == "setlk 0\nflock 0\n"


def test_many_children_and_a_killed_one_leave_no_handle(static_lab):
    lab = static_lab
    before = lab.handles("b")
    lab.exec("b", "seq 1 100 >/tmp/source", plain=True, check=True)
    result = lab.exec("a", "for i in $(seq 40); do busybox sha256sum </net/b/tmp/source & done | sort | uniq -c; wait")
    assert result.stdout.split()[0] == "40", result.stdout
    victim = lab.start("a", f"{TOOL} forever </net/b/tmp/source")
    wait_until(lambda: kernel_descriptors(lab)["open"] > 0, 5, "a kernel descriptor")
    victim.kill()
    lab.wait_handles("b", before)
    assert kernel_descriptors(lab)["open"] == 0


# ---- faults

@pytest.fixture
def own_lab(make_lab):
    lab = make_lab("a", "b")
    install(lab, "a")
    lab.exec("b", "seq 1 100000 >/tmp/source", plain=True, check=True)
    return lab


def begin_forever(lab):
    reader = lab.start("a", f"{TOOL} forever </net/b/tmp/source")
    wait_until(lambda: kernel_descriptors(lab)["requests"] > 20, 5, "a static program that reads")
    return reader


@pytest.mark.parametrize("number, repair", [(signal.SIGKILL, "restart"), (signal.SIGSTOP, "cont")])
def test_a_lost_owner_is_an_error(own_lab, number, repair):
    reader = begin_forever(own_lab)
    lost = own_lab.signal_agent("b", number)
    ended = reader.wait(timeout=20).stdout.split()
    assert time.monotonic() - lost < ERROR_WITHIN_S
    assert ended == ["begin", "0", "ended", "EHOSTDOWN"]
    own_lab.agent("b", repair)


def test_a_stopped_agent_keeps_nobody(own_lab):
    """Who waits for FUSE cannot be killed: the watchdog answers, the program ends, and the agent learns of it later."""
    reader = begin_forever(own_lab)
    before = own_lab.handles("b")
    own_lab.agent("a", "stop")
    try:
        ended = reader.wait(timeout=10).stdout.split()
    finally:
        own_lab.agent("a", "cont")
    assert ended[:4] == ["begin", "0", "ended", "ENONET"], ended
    own_lab.wait_seen("a", "b")
    own_lab.wait_handles("b", before - 1)
    assert kernel_descriptors(own_lab)["open"] == 0
    assert own_lab.exec("a", "busybox head -n 1 </net/b/tmp/source").stdout == "1\n"


def test_the_end_of_the_own_agent_is_an_error(own_lab):
    reader = begin_forever(own_lab)
    own_lab.agent("a", "kill")
    ended = reader.wait(timeout=10).stdout.split()
    assert ended[:3] == ["begin", "0", "ended"] and ended[3] in ("ENOTCONN", "ECONNABORTED"), ended


@pytest.mark.parametrize("without", ["option", "device"])
def test_without_fuse_a_static_reader_gets_an_error_and_never_an_empty_file(make_lab, without):
    lab = make_lab("a", "b", options=["--fuse", "off"] if without == "option" else [])
    if without == "device":
        lab.exec("a", "rm /dev/fuse", plain=True, check=True)
        lab.agent("a", "restart")
        lab.wait_seen("a", "b")
        assert "no kernel descriptors for programs without the library: /dev/fuse: No such file" in lab.log("a")
    lab.exec("b", "echo text >/tmp/f", plain=True, check=True)
    assert kernel_descriptors(lab)["available"] == 0
    result = lab.exec("a", "timeout 5 busybox cat </net/b/tmp/f")
    assert (result.status, result.stdout) == (1, "") and "Resource temporarily unavailable" in result.stderr, result
    result = lab.exec("a", "timeout 5 busybox wc -c </net/b/tmp/f")
    assert result.status == 1 and "Resource temporarily unavailable" in result.stderr, result
    lab.exec("a", "busybox echo written >/net/b/tmp/g", check=True)
    wait_until(lambda: lab.exec("b", "cat /tmp/g", plain=True).stdout == "written\n", 5, "what it wrote is at b")


def test_no_mount_and_no_process_is_left(own_lab):
    """The mount is in no table, also while it is in use."""
    reader = begin_forever(own_lab)
    for node in ("a", "b"):
        assert "fuse" not in own_lab.exec(node, "cat /proc/self/mountinfo", plain=True).stdout
    reader.kill()
