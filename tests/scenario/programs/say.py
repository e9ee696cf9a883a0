# SPDX-License-Identifier: Apache-2.0
"""say.py: what did a call answer? These programs run natively and under libqnet.so, and must print the same."""
import errno
import os

D = os.environ["D"]  # the tree of side_by_side.py


def say(name, call, *arguments, **named):
    """Prints the value of a call, or the name of its error, behind a name. Gives the value, or None."""
    try:
        value = call(*arguments, **named)
    except OSError as error:
        value = None
        print(name, errno.errorcode.get(error.errno, error), flush=True)
    else:
        print(name, value, flush=True)
    return value


def here(path):
    """A path as the owner of the tree has it."""
    return path.replace("/net/b/", "/")
