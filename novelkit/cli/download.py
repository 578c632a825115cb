"""`novelkit download WHAT --out DIR`: a URL or a local file to raw bytes with their provenance."""

import argparse
from dataclasses import asdict
from pathlib import Path

from novelkit.cli.output import Output
from novelkit.download import download


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", help="网址（http、https），或本地文件的路径")
    parser.add_argument("--out", type=Path, default=Path("downloads"), help="放到哪个文件夹")


def run(options: argparse.Namespace) -> int:
    output = Output(options.json)
    with output.bar("下载", unit="B", unit_scale=True) as bar:

        def progress(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        found = download(options.what, options.out, progress=progress)
    state = "已有同样的文件" if found.reused else "已保存"
    output.say(f"{state}：{found.path}（{found.bytes:,} 字节，sha256 {found.sha256[:16]}…）")
    output.result(asdict(found))
    return 0
