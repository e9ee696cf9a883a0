# SPDX-License-Identifier: Apache-2.0
"""The library is loaded and /net is never used: no connection, no descriptor, no message, nothing changed."""
import re

#: A good deal of local work, every family of calls.
LOCAL_WORK = r"""
cd /tmp && rm -rf lu && mkdir lu && cd lu && seq 1 1000 >a && cp -a a b && ln -s a l && ls -laR . >/dev/null
cat l >/dev/null; mv b c; sed -i s/1/2/ a; tar -cf t a c; tar -tf t >/dev/null; mkfifo p; (echo x >p &) ; cat p
find / -xdev -maxdepth 2 >/dev/null 2>&1; ls /nosuch /netx /ne 2>/dev/null; cat /etc/../etc/hostname >/dev/null
(exec 3<a; read -r x <&3); ls | sort | uniq -c >/dev/null; rm -r ../lu
"""


def calls_of(lab, script):
    """Everything that the processes of a script ask the kernel about sockets, under libqnet.so."""
    library = lab.exec("a", ["sh", "-c", 'echo "$LD_PRELOAD"']).stdout.strip()
    assert library.endswith("libqnet.so")
    strace = ["strace", "-f", "-qq", "-o", "/tmp/trace", "-E", f"LD_PRELOAD={library}"]
    result = lab.exec("a", strace + ["bash", "-c", script], plain=True, timeout=60)
    assert result.status == 0, result.stderr
    return lab.exec("a", ["cat", "/tmp/trace"], plain=True).stdout


def test_local_programs_open_no_socket(lab):
    trace = calls_of(lab, LOCAL_WORK)
    assert trace.count("execve(") > 15
    assert trace.count("libqnet.so") > 10, "the library was there"
    # libc itself asks nscd and systemd about user names; that is no business of ours.
    talk = [line for line in trace.splitlines() if re.search(r"\b(connect|sendmsg|recvmsg)\(", line)
            and "nscd" not in line and "/run/systemd" not in line]
    assert talk == []


def test_the_library_s_start_is_a_few_system_calls(lab):
    with_library = calls_of(lab, "exec /bin/true").splitlines()
    begin = next(i for i, line in enumerate(with_library) if '"/bin/true"' in line)
    ours = [line for line in with_library[begin:] if "qnet" in line and "libqnet.so" not in line]
    assert len(ours) <= 3, ours
    assert not any("socket(" in line or "connect(" in line for line in with_library[begin:])


def test_no_descriptor_is_taken(lab):
    script = "ls -l /proc/self/fd; exec 9</etc/hostname; ls /proc/self/fd"
    with_library = lab.exec("a", ["sh", "-c", script]).stdout.split("\n")
    without = lab.exec("a", ["sh", "-c", script], plain=True).stdout.split("\n")
    assert len(with_library) == len(without)
    assert [line.split()[-3:-2] for line in with_library] == [line.split()[-3:-2] for line in without]


def test_the_agent_hears_nothing(lab):
    def counted():
        stats = lab.stats("a")
        return [stats["local_connections"]["accepted"], stats["requests"]["received"], stats["calls"]["started"]]

    first, second = counted(), counted()
    assert lab.exec("a", LOCAL_WORK, timeout=60).status == 0
    third = counted()
    cost_of_asking = [b - a for a, b in zip(first, second)]
    assert [c - b for b, c in zip(second, third)] == cost_of_asking


def test_after_net_was_used_descriptor_numbers_are_still_the_lowest_free_ones(lab):
    result = lab.exec("a", ["/usr/bin/python3", "-c", r"""
import os
first = os.open("/etc/hostname", 0); os.close(first)
os.stat("/net/b/etc/hostname")
second = os.open("/etc/hostname", 0); third = os.open("/net/b/etc/hostname", 0)
print(second == first, third == first + 1)
os.close(second); print(os.dup(third) == second)
"""])
    assert result.stdout == "True True\nTrue\n"


def test_programs_that_close_everything_do_not_disturb_the_library(lab):
    result = lab.exec("a", ["/usr/bin/python3", "-c", r"""
import os
os.stat("/net/b/etc/hostname"); fd = os.open("/net/b/etc/hostname", 0)
os.closerange(3, 65536)
print(open("/net/b/etc/hostname").read(), end="")
for fd in range(3, 2048):
    try: os.close(fd)
    except OSError: pass
print(open("/net/b/etc/hostname").read(), end="")
null = os.open("/dev/null", os.O_RDWR)
for fd in range(null + 1, 1200): os.dup2(null, fd)
print(os.stat("/net/b/etc/hostname").st_size)
os.closerange(3, 1200)
print(open("/net/b/etc/hostname").read(), end="")
"""])
    assert (result.stdout, result.stderr) == ("b\nb\n2\nb\n", "")


def test_local_results_and_errors_are_the_same_with_the_library(lab):
    script = r"""
        ls -la /etc | sha256sum; cat /nosuch; cd /nosuch; mkdir /proc/x; echo x >/; find /usr/bin | sort | sha256sum
        ls -l /proc/self/fd/ | wc -l; readlink /proc/self/exe /etc/mtab; stat -c '%n %i %Z' /etc/passwd; cat <>/dev/null
        [ -t 0 ]; echo $?; ulimit -n; cd /usr/share; pwd; cd ..; pwd; cd -; ls /network; ls /ne; cat /etc/hostname/x
        tail -c 20 /etc/services; printf '\xff' >/dev/full; ln -s a /tmp/lsym; readlink /tmp/lsym; rm /tmp/lsym
        perl -e 'print -e "/tmp/lsym" ? 1 : 0, " ", -s "/etc/hostname", "\n"; open F, "/nosuch" or print "$!\n"'
    """
    plain = lab.exec("a", ["bash", "-c", script], plain=True, timeout=30)
    with_library = lab.exec("a", ["bash", "-c", script], timeout=30)
    assert (with_library.stdout, with_library.stderr, with_library.status) == (plain.stdout, plain.stderr, plain.status)


def test_nothing_is_written_anywhere_unless_asked(lab):
    assert lab.exec("a", ["sh", "-c", "cat /net/b/nosuch/x 2>/dev/null; cat /net/b/etc/hostname"]).stderr == ""
    logged = lab.exec("a", ["sh", "-c", "cat /net/b/etc/hostname; cat /tmp/qnet.log | wc -l"],
                      env={"QNET_LOG": "trace", "QNET_LOG_FILE": "/tmp/qnet.log"})
    assert logged.stderr == ""


def test_a_program_started_with_an_empty_environment_is_still_at_home_in_net(lab):
    result = lab.exec("a", "env -i /bin/cat /net/b/etc/hostname; env -i PATH=/bin sh -c 'cat /net/b/etc/hostname'")
    assert (result.stdout, result.stderr) == ("b\nb\n", "")
