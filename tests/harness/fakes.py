# SPDX-License-Identifier: Apache-2.0
"""A build folder with programs that only pretend, so that the lab is tested without what it is there to test.

The agent takes the options --fake-die (ends at once, status 3) and --fake-deaf (never gets ready). Everybody is up for
whoever asks, while the own agent lives.
"""
import os
import shutil
import subprocess
from pathlib import Path

AGENT = """#!/bin/bash
echo "fake agent: $*" >&2
case " $* " in *" --fake-die "*) echo "told to die" >&2; exit 3;; *" --fake-deaf "*) exec sleep 1000000;; esac
echo $$ >/run/qnet/fake.pid
: >/run/qnet/agent.sock
exec sleep 1000000
"""

COMMAND = """#!/bin/bash
[[ $1 = nodes ]] && kill -0 "$(cat /run/qnet/fake.pid 2>/dev/null)" 2>/dev/null || exit 1
list=
for node in $(awk '/^10\\.71\\.0\\./ {print $2}' /etc/hosts); do
  [[ $node = $(hostname) ]] && state=self || state=up
  list+="${list:+,}{\\"name\\":\\"$node\\",\\"state\\":\\"$state\\"}"
done
echo "[$list]"
"""


def make_fake_build(folder, helper):
    """bin/ and lib/ as the lab wants them; `helper` is the real qnet_lab_node."""
    folder = Path(folder)
    for part in ("bin", "lib"):
        (folder / part).mkdir(parents=True)
    for name, text in (("qnetd", AGENT), ("qnet", COMMAND)):
        (folder / "bin" / name).write_text(text)
        os.chmod(folder / "bin" / name, 0o755)
    shutil.copy(helper, folder / "bin" / "qnet_lab_node")
    subprocess.run(["cc", "-shared", "-o", folder / "lib" / "libqnet.so", "-x", "c", "-"], input=b"int qnet_fake;",
                   check=True)
    return folder
