"""System calls that a worker may not make, by a filter of the kernel's (seccomp).

What is refused holds memory that no process's own count shows (files in memory, System V segments,
shared pages that are no longer mapped, a temporary disk in a user namespace), looks into other
processes, or is a part of the kernel that no exercise needs. Linux on x86-64 and ARM only;
elsewhere, and where the kernel has no such filter, `forbid_calls` does nothing and says so.
Stands alone. Sources: seccomp(2), linux/filter.h, linux/audit.h, the kernel's tables of calls.
"""

import ctypes
import errno
import platform
import struct
import sys

PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
# Codes of classic BPF.
LOAD, EQUAL, AT_LEAST, AND, RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
# Offsets in struct seccomp_data (little-endian): number, architecture, low half of an argument.
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16
CLONE_NEWUSER, SHARED_AND_ANONYMOUS = 0x10000000, 0x21
X32 = 0x40000000

# Of `platform.machine()`: AUDIT_ARCH, and the numbers of clone, mmap and of what is refused.
_X86_64 = {
    "memfd_create": 319,
    "shmget": 29,
    "unshare": 272,
    "setns": 308,
    "ptrace": 101,
    "process_vm_readv": 310,
    "process_vm_writev": 311,
    "add_key": 248,
    "request_key": 249,
    "keyctl": 250,
    "mount": 165,
    "umount2": 166,
    "pivot_root": 155,
    "bpf": 321,
    "perf_event_open": 298,
    "userfaultfd": 323,
}
_ARM_64 = {
    "memfd_create": 279,
    "shmget": 194,
    "unshare": 97,
    "setns": 268,
    "ptrace": 117,
    "process_vm_readv": 270,
    "process_vm_writev": 271,
    "add_key": 217,
    "request_key": 218,
    "keyctl": 219,
    "mount": 40,
    "umount2": 39,
    "pivot_root": 41,
    "bpf": 280,
    "perf_event_open": 241,
    "userfaultfd": 282,
}
# The same number on both: io_uring_setup, pidfd_getfd, memfd_secret.
_ON_BOTH = {"io_uring_setup": 425, "pidfd_getfd": 438, "memfd_secret": 447}
CLONE3 = 435
MACHINES = {
    "x86_64": (0xC000003E, 56, 9, _X86_64),
    "aarch64": (0xC00000B7, 220, 222, _ARM_64),
}


def forbid_calls() -> bool:
    """Refuse the calls from now on, in this process and in all that it starts; whether it could.

    The process must have set PR_SET_NO_NEW_PRIVS.
    """
    machine = MACHINES.get(platform.machine())
    if sys.platform != "linux" or machine is None or sys.maxsize < 2**32:
        return False
    code = b"".join(_program(*machine))
    buffer = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog: a count and, at the next pointer's place, the instructions.
    program = (ctypes.c_uint64 * 2)(len(code) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) == 0


def _program(architecture: int, clone: int, mmap: int, refused: dict[str, int]) -> list[bytes]:
    """Each question that is answered by yes is followed at once by what is returned then."""
    refuse = _step(RETURN, ERRNO | errno.EPERM)
    # A 32-bit program's calls have other numbers: all of them are refused.
    found = [_step(LOAD, ARCHITECTURE), _step(EQUAL, architecture, 1, 0), refuse]
    found += [_step(LOAD, NUMBER), _step(AT_LEAST, X32, 0, 1), refuse]
    # Its flags lie in memory, where no filter looks; libraries go back to clone.
    found += [_step(EQUAL, CLONE3, 0, 1), _step(RETURN, ERRNO | errno.ENOSYS)]
    for number in sorted({*refused.values(), *_ON_BOTH.values()}):
        found += [_step(EQUAL, number, 0, 1), refuse]
    found += _with_flags(clone, 0, CLONE_NEWUSER, refuse)
    found += _with_flags(mmap, 3, SHARED_AND_ANONYMOUS, refuse)
    return [*found, _step(RETURN, ALLOW)]


def _with_flags(number: int, argument: int, flags: int, refuse: bytes) -> list[bytes]:
    """Refuses a call when all of `flags` are set in that argument."""
    return [
        _step(EQUAL, number, 0, 5),
        _step(LOAD, FIRST_ARGUMENT + 8 * argument),
        _step(AND, flags),
        _step(EQUAL, flags, 0, 1),
        refuse,
        _step(RETURN, ALLOW),
    ]


def _step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    """One instruction: struct sock_filter."""
    return struct.pack("<HBBI", code, yes, no, value)
