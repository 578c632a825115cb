"""The command line: finds the sub-command, and turns errors into one line and an exit code.

0 done; 1 the work failed; 2 bad input; 130 interrupted, with what was done kept.
"""

import argparse
import errno
import io
import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn, TextIO

from novelkit import __version__
from novelkit.errors import InputError, WorkError

COMMANDS = {
    "check": "检查这台机器：设备、精度、软件包、字体",
    "download": "下载或复制小说：书名、编号、网址、文件或文件夹；也能查书目",
    "inspect": "看一个文件是什么编码，并列出依据",
    "prepare": "原始文件 → 章节 → 词表和训练数据",
    "train": "训练或继续训练一个 GPT-2",
    "diagnose": "读一次训练的损失曲线",
    "write": "用训练好的模型续写",
    "grade": "评一个班的作业：成绩表、每人一页、全班一页",
    "links": "改写所有徽章和准备单元格里的仓库地址",
    "demo": "用自带的小说走完全程",
}


# What argparse says, as regular expressions, since it has no other interface for it (3.11 to 3.14).
_PHRASES = (
    (r"the following arguments are required: (.+)", r"缺少 \1"),
    (r"one of the arguments (.+) is required", r"\1 至少要给一个"),
    (r"unrecognized arguments: (.+)", r"不认识 \1"),
    (r"ambiguous option: (.+?) could match (.+)", r"\1 不明确，可能是 \2"),
    (r"invalid int value: (.+)", r"\1 不是整数"),
    (r"invalid float value: (.+)", r"\1 不是数"),
    (r"invalid \S+ value: (.+)", r"\1 不能用在这里"),
    (r"invalid choice: (.+) \(choose from (.+)\)", r"没有 \1，可选 \2"),
    (r"expected one argument", "后面要跟一个值"),
    (r"expected at most one argument", "后面最多跟一个值"),
    (r"expected at least one argument", "后面至少要跟一个值"),
    (r"expected (\d+) arguments?", r"后面要跟 \1 个值"),
    (r"not allowed with argument (.+)", r"不能和 \1 一起用"),
    (r"ignored explicit argument (.+)", r"后面不能带值 \1"),
)


def _in_chinese(message: str) -> str:
    """A complaint of argparse in Chinese; one that is not in the table stays as it is."""
    if found := re.fullmatch(r"argument (.+?): (.+)", message, re.DOTALL):
        return f"{found[1]}：{_in_chinese(found[2])}"
    for pattern, chinese in _PHRASES:
        if found := re.fullmatch(pattern, message, re.DOTALL):
            return found.expand(chinese)
    return message


_NO_MEMORY = "内存不够：请关掉别的程序，或换小一些的文件、模型。"
# PyTorch has no exception of its own for the memory of the CPU.
_ALLOCATION_FAILED = re.compile(r"can't allocate memory|not enough memory|out of memory", re.I)


class _Formatter(argparse.HelpFormatter):
    """The help with its usage line in Chinese."""

    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:
        super().add_usage(usage, actions, groups, "用法：" if prefix is None else prefix)


class Parser(argparse.ArgumentParser):
    """An argument parser whose help and whose complaint, one line, are in Chinese."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(add_help=False, formatter_class=_Formatter, **settings)
        self._positionals.title, self._optionals.title = "参数", "选项"
        self.add_argument("-h", "--help", action="help", help="显示这份说明")

    def error(self, message: str) -> NoReturn:
        complaint = f"命令写得不对（{_in_chinese(message)}）。用 {self.prog} --help 看用法。"
        self.exit(_complain(2, complaint))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command; returns the exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        # A console that lacks a character shows a question mark instead of ending the work.
        _reconfigure(stream, errors="replace")
    if not arguments or arguments[0] not in COMMANDS:
        return _overview(arguments)
    try:
        return _run(arguments[0], arguments[1:])
    except InputError as error:
        return _complain(2, error)
    except WorkError as error:
        return _complain(1, error)
    except UnicodeEncodeError:
        return _complain(2, "路径里有不是 UTF-8 的文件名，写不进记录：请先把文件改名再试。")
    except MemoryError:
        return _complain(1, _NO_MEMORY)
    except RuntimeError as error:
        if not _ALLOCATION_FAILED.search(str(error)):
            raise
        return _complain(1, _NO_MEMORY)
    except ModuleNotFoundError as error:
        return _complain(1, f"缺少软件包 {error.name}：请先 pip install -r requirements.txt。")
    except BrokenPipeError:
        return _reader_left()
    except OSError as error:
        return _complain(*_explain(error))
    except KeyboardInterrupt:
        return _complain(130, "已中断；做完的部分都留着。")


def _run(name: str, arguments: Sequence[str]) -> int:
    module = import_module(f"novelkit.cli.{name}")
    parser = Parser(prog=f"novelkit {name}", description=COMMANDS[name])
    module.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="在标准输出上给出一个 JSON 对象")
    options = parser.parse_args(arguments)
    if options.json:
        # A file name that is no UTF-8 holds surrogates: in JSON they are spelled \udcxx.
        _reconfigure(sys.stdout, encoding="utf-8", errors="backslashreplace")
    return module.run(options) or 0


def _reconfigure(stream: TextIO, **settings: str) -> None:
    """Change a console's text settings; a notebook's stream has none and takes every text."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(**settings)  # type: ignore[arg-type]


# What the user can change by another path or permission; anything else is failed work.
_BAD_PATHS = {
    errno.ENOENT: "没有找到 {}：请检查路径。",
    errno.ENOTDIR: "{} 或它的上一级是一个文件，不是文件夹：请换一个路径。",
    errno.EISDIR: "{} 是文件夹，这里要一个文件：请换一个路径。",
    errno.EEXIST: "{} 已经存在，但不是文件夹：请换一个名字。",
    errno.EACCES: "没有权限读写 {}：请检查权限，或换一个文件夹。",
    errno.EPERM: "没有权限读写 {}：请检查权限，或换一个文件夹。",
    errno.EROFS: "{} 所在的磁盘是只读的：请换一个可以写的文件夹。",
    errno.ENAMETOOLONG: "路径 {:.40}… 太长：请换一个短一些的名字。",
}


def _explain(error: OSError) -> tuple[int, str]:
    """The exit code and the line for a failure of the file system."""
    # Of a rename, the target is the name that the user gave.
    path = str(error.filename2 or error.filename or "文件")
    if error.errno in _BAD_PATHS:
        return 2, _BAD_PATHS[error.errno].format(path)
    if error.errno == errno.ENOSPC:
        return 1, f"磁盘满了，{path} 写不下：请腾出空间再来，之前做完的都在。"
    return 1, f"读写 {path} 失败（{error}）：请检查磁盘和路径。"


def _reader_left() -> int:
    """Whoever read our output (`| head`) has enough; there is nobody left to complain to."""
    # Python flushes stdout once more as it ends, which would complain again.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def _overview(arguments: Sequence[str]) -> int:
    """`novelkit`, `novelkit --help`, `--version`, or a sub-command that does not exist."""
    if arguments and arguments[0] == "--version":
        print(__version__)
        return 0
    lines = [f"  {name:<10}{what}" for name, what in COMMANDS.items()]
    usage = "\n".join(
        ["用法：novelkit 命令 …    （novelkit 命令 --help 看每个命令的用法）", "", *lines]
    )
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage)
        return 0
    return _complain(2, f"没有 {arguments[0]} 这个命令：可选 {'、'.join(COMMANDS)}。")


def _complain(code: int, error: object) -> int:
    """Print one line to stderr; returns the exit code."""
    message = " ".join(str(error).split())
    print(f"错误：{message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
