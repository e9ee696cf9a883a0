# SPDX-License-Identifier: Apache-2.0
"""Open files are shared, appended to, renamed, unlinked and locked across nodes as on one machine."""
from conversation import Conversation, converse
from side_by_side import same, same_program


def python(lab, node, source, plain=False, **how):
    result = lab.exec(node, ["/usr/bin/python3", "-c", source], plain=plain, **how)
    assert result.status == 0, result.stderr
    return result.stdout


def test_the_offset_is_shared_through_dup_and_fork_and_exec(lab):
    same_program(lab, "shared_offset")


def test_a_descriptor_goes_over_a_unix_socket(lab):
    same_program(lab, "descriptor_over_socket")


def test_another_user_s_descriptor_can_be_used_once_it_is_held(lab):
    """Naming a handle proves nothing; holding the descriptor does: a root process gives one to uid 1000."""
    same_program(lab, "foreign_descriptor")


def test_appending_from_two_nodes_at_once_loses_no_line(lab):
    lab.exec("b", ["sh", "-c", ": >/tmp/appended; chmod 666 /tmp/appended"], plain=True)
    source = r"""
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)
for i in range(1500):
    line = ("%s %05d " % (sys.argv[2], i)).ljust(99, sys.argv[2]) + "\n"
    assert os.write(fd, line.encode()) == 100
"""
    writers = [lab.start("a", ["/usr/bin/python3", "-c", source, "/net/b/tmp/appended", name]) for name in "xy"]
    writers.append(lab.start("b", ["/usr/bin/python3", "-c", source, "/tmp/appended", "z"], plain=True))
    writers.append(lab.start("b", ["/usr/bin/python3", "-c", source, "/net/b/tmp/appended", "w"]))
    for writer in writers:
        assert writer.wait(timeout=60).status == 0
    lines = lab.exec("b", ["cat", "/tmp/appended"], plain=True).stdout.split("\n")[:-1]
    assert len(lines) == 6000
    for name in "wxyz":
        own = [line for line in lines if line.startswith(name)]
        assert own == [f"{name} {i:05d} ".ljust(99, name) for i in range(1500)], name


def test_what_an_open_brings_along_hides_nothing(lab):
    same_program(lab, "what_open_brings")


def test_open_flags_mean_what_they_say(lab):
    same_program(lab, "open_flags")


def test_renamed_and_unlinked_files_stay_open(lab):
    same_program(lab, "renamed_and_unlinked")


def test_directory_descriptors_anchor_relative_names(lab):
    same_program(lab, "directory_descriptors")


def test_flock_and_fcntl_locks_hold_between_nodes(lab):
    lab.exec("b", ["sh", "-c", ": >/tmp/locked"], plain=True)
    holder = r"""
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
if sys.argv[2] == "flock": fcntl.flock(fd, fcntl.LOCK_EX)
elif sys.argv[2] == "ofd": fcntl.fcntl(fd, 37, __import__("struct").pack("hhqqi4x", fcntl.F_WRLCK, 0, 100, 50, 0))
else: fcntl.lockf(fd, fcntl.LOCK_EX, 50, 100)
print("held", flush=True); sys.stdin.readline()
"""
    tester = r"""
import errno, fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
def attempt(call, *a):
    try: call(fd, *a); return "ok"
    except OSError as e: return "busy" if e.errno in (errno.EAGAIN, errno.EACCES) else errno.errorcode[e.errno]
N = fcntl.LOCK_NB
print(attempt(fcntl.flock, fcntl.LOCK_EX | N), attempt(fcntl.flock, fcntl.LOCK_SH | N),
      attempt(fcntl.lockf, fcntl.LOCK_EX | N, 10, 120), attempt(fcntl.lockf, fcntl.LOCK_EX | N, 10, 0),
      attempt(fcntl.lockf, fcntl.LOCK_SH | N, 1, 149), attempt(fcntl.lockf, fcntl.LOCK_SH | N, 1, 150))
"""
    wanted = {"flock": "busy busy ok ok ok ok", "fcntl": "ok ok busy ok busy ok", "ofd": "ok ok busy ok busy ok"}
    sides = {"a": ("a", "/net/b/tmp/locked", False), "b": ("b", "/tmp/locked", True),
             "b via /net": ("b", "/net/b/tmp/locked", False)}
    for kind in ("flock", "fcntl", "ofd"):
        for holding, testing in [("a", "a"), ("a", "b"), ("b", "a"), ("a", "b via /net"), ("b via /net", "a")]:
            node, path, plain = sides[holding]
            held = converse(lab, node, holder, path, kind, plain=plain)
            assert held.read_line() == "held\n"
            node, path, plain = sides[testing]
            test = tester.replace("sys.argv[1]", repr(path))
            assert python(lab, node, test, plain) == wanted[kind] + "\n", (kind, holding, testing)
            held.write_line()
            assert held.wait(timeout=10).status == 0
            assert python(lab, node, test, plain) == "ok ok ok ok ok ok\n", (kind, holding, testing)


