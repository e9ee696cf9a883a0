# SPDX-License-Identifier: Apache-2.0
"""side_by_side.py: does a command do the same on node a against /net/b as natively on b?

same(lab, commands) runs the commands twice in freshly made, equal trees on b: natively on b, and on a under libqnet.so
with $D below /net/b. Standard output, standard error and status of every command must be equal byte for byte (with
/net/b taken away), and so must the two trees afterwards. All differences are told at once.

In the commands:  $D  the tree (on b), $L  a fresh directory on the node that runs the commands.
"""
import difflib
import re
from pathlib import Path

PREFIX = "/net/b"
PLACE = "/tmp/same/d"
TIMEOUT_S = 60
#: env=MAPPED: the tree has the same name on both sides.
MAPPED = {"D": PLACE, "QNET_MAP": f"{PLACE}={PREFIX}{PLACE}"}
SHOWN_LINES, SHOWN_COLUMNS = 60, 200
PROGRAMS = Path(__file__).resolve().parent / "programs"
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#: What stands in $D before the first command.
TREE = r"""
mkdir -p $D/dir/sub $D/empty $D/locked
printf 'hello\nworld\n' >$D/file
printf 'banana\napple\ncherry\napple pie\n' >$D/dir/lines
seq 1 20000 >$D/dir/sub/numbers
: >$D/nothing
printf 'no newline' >"$D/dir/odd name"
ln -s file $D/link
ln -s missing $D/dangling
ln -s dir $D/dirlink
ln -s /etc/hostname $D/absolute
ln $D/file $D/hard
chmod 640 $D/dir/lines
chmod 2755 $D/empty
chmod 700 $D/locked
chown 1000:1000 $D/dir/lines
"""

_PIN_TIMES = "find $D/.. -depth -exec touch -h -d '2001-02-03 04:05:06.789012345 UTC' {} +\n"

_SNAPSHOT = r"""
cd $D || exit
find . -type d -printf '%p %y %m %U:%G\n' -o -printf '%p %y %m %U:%G links=%n size=%s %l\n' | sort
find . -type f -exec sha256sum {} + | sort -k2
"""

_MARK = "\x01"


class Outcome:
    """What one command said on one side."""

    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err


def lines_of(commands):
    """A table of commands: a list, or a text with one a line; '#' begins a remark, a backslash at the end joins."""
    if isinstance(commands, str):
        commands = re.sub(r"\\\n\s*", "", commands).splitlines()
    return [line.strip() for line in commands if line.strip() and not line.strip().startswith("#")]


def script_of(commands):
    parts = ["export LC_ALL=C TZ=UTC; umask 022; cd /; L=$(mktemp -d /tmp/local.XXXXXX); export L\n"]
    for number, command in enumerate(commands):
        mark = rf"printf '\001{number}\001\n'"
        parts.append(f"{mark}; {mark} >&2\n( {command}\n) </dev/null\nprintf '\\001=%d\\001\\n' $?\n")
    return "".join(parts)


def outcomes_of(commands, result):
    """Splits the combined output of script_of(commands) at the marks."""
    outs, errs = {}, {}
    whole = re.compile(rf"{_MARK}(\d+){_MARK}\n(.*?){_MARK}=(\d+){_MARK}\n", re.DOTALL)
    for number, out, status in whole.findall(result.stdout):
        outs[int(number)] = (int(status), out)
    pieces = re.split(rf"{_MARK}(\d+){_MARK}\n", result.stderr)
    for number, err in zip(pieces[1::2], pieces[2::2]):
        errs[int(number)] = err
    lost = (None, "(did not finish)")
    return [Outcome(*outs.get(i, lost), errs.get(i, "")) for i in range(len(commands))]


def plain_text(text):
    """The text as the native side would have it."""
    return re.sub(r"/tmp/local\.\w{6}", "/tmp/local", text.replace(PREFIX + "/", "/"))


def difference(title, native, remote):
    if native == remote:
        return []
    lines = difflib.unified_diff(native.splitlines(), remote.splitlines(), "native", "remote", lineterm="", n=1)
    return [f"  {title}:"] + [f"    {line[:SHOWN_COLUMNS]}" for line in list(lines)[:SHOWN_LINES]]


def differences(commands, native, remote):
    report = []
    for command, n, r in zip(commands, native, remote):
        found = []
        if n.status != r.status:
            found.append(f"  status: native {n.status}, remote {r.status}")
        found += difference("stdout", plain_text(n.out), plain_text(r.out))
        found += difference("stderr", plain_text(n.err), plain_text(r.err))
        if found:
            report += [f"$ {command}"] + found
    return report


def prepare(lab, text, pin_times=True, place=PLACE):
    script = f"umask 022; rm -rf {place}; mkdir -p {place}\n" + text + (_PIN_TIMES if pin_times else "")
    result = lab.exec("b", ["bash", "-ec", script], plain=True, env={"D": place}, timeout=TIMEOUT_S)
    assert result.status == 0, f"preparing failed: {result.stderr}"


def snapshot(lab, place=PLACE):
    return lab.exec("b", ["bash", "-c", _SNAPSHOT], plain=True, env={"D": place}, timeout=TIMEOUT_S).stdout


def run_side(lab, node, commands, shell="bash", user=None, env=None, inside=False, timeout=TIMEOUT_S):
    """Runs all commands in one shell on one side; `node` b is the native one."""
    place = PLACE if node == "b" else PREFIX + PLACE
    script = script_of(commands)
    if inside:
        script = "cd $D && D=.\n" + script.replace("cd /;", "", 1)
    return lab.exec(node, [shell, "-c", script], plain=node == "b", user=user, timeout=timeout,
                    env={"D": place, "PATH": SEARCH_PATH, **(env or {})})


def same(lab, commands, more="", tree=TREE, compare_trees=True, **how):
    """See the head of this file. `more` is added to the making of the tree."""
    __tracebackhide__ = True  # pylint: disable=unused-variable
    commands = lines_of(commands)
    prepare(lab, tree + more)
    native_result = run_side(lab, "b", commands, **how)
    native_tree = snapshot(lab)
    prepare(lab, tree + more)
    remote_result = run_side(lab, "a", commands, **how)
    report = differences(commands, outcomes_of(commands, native_result), outcomes_of(commands, remote_result))
    if compare_trees:
        report += difference("the trees afterwards", native_tree, snapshot(lab))
    assert not report, "not the same:\n" + "\n".join(report)
    return outcomes_of(commands, remote_result)


def same_program(lab, name, **how):
    """A program of programs/ that prints what the calls it makes answer."""
    __tracebackhide__ = True  # pylint: disable=unused-variable
    outcome = same(lab, [f"/usr/bin/python3 -B {PROGRAMS / name}.py"], **how)[0]
    assert outcome.status == 0, f"the program itself is wrong: {outcome.err}"
    return outcome
