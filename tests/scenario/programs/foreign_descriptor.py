# SPDX-License-Identifier: Apache-2.0
"""Naming a handle proves nothing; holding the descriptor does: a root process gives one to uid 1000."""
import os
import sys

from say import D, say

os.set_inheritable(fd := os.open(D + "/locked/secret", os.O_CREAT | os.O_RDWR, 0o600), True)
os.write(fd, b"secret")
AS_USER = "setpriv --reuid 1000 --regid 1000 --clear-groups "
os.system(AS_USER + f"sh -c 'head -c 6 <&{fd}; echo; cat /dev/fd/{fd}'")
os.lseek(fd, 0, 0)
sys.stdout.flush()
os.system(AS_USER + f"head -c 6 <&{fd}")
