"""`novelkit prepare FILE_OR_FOLDER... --out DATA`: raw files to chapters, vocabulary and ids."""

import argparse
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from novelkit import __version__, encoding, layouts
from novelkit.cleaning import CleaningReport, Novel, clean, write_jsonl
from novelkit.cli.output import Output, check_writable
from novelkit.download import readable_name
from novelkit.errors import InputError
from novelkit.scores import ANCHOR_NAMES
from novelkit.tokenizing import (
    CharTokenizer,
    begin_data,
    load_tokenizer,
    split_texts,
    write_data,
)
from novelkit.tokenizing.data import WRITE_STEPS
from novelkit.tokenizing.preflight import SPLIT_NAMES, explain

SUFFIXES = (".txt", ".md", ".html", ".htm")
# From this size on cleaning takes seconds, and the bar shows itself before the first step.
LONG_INPUT_BYTES = 2 * 2**20
# A file is decoded, then cleaned.
STEPS_A_FILE = 2


@dataclass(frozen=True)
class Cleaned:
    """A novel with the two reports of how it was read and cleaned."""

    novel: Novel
    detection: encoding.Detection
    report: CleaningReport


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "inputs", type=Path, nargs="+", metavar="FILE_OR_FOLDER", help="原始文件或文件夹"
    )
    parser.add_argument("--out", type=Path, required=True, help="数据文件夹")
    parser.add_argument(
        "--tokenizer",
        default="char",
        help="char（从这些文本生成词表），或一个模型文件夹（沿用它的词表）",
    )


def run(options: argparse.Namespace) -> int:
    output = Output(options.json)
    header = prepare(options.inputs, options.out, options.tokenizer, output)
    output.result(
        {
            "data": options.out,
            "novels": [
                {
                    **{key: novel[key] for key in ("title", "chapters", "characters")},
                    "dropped": _dropped(options.out, novel["source"]),
                    **novel["source"],
                }
                for novel in header["novels"]
            ],
            "splits": header["splits"],
            "anchors": header["anchors"],
            "preflight": header["preflight"],
            "reused": header["reused"],
        }
    )
    return 0


def prepare(inputs: Sequence[Path], out: Path, tokenizer: str, output: Output) -> dict[str, Any]:
    """Read, clean and encode `inputs` into the DATA folder `out`, unless it holds just that.

    Returns the folder's header, with `reused` telling whether the work was already done.
    """
    if tokenizer != "char" and not Path(tokenizer).is_dir():
        raise InputError(f"没有 {tokenizer} 这种分词器：请用 char，或给出一个模型文件夹。")
    _refuse_foreign(out)
    files = _list_files(inputs, out)
    contents = [read_bytes(file) for file in files]
    fingerprint = _fingerprint(files, contents, tokenizer)
    existing = _existing(out, fingerprint)
    if existing:
        # A kill between the header and the end of the work leaves the mark.
        (out / layouts.PREPARING_FILE).unlink(missing_ok=True)
        output.say(f"{out} 里的数据就是用这些文件做的，不必重做。")
        return {**existing, "reused": True}
    check_writable(out)
    vocabulary = _tokenizer(tokenizer)
    read_steps = STEPS_A_FILE * len(files)
    with output.bar("读取、清洗和编码", total=read_steps + WRITE_STEPS) as bar:
        if sum(map(len, contents)) >= LONG_INPUT_BYTES:
            bar.refresh()
        cleaned: list[Cleaned] = []
        for file, content in zip(files, contents, strict=True):
            cleaned.append(read_novel(file, content, step=bar.update))
            output.say(_summary(cleaned[-1]))
        novels = [item.novel for item in cleaned]
        split_texts(novels)  # refuses what is too short, while nothing is written yet
        _write_novels(out, cleaned)

        def progress(done: int, _: int) -> None:
            bar.update(read_steps + done - bar.n)

        header = write_data(novels, out, vocabulary, {"fingerprint": fingerprint}, progress)
    for line in _summarise_data(header):
        output.say(line)
    return {**header, "reused": False}


