"""`novelkit links OWNER/REPO[@TAG]`: every badge and setup cell points to where the kit lives."""

import argparse
from pathlib import Path

from novelkit.cli.output import Output
from novelkit.errors import InputError
from novelkit.links import disagreements, rewrite


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("repository", help="OWNER/REPO，后面可加 @TAG（默认 v 加版本号）")


def run(options: argparse.Namespace) -> int:
    output = Output(options.json)
    root = Path(__file__).resolve().parents[2]
    if not (root / "notebooks").is_dir():
        raise InputError(f"{root} 里没有 notebooks：links 要在克隆下来的仓库里运行。")
    repository, _, tag = options.repository.partition("@")
    changed = [path.relative_to(root).as_posix() for path in rewrite(root, repository, tag or None)]
    output.say(f"改写了 {len(changed)} 个文件：{'、'.join(changed) or '都已一致'}")
    left = disagreements(root)
    for line in left:
        output.say(f"仍不一致：{line}")
    output.result({"changed": changed, "disagreements": left})
    return 1 if left else 0
