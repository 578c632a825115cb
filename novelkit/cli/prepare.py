"""`novelkit prepare FILE_OR_FOLDER... --out DATA`: raw files to chapters, vocabulary and ids.

Only the arguments and what a person reads: the work is in `novelkit.pipeline`.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from novelkit import layouts
from novelkit.bundled import model_folder
from novelkit.cleaning.novel import novel_files
from novelkit.cleaning.splits import HELD_OUT_SHARE
from novelkit.cli.output import Output, check_writable
from novelkit.errors import InputError
from novelkit.pipeline import Listener, Prepared, Refused, Settings
from novelkit.pipeline import prepare as prepare_folder
from novelkit.scores import ANCHOR_NAMES
from novelkit.tokenizing.data import MINIMUM_COUNT
from novelkit.tokenizing.preflight import SPLIT_NAMES, explain

# Of a long shelf the first books and every trouble are told; all of them are in report.json.
BOOKS_TOLD = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "inputs", type=Path, nargs="+", metavar="FILE_OR_FOLDER", help="原始文件或文件夹"
    )
    parser.add_argument("--out", type=Path, required=True, help="数据文件夹")
    parser.add_argument(
        "--tokenizer",
        default="auto",
        help="char、word 或 bpe（从这些文本生成词表），一个模型文件夹（沿用它的词表），"
        "auto（不写就是它：沿用 --from 的词表，没有就是 char）",
    )
    parser.add_argument(
        "--from",
        dest="model",
        type=model_folder,
        help="打算接着训练的模型文件夹，或自带模型的名字",
    )
    parser.add_argument("--vocabulary", type=int, metavar="N", help="word、bpe 词表的大小")
    parser.add_argument(
        "--minimum-count",
        type=int,
        default=MINIMUM_COUNT,
        metavar="N",
        help=f"少于 N 次的字不进词表，拼成字节（默认 {MINIMUM_COUNT}）",
    )
    parser.add_argument(
        "--books", type=Path, metavar="TSV", help="书单：每本书的作者、风格、用途和遍数"
    )
    parser.add_argument(
        "--held-out",
        type=float,
        default=HELD_OUT_SHARE,
        metavar="SHARE",
        help="每本书留出多大一部分作验证，再留出同样多作测试（默认十二分之一）",
    )
    parser.add_argument(
        "--headers",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="在段落前写上题头（书名、作者、风格、章节、人物），让模型听从它"
        "（默认：--from 的模型用过就用）",
    )
    parser.add_argument("--simplify", action="store_true", help="繁体转简体（要装 OpenCC）")
    parser.add_argument("--without", nargs="+", default=[], metavar="RULE", help="不用这些清洗规则")
    parser.add_argument(
        "--with", dest="extra", nargs="+", default=[], metavar="RULE", help="另外用这些清洗规则"
    )
    parser.add_argument("--processes", type=int, metavar="N", help="同时用几个进程")
    parser.add_argument("--datasets", action="store_true", help="另外导出 datasets 的 DatasetDict")
    parser.add_argument("--plot", type=Path, metavar="PNG", help="把清洗报告画成一页图")


def run(options: argparse.Namespace) -> int:
    output = Output(options.json)
    settings = Settings(
        tokenizer=options.tokenizer,
        model=options.model,
        vocabulary=options.vocabulary,
        minimum_count=options.minimum_count,
        with_rules=(*options.extra, *(("simplify",) if options.simplify else ())),
        without_rules=tuple(options.without),
        processes=options.processes,
        books=options.books,
        held_out=options.held_out,
        headers=options.headers,
    )
    header = prepare(options.inputs, options.out, settings, output)
    dataset = _export(options.out, output) if options.datasets else None
    if options.plot:
        save_plot(options.out, options.plot)
        output.say(f"清洗报告的图：{options.plot}")
    output.result(
        {
            "data": options.out,
            "novels": _describe_novels(options.out, header),
            "skipped": header["skipped"],
            "splits": header["splits"],
            "anchors": header["anchors"],
            "preflight": header["preflight"],
            "reused": header["reused"],
            "dataset": dataset,
            "plot": options.plot,
        }
    )
    return 0


def prepare(
    inputs: Sequence[Path], out: Path, settings: Settings, output: Output
) -> dict[str, Any]:
    """`novelkit.pipeline.prepare`, with what a person reads on the way."""
    bars: list[Any] = []
    told = _Teller(output)

    def start(steps: int, is_long: bool) -> None:
        # Only now, since what is wrong with the input is said first.
        check_writable(out)
        bars.append(output.bar("读取、清洗和编码", total=steps))
        if is_long:
            bars[0].refresh()

    def step() -> None:
        # An archive holds more books than the one that was counted.
        if bars[0].n < bars[0].total:
            bars[0].update()

    try:
        header = prepare_folder(inputs, out, settings, Listener(start, step, told.book))
    finally:
        for bar in bars:
            bar.close()
    if header["reused"]:
        output.say(f"{out} 里的数据就是用这些文件做的，不必重做。")
    else:
        told.end(header)
    return header


class _Teller:
    """Says what became of each book, in a line each as long as there are few."""

    def __init__(self, output: Output) -> None:
        self._output, self._books = output, 0

    def book(self, book: Prepared | Refused) -> None:
        if isinstance(book, Refused):
            reason = book.reason.removeprefix(f"{book.file} 是").removeprefix(f"{book.file}：")
            self._output.say(f"没有用 {book.file}：{reason}")
            return
        self._books += 1
        if self._books <= BOOKS_TOLD or book.description["source"]["damage"]:
            self._output.say(_summary(book))

    def end(self, header: dict[str, Any]) -> None:
        if self._books > BOOKS_TOLD:
            self._output.say(
                f"共 {self._books:,} 本；没有列出的都没有损坏，每本的情况见 {layouts.REPORT_FILE}"
            )
        if skipped := header["skipped"]:
            self._output.say(f"注意：{len(skipped)} 个文件没有用上，原因见上")
        for line in summarise(header):
            self._output.say(line)


def _summary(book: Prepared) -> str:
    source = book.description["source"]
    name = source["file"]
    if files := source.get("files"):
        name = f"{files:,} 个文件是一部书的各章，合成一本"
    return (
        f"{name}：{source['encoding']}，"
        f"《{book.description['title']}》{book.description['chapters']} 章，"
        f"{book.characters_before:,} → {book.description['characters']:,} 个字符，"
        f"损坏 {source['damage']} 处"
    )


def summarise(header: dict[str, Any]) -> list[str]:
    """What a DATA folder holds and what is to be known of it, in Chinese lines."""
    splits, anchors, checked = header["splits"], header["anchors"], header["preflight"]
    lines = " ".join(f"{ANCHOR_NAMES[key][0]} {value:.2f}" for key, value in anchors.items())
    return [
        _describe_splits(splits, checked["books_cut_between_paragraphs"], header["novels"]),
        f"词表 {header['vocabulary']:,} 项",
        f"参考线（nats／字）：{lines}",
        *_describe_epochs(checked["presets"]),
        *(f"注意：{line}" for line in explain(checked)),
    ]


def _describe_splits(splits: dict[str, Any], cut: int, novels: list[dict[str, Any]]) -> str:
    books = len(novels)
    how = "按整章划分" if not cut else "按段落划分（中间留空）"
    if 0 < cut < books:
        how = f"按整章划分，其中 {cut} 本分不出足够的章，按段落划分"
    again = any("repeat" in novel for novel in novels)
    repeated = {name: "（含重复的遍数）" if again and name == "train" else "" for name in splits}
    parts = "，".join(
        f"{SPLIT_NAMES[name]} {split['chapters']} 章 {split['characters']:,} 字{repeated[name]}"
        for name, split in splits.items()
    )
    return f"{how}：{parts}（验证和测试是留出的章节，不参加训练）"


def _describe_epochs(presets: dict[str, Any]) -> list[str]:
    lines = []
    for name, size in presets.items():
        if size["trainable"]:
            lines.append(
                f"用 {name} 训练，训练章节每遍 {size['steps_per_epoch']:,} 步"
                f"（{size['blocks']:,} 块，每块 {size['context']} 个词元，"
                f"每步 {size['batch_size']} 块）"
            )
        else:
            lines.append(f"不能用 {name} 训练：它要每一部分都超过 {size['context']} 个词元")
    return lines


def _describe_novels(out: Path, header: dict[str, Any]) -> list[dict[str, Any]]:
    """Each novel with the characters that each cleaning rule removed, from its report."""
    described = []
    for novel in header["novels"]:
        path = out / layouts.NOVELS_FOLDER / novel_files(novel["source"])[1]
        rules = json.loads(path.read_text(encoding="utf-8"))["cleaning"]["rules"]
        dropped = {rule["name"]: rule["removed_characters"] for rule in rules}
        common = {key: novel[key] for key in ("title", "chapters", "characters")}
        described.append({**common, "dropped": dropped, **novel["source"]})
    return described


def _export(out: Path, output: Output) -> Path:
    from novelkit.cleaning.exports import write_dataset

    dataset = write_dataset(out)
    output.say(f"DatasetDict：{dataset}（datasets.load_from_disk 打开）")
    return dataset


def save_plot(data: Path, target: Path) -> None:
    """Draw the report of a DATA folder as one page into a PNG."""
    from novelkit.plots.cleaning import plot_report

    report = json.loads((data / layouts.REPORT_FILE).read_text(encoding="utf-8"))
    target.parent.mkdir(parents=True, exist_ok=True)
    with layouts.replacing(target) as temporary:
        plot_report(report).savefig(temporary, dpi=150, format="png")


def read_bytes(file: Path) -> bytes:
    """The bytes of a file; raises `InputError` for what is missing, empty or no file."""
    if not file.exists():
        raise InputError(f"没有找到文件 {file}：请检查路径和文件名。")
    if file.is_dir():
        raise InputError(f"{file} 是文件夹，这里要一个文件：请给出其中的一个文件。")
    content = file.read_bytes()
    if not content:
        raise InputError(f"{file} 是空文件（0 字节）：下载可能没有完成，请重新下载。")
    return content
