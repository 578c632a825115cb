"""The command line: finds the sub-command, and turns errors into one line and an exit code.

0 done; 1 the work failed; 2 bad input; 130 interrupted, with what was done kept.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from novelkit import __version__
from novelkit.errors import InputError, WorkError

COMMANDS = {
    "check": "检查这台机器：设备、精度、软件包、字体",
    "download": "取来一本小说：网址或本地文件",
    "inspect": "看一个文件是什么编码，凭什么这么说",
    "prepare": "原始文件 → 章节 → 词表和训练数据",
    "train": "训练或继续训练一个 GPT-2",
    "diagnose": "读一次训练的损失曲线",
    "write": "用训练好的模型续写",
    "links": "改写所有徽章和安装单元里的仓库地址",
    "demo": "用自带的小说走完全程",
}


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one line of Chinese."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"错误：命令写得不对（{message}）。用 {self.prog} --help 看用法。\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command; returns the exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        # A console that lacks a character shows a question mark instead of ending the work.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    if not arguments or arguments[0] not in COMMANDS:
        return _overview(arguments)
    name = arguments[0]
    module = import_module(f"novelkit.cli.{name}")
    parser = Parser(prog=f"novelkit {name}", description=COMMANDS[name])
    module.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="在标准输出上给出一个 JSON 对象")
    options = parser.parse_args(arguments[1:])
    if options.json:
        sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    try:
        return module.run(options) or 0
    except (InputError, FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        return _complain(2, error)
    except PermissionError as error:
        return _complain(2, f"没有权限读写 {error.filename}：请检查权限，或换一个文件夹。")
    except (WorkError, OSError, MemoryError) as error:
        return _complain(1, error)
    except KeyboardInterrupt:
        return _complain(130, "已中断；做完的部分都留着。")


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
    message = " ".join(str(error).split()) or type(error).__name__
    print(f"错误：{message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
