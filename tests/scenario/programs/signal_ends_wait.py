# SPDX-License-Identifier: Apache-2.0
"""A signal ends a wait for a lock."""
import errno
import fcntl
import os
import signal
import threading
import time

from say import D, say

signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(InterruptedError(errno.EINTR, "alarm")))
holder = os.open(D + "/file", os.O_RDWR)
fcntl.flock(holder, fcntl.LOCK_EX)
mine = os.open(D + "/file", os.O_RDWR)
signal.setitimer(signal.ITIMER_REAL, 0.2)
say("flock", fcntl.flock, mine, fcntl.LOCK_EX)
fcntl.flock(holder, fcntl.LOCK_UN)
say("free", fcntl.flock, mine, fcntl.LOCK_EX | fcntl.LOCK_NB)
