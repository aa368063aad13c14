"""A process that must not outlive the one that started it asks the kernel to be told of its parent's end."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(death_signal: signal.Signals = signal.SIGKILL, *, parent: int | None = None) -> None:
    """Have the kernel send `death_signal` to this process when its parent ends, however that ends.

    Call it in the child, after any change of user (which clears it). `parent` is the process id of the parent as the
    parent knew it: if that one is gone already, this process ends at once. Linux only; elsewhere it does nothing, and
    the next start looks for what was left behind.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
    if parent is not None and os.getppid() != parent:
        os._exit(1)
