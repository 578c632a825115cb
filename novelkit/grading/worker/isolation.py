"""System calls that keep a worker apart: namespaces, mounts, an unprivileged user, limits.

Linux only in its strong parts; elsewhere each function says that it could not. Stands alone.
Sources: namespaces(7), mount_namespaces(7), user_namespaces(7), prctl(2), capabilities(7).
"""

import ctypes
import os
import re
import resource
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_MOVE, MS_REC, MS_PRIVATE = 32, 4096, 8192, 16384, 1 << 18
MOUNT_FLAGS = {"nosuid": 2, "nodev": 4, "noexec": 8, "noatime": 1 << 10, "relatime": 1 << 21}
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 4, 36, 38
CAPABILITY_VERSION_3 = 0x20080522

# Where anyone may write.
OPEN_FOLDERS = ("/var/tmp", "/dev/shm", "/run/lock", "/dev/mqueue")
SCRATCH, WORK = "/tmp", "work"
STAGE = "/mnt"

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _check(result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def unshare(flags: int) -> None:
    """unshare(2); raises OSError where the host does not allow it."""
    if _libc is None:
        raise OSError("no Linux")
    _check(_libc.unshare(flags))


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """mount(2)."""
    if _libc is None:
        raise OSError("no Linux")
    words = [os.fsencode(word) or None for word in (source, target, kind)]
    _check(_libc.mount(*words, ctypes.c_ulong(flags), data.encode() or None))


def control(option: int, value: int) -> None:
    """prctl(2), silent where there is none."""
    if _libc is not None:
        _libc.prctl(option, value, 0, 0, 0)


def become_root_of_own_namespace() -> None:
    """A user namespace in which this process, of an ordinary user, may mount. Raises OSError."""
    user, group = os.geteuid(), os.getegid()
    unshare(CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1", encoding="ascii")


def hide(folders: Sequence[str], keep: Sequence[str]) -> None:
    """A mount namespace in which `folders` are empty but for `keep`, and all is read-only.

    The temporary folder is one of them. Raises OSError where the host allows none.
    """
    unshare(CLONE_NEWNS)
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    kept = _outermost(keep)
    # Seen in this namespace only: what is kept waits there while its folder is covered.
    mount("none", STAGE, "tmpfs", MS_NOSUID | MS_NODEV, "size=64k,mode=755")
    for folder in _outermost([*folders, SCRATCH, *OPEN_FOLDERS]):
        if not any(_is_in(folder, one) for one in kept):
            _empty(folder, [one for one in kept if _is_in(one, folder)])
    # What lies in something that is kept: novelkit in the packages of the interpreter.
    cover([one for one in _outermost(folders) if any(_is_in(one, other) for other in kept)])
    Path(SCRATCH, WORK).mkdir()
    mount("none", STAGE, "tmpfs", MS_RDONLY, "size=4k,mode=755")
    _make_read_only()


def _make_read_only() -> None:
    """Every mount: the root's own flag says nothing of a disk that is mounted somewhere below."""
    # But for the temporary folder, which only the server can write: torch wants one to load.
    for line in Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines():
        _, _, _, _, point, options, *_ = line.split(" ")
        # The kernel writes spaces and the like as "\\040"; what was set has to stay set.
        path = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), point)
        if path == os.path.realpath(SCRATCH):
            continue
        kept = sum(MOUNT_FLAGS.get(option, 0) for option in options.split(","))
        try:
            mount("none", path, flags=MS_REMOUNT | MS_BIND | MS_RDONLY | kept)
        except OSError:
            # Covered by another mount, or a file system that is gone; but for the root itself.
            if path == "/":
                raise


def _empty(folder: str, inside: Sequence[str]) -> None:
    """Cover a folder; what is to be kept is bound aside and moved back into its place."""
    asides = [Path(STAGE, str(number)) for number in range(len(inside))]
    for one, aside in zip(inside, asides, strict=True):
        aside.mkdir(exist_ok=True)
        mount(one, str(aside), flags=MS_BIND | MS_REC)
    mount("none", folder, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=755")
    for one, aside in zip(inside, asides, strict=True):
        Path(one).mkdir(parents=True, exist_ok=True)
        mount(str(aside), one, flags=MS_MOVE)


def _outermost(folders: Sequence[str]) -> list[str]:
    """Existing folders, none of them inside of another."""
    found = sorted({os.path.realpath(folder) for folder in folders if Path(folder).is_dir()})
    return [one for one in found if not any(_is_in(one, other) for other in found if other != one)]


def _is_in(inner: str, outer: str) -> bool:
    return Path(inner).is_relative_to(outer)


def cover(paths: Sequence[str]) -> None:
    """Make files and folders of this mount namespace empty."""
    for path in paths:
        if Path(path).is_dir():
            mount("none", path, "tmpfs", MS_RDONLY, "size=4k,mode=755")
        else:
            mount("/dev/null", path, flags=MS_BIND)


def fresh_scratch(size: int, user: int | None) -> None:
    """An empty disk of at most so many bytes as the working directory, for `user`."""
    work = str(Path(SCRATCH, WORK))
    owner = f",uid={user},gid={user}" if user is not None else ""
    flags = MS_NOSUID | MS_NODEV
    mount("none", SCRATCH, flags=MS_REMOUNT | MS_BIND | MS_RDONLY | flags)
    mount("none", work, "tmpfs", flags, f"size={size},nr_inodes=4096,mode=700{owner}")
    os.chdir(work)


def drop_rights(user: int | None) -> None:
    """Become `user` (where it is given), without capabilities and without a way back."""
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    control(PR_SET_NO_NEW_PRIVS, 1)
    _drop_capabilities()
    # Also so that a process of the same user outside cannot be made to look in here, or the other
    # way round; setresuid switched it off only for the kernel's own reasons.
    control(PR_SET_DUMPABLE, 0)


def _drop_capabilities() -> None:
    if _libc is None:
        return
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    _libc.capset(header, (ctypes.c_uint32 * 6)())


def limit(cpu_seconds: int, file_bytes: int, processes: int, stack_bytes: int = 64 << 20) -> None:
    """Limits that a process can only lower (setrlimit(2)). Address space has none: torch maps much.

    After `cpu_seconds` of the processor SIGXCPU, two seconds later SIGKILL.
    """
    wanted = {
        "RLIMIT_CPU": (cpu_seconds, cpu_seconds + 2),
        "RLIMIT_FSIZE": (file_bytes, file_bytes),
        "RLIMIT_CORE": (0, 0),
        "RLIMIT_NOFILE": (256, 256),
        "RLIMIT_STACK": (stack_bytes, stack_bytes),
        "RLIMIT_MEMLOCK": (0, 0),
        "RLIMIT_MSGQUEUE": (0, 0),
        "RLIMIT_NPROC": (processes, processes),
    }
    for name, (soft, hard) in wanted.items():
        which = getattr(resource, name, None)
        if which is None:
            continue
        _, most = resource.getrlimit(which)
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        resource.setrlimit(which, (soft, hard))


def lower_cpu(seconds: int) -> None:
    """SIGXCPU already after so many seconds of the processor; the hard limit stays."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, hard))


def usual_signals() -> None:
    """As a program starts with: a server's handlers are not a student's."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGPIPE, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
