"""`novelkit prepare FILE_OR_FOLDER... --out DATA`: raw files to chapters, vocabulary and ids."""

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from novelkit import __version__, encoding, layouts
from novelkit.cleaning import CleaningReport, Novel, clean, write_jsonl
from novelkit.cli.output import Output, check_writable
from novelkit.download import readable_name
from novelkit.errors import InputError
from novelkit.tokenizing import CharTokenizer, load_tokenizer, split_texts, write_data

SUFFIXES = (".txt", ".md", ".html", ".htm")
ANCHORS = {
    "uniform": "随机猜",
    "unigram": "单字频率",
    "bigram": "看前一字",
    "trigram": "看前两字",
    "xz": "xz 压缩",
}


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
        help="char（从这些文本生成字表），或一个模型文件夹（沿用它的词表）",
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
        raise InputError(f"没有 {tokenizer} 这种 tokenizer：请用 char，或给出一个模型文件夹。")
    files = _list_files(inputs, out)
    contents = [read_bytes(file) for file in files]
    fingerprint = _fingerprint(files, contents, tokenizer)
    existing = _existing(out, fingerprint)
    if existing:
        output.say(f"{out} 里的数据就是用这些文件做的，不必重做。")
        return {**existing, "reused": True}
    check_writable(out)
    vocabulary = _tokenizer(tokenizer)
    cleaned: list[Cleaned] = []
    with output.bar("读取和清洗", total=len(files)) as bar:
        for file, content in zip(files, contents, strict=True):
            cleaned.append(read_novel(file, content))
            output.say(_summary(cleaned[-1]))
            bar.update()
    novels = [item.novel for item in cleaned]
    split_texts(novels)  # refuses what is too short, while nothing is written yet
    _write_novels(out, cleaned)
    header = write_data(novels, out, vocabulary, {"fingerprint": fingerprint})
    for line in _summarise_data(header):
        output.say(line)
    return {**header, "reused": False}


def read_bytes(file: Path) -> bytes:
    """The bytes of a file; raises `InputError` for what is missing, empty or no file."""
    if not file.exists():
        raise InputError(f"没有找到文件 {file}：请检查路径和文件名。")
    if file.is_dir():
        raise InputError(f"{file} 是文件夹，这里要一个文件。")
    content = file.read_bytes()
    if not content:
        raise InputError(f"{file} 是空文件（0 字节）：下载可能没有完成，请重新下载。")
    return content


def read_novel(file: Path, content: bytes) -> Cleaned:
    """Bytes to a cleaned novel; raises `InputError` with the file's name."""
    try:
        detection = encoding.detect(content)
        source = {
            "file": readable_name(file.name),
            "sha256": hashlib.sha256(content).hexdigest(),
            "encoding": detection.encoding,
            "damage": detection.damage,
        }
        novel, report = clean(encoding.decode(content, detection), source=source)
    except InputError as error:
        raise InputError(f"{readable_name(file.name)}：{error}") from error
    return Cleaned(novel, detection, report)


def _list_files(inputs: Sequence[Path], out: Path) -> list[Path]:
    """The files named and those in the folders named, less hidden ones and what is in `out`."""
    files: list[Path] = []
    for item in inputs:
        if item.is_dir():
            found = sorted(
                path
                for path in item.rglob("*")
                if path.suffix.lower() in SUFFIXES
                and path.is_file()
                and not path.name.startswith(".")
                # The DATA folder's own train.txt is no novel.
                and out.resolve() not in path.resolve().parents
            )
            if not found:
                raise InputError(f"文件夹 {item} 里没有 {'、'.join(SUFFIXES)} 文件。")
            files += found
        else:
            files.append(item)
    return files


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
    texts = [f"{name}.txt" for name in layouts.SPLITS]
    others = [out / name for name in ("tokenizer.json", "tokenizer_config.json", *texts)]
    novels = out / layouts.NOVELS_FOLDER
    for novel in header["novels"]:
        name = _novel_name(novel["source"])
        others += [novels / f"{name}.jsonl", novels / f"{name}.report.json"]
    whole = (
        header.get("fingerprint") == fingerprint
        and all(path.is_file() for path in others)
        and all(
            (out / split["file"]).is_file()
            and hashlib.sha256((out / split["file"]).read_bytes()).hexdigest() == split["sha256"]
            for split in header["splits"].values()
        )
    )
    return header if whole else None


def _tokenizer(name: str) -> CharTokenizer | None:
    """None for a new character vocabulary, else the tokenizer of a model folder."""
    return None if name == "char" else load_tokenizer(Path(name))


def _write_novels(out: Path, cleaned: Sequence[Cleaned]) -> None:
    """Write the chapters and reports, and delete those of earlier inputs."""
    folder = out / layouts.NOVELS_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    (out / layouts.DATA_FILE).unlink(missing_ok=True)
    written = set()
    for item in cleaned:
        source = item.novel.source
        name = _novel_name(source)
        write_jsonl(item.novel, folder / f"{name}.jsonl")
        layouts.write_json(
            folder / f"{name}.report.json",
            {"detection": asdict(item.detection), "cleaning": item.report.as_dict()},
        )
        written |= {f"{name}.jsonl", f"{name}.report.json"}
    for pattern in ("*.jsonl", "*.report.json"):
        for path in folder.glob(pattern):
            if path.name not in written:
                path.unlink()


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
        f"坏处 {cleaned.detection.damage} 处"
    )


def _summarise_data(header: dict[str, Any]) -> list[str]:
    splits, anchors = header["splits"], header["anchors"]
    names = {"train": "训练", "validation": "验证", "test": "测试"}
    parts = "，".join(
        f"{names[name]} {split['chapters']} 章 {split['characters']:,} 字"
        for name, split in splits.items()
    )
    fallback = header["preflight"]["byte_fallback_characters"]
    lines = " ".join(f"{name} {anchors[key]:.2f}" for key, name in ANCHORS.items())
    return [
        f"按整章划分：{parts}",
        f"词表 {header['vocabulary']:,} 项；验证章节有 {fallback['validation']} 个字要按字节拼写",
        f"参考线（nats／字）：{lines}",
    ]
