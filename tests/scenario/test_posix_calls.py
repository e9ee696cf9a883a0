# SPDX-License-Identifier: Apache-2.0
"""One libc call at a time: tests/probe makes it and says what came back; both sides must say the same.

Probes whose only argument is DIRECTORY do a whole family of calls in it; the others make one call on the paths given
here. Every probe that the program lists must have a row.
"""
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from side_by_side import lines_of, same

PROBE = Path(os.environ.get("QNET_BUILD_DIR", Path(__file__).resolve().parents[2] / "build")) / "bin" / "qnet_probe"

#: Options of open(2) as the program takes them: numbers.
FLAGS = {"RDONLY": 0, "WRONLY": 1, "RDWR": 2, "CREAT": 0o100, "EXCL": 0o200, "TRUNC": 0o1000, "APPEND": 0o2000,
         "DIRECTORY": 0o200000, "NOFOLLOW": 0o400000, "PATH": 0o10000000, "NONBLOCK": 0o4000, "TMPFILE": 0o20200000}

#: One call a line.
CALLS = r"""
    open $D/file RDONLY
    open $D/file RDWR|TRUNC
    open $D/new RDWR|CREAT|EXCL
    open $D/file RDWR|CREAT|EXCL
    open $D/dangling WRONLY|CREAT
    open $D/link RDONLY|NOFOLLOW
    open $D/dir RDONLY|DIRECTORY
    open $D/file RDONLY|DIRECTORY
    open $D/dir WRONLY
    open $D/file PATH
    open $D/file/x RDONLY
    open $D/missing/x RDONLY|CREAT
    open $D/missing RDONLY
    open $D/link/ RDONLY
    stat $D/file
    stat $D/link
    stat $D/dir
    stat $D/dangling
    stat $D/missing
    stat $D/file/x
    stat $D/dir/../dir/./lines
    stat ''
    lstat $D/link
    lstat $D/dirlink
    lstat $D/dirlink/
    lstat $D/missing
    access $D/file 0
    access $D/file 4
    access $D/file 1
    access $D/missing 0
    access $D/dangling 0
    mkdir $D/made 493
    mkdir $D/file 493
    mkdir $D/missing/x 493
    mkdir $D/made/ 493
    rmdir $D/dir
    rmdir $D/empty
    rmdir $D/file
    rmdir $D/missing
    rmdir $D/locked/.
    unlink $D/hard
    unlink $D/dir
    unlink $D/missing
    unlink $D/link
    remove $D/locked
    remove $D/nothing
    remove $D/dir
    rename $D/file $D/renamed
    rename $D/renamed $D/dir
    rename $D/dir $D/dir/x
    rename $D/missing $D/x
    rename $D/dirlink $D/dirlink2
    rename $D/renamed $D/file
    link $D/file $D/linked
    link $D/dir $D/linked2
    link $D/missing $D/x
    link $D/file $D/linked
    symlink target $D/s
    symlink target $D/s
    symlink '' $D/s2
    symlink target $D/missing/s
    readlink $D/absolute
    readlink $D/file
    readlink $D/missing
    truncate $D/file 3
    truncate $D/file 40
    truncate $D/file -1
    truncate $D/dir 0
    truncate $D/missing 0
    chmod $D/file 384
    chmod $D/missing 384
    chmod $D/dangling 384
    chown $D/file 1000 1001
    chown $D/link -1 5
    chown $D/missing 0 0
    mkfifo $D/pipe 420
    mkfifo $D/pipe 420
    utimens $D/file 1 999999999
    utimens $D/file 1 1000000000
    utimens $D/missing 1 1
    read $D/file
    read $D/dir
    read $D/nothing
    write $D/file text
    write $D/missing text
    write $D/dir text
    chdir $D/dir lines
    chdir $D/dir ../file
    chdir $D/missing x
    chdir $D/file x
    statvfs $D/file
    statvfs $D/missing
    pathconf $D/file
    pathconf $D/missing
"""

#: The probe of the calls that need not be carried yet (listed as "differs"): they say what makes programs fall back.
FALLS_BACK = "limits"
FALL_BACK_ERRORS = {"EOPNOTSUPP", "EXDEV", "EINVAL", "ENODEV", "ENODATA", "ENOENT", "ENOSYS"}

#: What statvfs tells of a tmpfs changes while the test runs.
CHANGES_ALL_THE_TIME = {"statvfs"}


def listed():
    """{probe: arguments} as the program itself lists them."""
    if not PROBE.exists():
        pytest.fail(f"{PROBE} is not built")
    usage = subprocess.run([PROBE], capture_output=True, text=True, check=False).stderr
    return dict(re.findall(r"^  (\S+) +(.*?)\s*$", usage, re.MULTILINE))


def with_numbers(line):
    def number(match):
        return str(sum(FLAGS[word] for word in match[0].split("|")))
    return re.sub(r"\b(?:%s)(?:\|\w+)*$" % "|".join(FLAGS), number, line)


def test_every_probe_has_a_row():
    rows = {line.split()[0] for line in lines_of(CALLS)}
    single = {name for name, arguments in listed().items() if not arguments.startswith("DIRECTORY")}
    assert single == rows


def test_one_call_at_a_time(lab):
    calls = [line for line in lines_of(CALLS) if line.split()[0] not in CHANGES_ALL_THE_TIME]
    same(lab, [f"{PROBE} {with_numbers(line)}" for line in calls])


def test_calls_that_are_not_carried_say_so_in_a_way_that_makes_programs_fall_back(lab):
    result = lab.exec("a", f"rm -rf /net/b/tmp/limits; mkdir /net/b/tmp/limits; {PROBE} {FALLS_BACK} /net/b/tmp/limits")
    steps = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(steps) > 5, result.stderr
    assert {step["error"] for step in steps if step.get("error")} <= FALL_BACK_ERRORS


@pytest.mark.parametrize("user", [None, 1000], ids=["root", "user"])
def test_families_of_calls(lab, user):
    """All of them in one go, each in a folder of its own that is then looked at from b."""
    families = sorted(name for name, arguments in listed().items() if arguments == "DIRECTORY")
    assert families
    # "appended" has lines of several processes in no order.
    commands = [f"mkdir $D/{name} && {PROBE} {name} $D/{name}; rm -f $D/{name}/appended" for name in families]
    same(lab, commands, tree="chmod 1777 $D\n", user=user)