def _refuse_foreign(out: Path) -> None:
    """Raise `InputError` for a folder with files that no `prepare` wrote: it would lose them."""
    if not out.is_dir() or (out / layouts.PREPARING_FILE).is_file() or _header(out):
        return
    # Hidden files are those of the desktop (.DS_Store); nothing of ours takes their names.
    found = sorted(path.name for path in out.iterdir() if not path.name.startswith("."))
    if found:
        raise InputError(
            f"{out} 里有别的文件（{readable_name(found[0])} 等 {len(found)} 个），"
            "又没有 prepare 写的 data.json：为了不覆盖它们，请把 --out 换成一个新文件夹。"
        )


def _header(out: Path) -> dict[str, Any]:
    """What `data.json` of a DATA folder of any version says; empty where there is none of ours."""
    try:
        header = json.loads((out / layouts.DATA_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    ours = isinstance(header, dict) and header.get("format") == "novelkit-data"
    return header if ours else {}


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


def read_novel(file: Path, content: bytes, step: Callable[[], object] = lambda: None) -> Cleaned:
    """Bytes to a cleaned novel; raises `InputError` with the file's name.

    `step` is called `STEPS_A_FILE` times on the way.
    """
    try:
        detection = encoding.detect(content)
        _refuse_mojibake(file, detection)
        source = {
            "file": readable_name(file.name),
            "sha256": hashlib.sha256(content).hexdigest(),
            "encoding": detection.encoding,
            "damage": detection.damage,
        }
        text = encoding.decode(content, detection)
        step()
        novel, report = clean(text, source=source)
        step()
    except InputError as error:
        raise InputError(f"{readable_name(file.name)}：{error}") from error
    return Cleaned(novel, detection, report)


def _refuse_mojibake(file: Path, detection: encoding.Detection) -> None:
    how = detection.mojibake
    if how:
        command = f"novelkit inspect {readable_name(str(file))} --repair --text 新文件"
        raise InputError(f"内容是乱码（{how}），可以还原：请先 {command}，再 prepare 新文件。")


def _list_files(inputs: Sequence[Path], out: Path) -> list[Path]:
    """The files named and those in the folders named, less hidden ones and what is in `out`."""
    files: list[Path] = []
    for item in inputs:
        if _is_within(item, out):
            raise InputError(
                f"{item} 就在 --out 文件夹 {out} 里，会被覆盖：请把 --out 换成另一个文件夹。"
            )
        if item.is_dir():
            found = sorted(
                path
                for path in item.rglob("*")
                if path.suffix.lower() in SUFFIXES
                and path.is_file()
                and not path.name.startswith(".")
                # The DATA folder's own train.txt is no novel.
                and not _is_within(path, out)
            )
            if not found:
                raise InputError(
                    f"文件夹 {item} 里没有 {'、'.join(SUFFIXES)} 文件：请检查路径，或直接给出文件。"
                )
            files += found
        else:
            files.append(item)
    return files


def _is_within(path: Path, folder: Path) -> bool:
    resolved = path.resolve()
    return folder.resolve() in (resolved, *resolved.parents)


def _fingerprint(files: Sequence[Path], contents: Sequence[bytes], tokenizer: str) -> str:
    """Names and contents of the inputs, the tokenizer and the version that read them."""
    parts = [__version__, tokenizer]
    if tokenizer != "char":
        parts.append(hashlib.sha256(read_bytes(Path(tokenizer) / "tokenizer.json")).hexdigest())
    for file, content in zip(files, contents, strict=True):
        parts += [readable_name(file.name), hashlib.sha256(content).hexdigest()]
    return hashlib.sha256("\n".join(parts).encode("utf-8")).hexdigest()


def _existing(out: Path, fingerprint: str) -> dict[str, Any] | None:
    """The header of `out` if these very inputs made it and its arrays are whole."""
    if not (out / layouts.DATA_FILE).is_file():
        return None
    try:
        header = layouts.read_header(out / layouts.DATA_FILE, "novelkit-data")
    except InputError:
        return None
    if header.get("fingerprint") != fingerprint:
        return None
    texts = [f"{name}.txt" for name in layouts.SPLITS]
    others = [out / name for name in ("tokenizer.json", "tokenizer_config.json", *texts)]
    others += [out / layouts.NOVELS_FOLDER / name for name in _novel_files(header)]
    whole = all(path.is_file() for path in others) and all(
        (out / split["file"]).is_file()
        and hashlib.sha256((out / split["file"]).read_bytes()).hexdigest() == split["sha256"]
        for split in header["splits"].values()
    )
    return header if whole else None


def _tokenizer(name: str) -> CharTokenizer | None:
    """None for a new character vocabulary, else the tokenizer of a model folder."""
    return None if name == "char" else load_tokenizer(Path(name))


def _write_novels(out: Path, cleaned: Sequence[Cleaned]) -> None:
    """Write the chapters and reports, and delete those of earlier inputs: ours, no other file."""
    folder = out / layouts.NOVELS_FOLDER
    earlier = {*_novel_files(_header(out)), *_marked_files(out)}
    written = {name for item in cleaned for name in _files_of(_novel_name(item.novel.source))}
    begin_data(out, sorted(earlier | written))
    folder.mkdir(exist_ok=True)
    for item in cleaned:
        chapters, report = _files_of(_novel_name(item.novel.source))
        write_jsonl(item.novel, folder / chapters)
        layouts.write_json(
            folder / report,
            {"detection": asdict(item.detection), "cleaning": item.report.as_dict()},
        )
    for path in folder.iterdir():
        if path.name in earlier - written:
            path.unlink()


def _novel_files(header: dict[str, Any]) -> set[str]:
    """The files of novels/ that belong to the novels of a header, which may be of any version."""
    try:
        names = [_novel_name(novel["source"]) for novel in header["novels"]]
    except (KeyError, TypeError, AttributeError):
        return set()
    return {file for name in names for file in _files_of(name)}


def _marked_files(out: Path) -> set[str]:
    """The files of novels/ that an unfinished `prepare` called its own."""
    try:
        mark = json.loads((out / layouts.PREPARING_FILE).read_text(encoding="utf-8"))
        return set(map(str, mark["novels"]))
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _files_of(name: str) -> tuple[str, str]:
    """The chapters and the report of a novel."""
    return f"{name}.jsonl", f"{name}.report.json"


def _novel_name(source: dict[str, Any]) -> str:
    # Two files of one name in different folders must not overwrite each other.
    return f"{Path(source['file']).stem}-{source['sha256'][:8]}"


def _dropped(out: Path, source: dict[str, Any]) -> dict[str, int]:
    """Characters that each cleaning rule removed from a prepared novel, from its report."""
    path = out / layouts.NOVELS_FOLDER / f"{_novel_name(source)}.report.json"
    rules = json.loads(path.read_text(encoding="utf-8"))["cleaning"]["rules"]
    return {rule["name"]: rule["removed_characters"] for rule in rules}


def _summary(cleaned: Cleaned) -> str:
    novel, report = cleaned.novel, cleaned.report
    file = novel.source["file"]
    return (
        f"{file}：{cleaned.detection.encoding}，《{novel.title}》{len(novel.chapters)} 章，"
        f"{report.characters_before:,} → {report.characters_after:,} 个字符，"
        f"损坏 {cleaned.detection.damage} 处"
    )


def _summarise_data(header: dict[str, Any]) -> list[str]:
    splits, anchors = header["splits"], header["anchors"]
    parts = "，".join(
        f"{SPLIT_NAMES[name]} {split['chapters']} 章 {split['characters']:,} 字"
        for name, split in splits.items()
    )
    lines = " ".join(f"{ANCHOR_NAMES[key][0]} {value:.2f}" for key, value in anchors.items())
    tiny = header["preflight"]["tiny_preset"]
    return [
        f"按整章划分：{parts}（验证和测试是留出的章节，不参加训练）",
        f"词表 {header['vocabulary']:,} 项",
        f"参考线（nats／字）：{lines}",
        (
            f"用 tiny 训练，训练章节每遍 {tiny['steps_per_epoch']:,} 步（{tiny['blocks']:,} 块，"
            f"每块 {tiny['context']} 个词元，每步 {tiny['batch_size']} 块）"
        ),
        *(f"注意：{line}" for line in explain(header["preflight"])),
    ]
