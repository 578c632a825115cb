"""`novelkit inspect FILE`: the encoding of a file, with the evidence."""

import argparse
import hashlib
from dataclasses import asdict
from pathlib import Path

from novelkit import encoding, layouts
from novelkit.cli.output import Output
from novelkit.cli.prepare import read_bytes
from novelkit.download import readable_name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="要看的文件")
    parser.add_argument("--text", type=Path, help="把文字存成 UTF-8 文件，一个字也不清洗")
    parser.add_argument(
        "--repair", action="store_true", help="先撤销可以撤销的乱码（错误的二次转码）"
    )


def run(options: argparse.Namespace) -> int:
    output = Output(options.json)
    data = read_bytes(options.file)
    detection = encoding.detect(data)
    text = encoding.decode(data, detection)
    repaired = None
    if options.repair:
        repair = encoding.repair(text)
        text, repaired = repair.text, repair.how
    name = readable_name(options.file.name)
    output.say(f"{name}：{detection.encoding}，把握 {detection.confidence:.0%}")
    for line in detection.evidence:
        output.say(f"  {line}")
    output.say(f"  共 {len(text):,} 个字符，损坏 {detection.damage} 处")
    mojibake = detection.mojibake
    if mojibake and not options.repair:
        output.say(f"  内容是乱码（{mojibake}），可以还原：请加上 --repair")
    if repaired:
        output.say(f"  修复了乱码：{repaired}")
    if options.text:
        layouts.write_text(options.text, text)
        output.say(f"  文字已存到 {options.text}")
    output.result(
        {
            "encoding": detection.encoding,
            "segments": [asdict(segment) for segment in detection.segments],
            "confidence": detection.confidence,
            "evidence": list(detection.evidence),
            "characters": len(text),
            "damage": detection.damage,
            "mojibake": mojibake,
            "repaired": repaired,
            "sha256": hashlib.sha256(text.encode("utf-8")).hexdigest(),
        }
    )
    return 0
