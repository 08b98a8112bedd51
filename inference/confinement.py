"""What a child process gives up before it touches a stranger's file: memory, time, files, the network."""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

NAMESPACE, LANDLOCK, INTERPRETER = "namespace", "landlock", "interpreter"
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_DIE_WITH_PARENT, _NO_NEW_PRIVS = 1, 38
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_PATH_BENEATH = 1
# Writing, removing, making, linking, truncating: bits 1, 4 to 14 of linux/landlock.h.
_WRITES = (1 << 1) | sum(1 << bit for bit in range(4, 15))
_TCP = 0b11
# From this version of Landlock on it knows TCP (Linux 6.7).
_KNOWS_TCP = 4
_OPEN_FILES = 256


def confine(*, memory_bytes: int, cpu_seconds: int, file_bytes: int) -> str:
    """Give up what checking a model does not need, for good; answers how the network was taken away."""
    import resource

    if sys.platform.startswith("linux"):
        _libc().prctl(_DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    how = cut_off()
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return how


def cut_off() -> str:
    """No network from here on, by the strongest means this system offers, and no writes outside this directory."""
    sys.addaudithook(_refuse_sockets)
    if not sys.platform.startswith("linux"):
        return INTERPRETER
    in_namespace = _unshare()
    restricted = _restrict()
    return NAMESPACE if in_namespace else LANDLOCK if restricted else INTERPRETER


def _refuse_sockets(event: str, _: Any) -> None:
    if event.startswith("socket."):
        raise PermissionError("A process that checks models has no network.")


def _unshare() -> bool:
    unshare = _libc().unshare
    # Root of a container may often make the one and not the other.
    return any(unshare(flags) == 0 for flags in (_CLONE_NEWUSER | _CLONE_NEWNET, _CLONE_NEWNET))


def _restrict() -> bool:
    """Landlock: no TCP, and no writes but below the present directory. False where the kernel cannot."""
    import ctypes

    call: Callable[..., int] = _libc().syscall
    if call(_CREATE_RULESET, None, 0, 1) < _KNOWS_TCP:
        return False
    handled = (ctypes.c_uint64 * 2)(_WRITES, _TCP)
    ruleset = call(_CREATE_RULESET, handled, ctypes.sizeof(handled), 0)
    if ruleset < 0:
        return False
    here = os.open(".", os.O_PATH | os.O_CLOEXEC)
    try:
        rule = (ctypes.c_char * 12).from_buffer_copy(
            _WRITES.to_bytes(8, sys.byteorder) + here.to_bytes(4, sys.byteorder)
        )
        is_ready = call(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0) == 0
        _libc().prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
        return is_ready and call(_RESTRICT_SELF, ruleset, 0) == 0
    finally:
        os.close(here)
        os.close(ruleset)


def _libc() -> Any:
    import ctypes

    return ctypes.CDLL(None, use_errno=True)
