"""Why a disk refused, in a user's words: a clause for the cause and one for what to do."""

import errno
import re

_FULL = ("磁盘满了", "请腾出空间")
_QUOTA = ("配额用完了", "请清理网盘，回收站里的文件也占空间")
_GONE = ("网盘的连接断了", "请重新挂载网盘")
_FORBIDDEN = ("没有读写权限", "请检查权限，或换一个文件夹")
_CASES = {
    "ENOSPC": _FULL,
    "EDQUOT": _QUOTA,
    "EROFS": ("能读，但不能写", "请换一个能写的文件夹，或重新挂载磁盘"),
    "EACCES": _FORBIDDEN,
    "EPERM": _FORBIDDEN,
    "EFBIG": ("文件超过了允许的大小", "请换一个没有这个限制的磁盘"),
    "EIO": ("磁盘读写出错", "请检查磁盘，或重新挂载"),
    "ENOENT": ("文件或文件夹不见了", "请检查路径，网盘要先挂载"),
    "ENOTDIR": ("路径里有一段是文件，不是文件夹", "请检查路径"),
    "ENOTCONN": _GONE,
    "ENODEV": _GONE,
    "ENXIO": _GONE,
    "ESTALE": _GONE,
    "EHOSTDOWN": _GONE,
    "ETIMEDOUT": _GONE,
}
NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


def cause(error: Exception) -> str:
    """What went wrong, as one clause of Chinese with the system's own words."""
    said = " ".join(str(error).split())
    known = _case(error)
    return f"{known[0]}，{said}" if known else said


def remedy(error: Exception) -> str:
    """What the user can do about it, as one clause of Chinese without a full stop."""
    known = _case(error)
    return known[1] if known else "请检查磁盘"


def _case(error: Exception) -> tuple[str, str] | None:
    number = error.errno if isinstance(error, OSError) else None
    if number is None:
        # What Rust reports, as safetensors does, has the number only in its text.
        found = re.search(r"os error (\d+)", str(error))
        number = int(found[1]) if found else 0
    return _CASES.get(errno.errorcode.get(number, ""))