def test_waiting_for_a_lock_ends_when_the_holder_ends(lab):
    """A wait at the owner costs the waiter only; kill -9 of the holder frees both kinds of lock."""
    lab.exec("b", ["sh", "-c", ": >/tmp/waited"], plain=True)
    for take in ("fcntl.flock(fd, fcntl.LOCK_EX)", "fcntl.lockf(fd, fcntl.LOCK_EX)"):
        source = f"""
import fcntl, os, sys, time
fd = os.open("/net/b/tmp/waited", os.O_RDWR)
print("trying", flush=True); {take}; print("held", flush=True); sys.stdin.read()
"""
        first = converse(lab, "a", source)
        assert [first.read_line(), first.read_line()] == ["trying\n", "held\n"]
        second = converse(lab, "a", source)
        assert second.read_line() == "trying\n"
        assert lab.exec("a", ["cat", "/net/b/etc/hostname"], timeout=5).stdout == "b\n", "others go on meanwhile"
        first.kill()
        assert second.read_line(timeout=5) == "held\n", take
        second.kill()


def test_a_signal_ends_a_wait_for_a_lock(lab):
    same_program(lab, "signal_ends_wait")


def test_record_locks_belong_to_the_process(lab):
    same_program(lab, "record_locks")


def test_hard_links_are_recognised(lab):
    same(lab, r"""
        test $D/file -ef $D/hard; echo $?
        cp -a $D $L/d; stat -c %h $L/d/file; test $L/d/file -ef $L/d/hard; echo $?
        du -b $D/file $D/hard | wc -l
        tar -cf - -C $D file hard | tar -tvf - | awk '{print $1, $NF}'
        cmp $D/file $D/hard; cp $D/file $D/hard
        find $D -samefile $D/hard | sort
    """)
    # Another node, another file, even where the inode numbers are the same.
    assert lab.exec("a", "[ /etc/hostname -ef /net/b/etc/hostname ]").status == 1
    assert lab.exec("a", "[ /net/a/etc/hostname -ef /net/b/etc/hostname ]").status == 1


def test_sparse_files_and_offsets_above_4_gib(lab):
    same_program(lab, "huge_offsets")


def test_sparse_files_are_copied_sparse(lab):
    same(lab, r"""
        truncate -s 6G $D/s; printf x | dd of=$D/s bs=1 seek=5G conv=notrunc status=none; stat -c '%s %b' $D/s
        cp --sparse=auto $D/s $L/s; stat -c '%s %b' $L/s; rm $D/s; od -A d -c -j 5368709119 -N 9 $L/s
        cp --sparse=auto $L/s $D/back; stat -c '%s %b' $D/back; od -A d -c -j 5368709119 -N 9 $D/back; rm $D/back
    """)


def test_a_change_made_on_b_is_seen_by_the_next_call_on_a(lab):
    """Content, size, times, mode, names: nothing is remembered between calls."""
    lab.exec("b", ["sh", "-c", "rm -rf /tmp/seen; mkdir /tmp/seen; echo 0 >/tmp/seen/f"], plain=True)
    reader = converse(lab, "a", r"""
import os, sys
fd = os.open("/net/b/tmp/seen/f", os.O_RDONLY); d = os.open("/net/b/tmp/seen", os.O_RDONLY)
for _ in sys.stdin:
    s = os.stat("/net/b/tmp/seen/f")
    print(os.pread(fd, 100, 0).decode().strip(), open("/net/b/tmp/seen/f").read().strip(),
          s.st_size == os.fstat(fd).st_size, oct(s.st_mode & 0o777),
          sorted(os.listdir("/net/b/tmp/seen")) == sorted(os.listdir(d)), len(os.listdir(d)),
          os.path.exists("/net/b/tmp/seen/n1"), flush=True)
""")
    writer = Conversation(lab.start("b", r"""
        i=0; while read -r _; do i=$((i+1)); echo $i >/tmp/seen/f; chmod $((600 + i % 7)) /tmp/seen/f; : >/tmp/seen/n$i
        echo done; done
    """, plain=True))
    for i in range(1, 21):
        writer.write_line("go")
        assert writer.read_line() == "done\n"
        reader.write_line("go")
        assert reader.read_line() == f"{i} {i} True {oct(0o600 + i % 7)} True {i + 1} True\n"
    for process in (reader, writer):
        assert process.wait(timeout=10).status == 0


def test_many_threads_and_children_use_one_file_at_once(lab):
    same_program(lab, "many_threads")
