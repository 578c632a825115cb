"""What cleaning yields: a `Novel` of chapters of paragraphs, and its file, one chapter a line.

The file is JSON Lines (jsonlines.org), UTF-8, so that `datasets.load_dataset("json")`, pandas and
jq open it. Nothing here decides what a chapter is: see `chapters`.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from novelkit import layouts
from novelkit.errors import InputError

# With its addition a name must fit the 255 bytes of common file systems.
LONGEST_NAME = 60


@dataclass(frozen=True)
class Chapter:
    """A heading, the paragraphs under it, and the volume it stands in ("" where there is none)."""

    title: str
    paragraphs: tuple[str, ...]
    volume: str = ""

    @property
    def text(self) -> str:
        """Heading, an empty line, one paragraph a line; without a heading only the paragraphs."""
        body = "\n".join(self.paragraphs)
        return f"{self.title}\n\n{body}" if self.title else body

    @property
    def characters(self) -> int:
        return len(self.text)


@dataclass(frozen=True)
class Novel:
    """A whole book. `source` says where it came from: file name, sha256, encoding and the like."""

    title: str
    chapters: tuple[Chapter, ...]
    source: dict = field(default_factory=dict)

    @property
    def text(self) -> str:
        """All chapters, an empty line between two of them."""
        return "\n\n".join(chapter.text for chapter in self.chapters)

    @property
    def characters(self) -> int:
        return len(self.text)


def novel_files(source: dict[str, Any]) -> tuple[str, str]:
    """The files of a novel in novels/: its chapters and its report.

    Two files of one name in different folders must not overwrite each other.
    """
    name = f"{Path(source['file']).stem[:LONGEST_NAME]}-{source['sha256'][:8]}"
    return f"{name}.jsonl", f"{name}.report.json"


def write_jsonl(novel: Novel, path: Path | str) -> None:
    """Write one chapter a line to `path`; a reader never sees a half-written file."""
    path = Path(path)
    lines = [
        json.dumps(_record(novel, index, chapter), ensure_ascii=False)
        for index, chapter in enumerate(novel.chapters)
    ]
    # U+FFFD stays as it is, lone surrogates cannot: they are no text and UTF-8 refuses them.
    with layouts.replacing(path) as temporary:
        temporary.write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="\n")


def _record(novel: Novel, index: int, chapter: Chapter) -> dict:
    return {
        "novel": novel.title,
        "chapter": index,
        "title": chapter.title,
        "volume": chapter.volume,
        "paragraphs": list(chapter.paragraphs),
        "source": novel.source,
    }


def read_jsonl(path: Path | str) -> Novel:
    """Read what `write_jsonl` wrote. Raises InputError that names the first line it cannot use."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"读不了 {path}（{error}）：请检查路径，文件应是 UTF-8 的 JSONL。"
        ) from error
    # Not splitlines(): JSON leaves U+2028 and U+0085 inside strings as they are.
    lines = text.removesuffix("\n").split("\n")
    records = [_parse_line(line, number, path) for number, line in enumerate(lines, start=1)]
    for number, record in enumerate(records, start=1):
        if record["chapter"] != number - 1 or record["novel"] != records[0]["novel"]:
            raise InputError(
                f"{path} 第 {number} 行的书名或章序（chapter 应为 {number - 1}）与前文不连贯："
                "可能缺了行或混进了别的书，请重新生成。"
            )
    chapters = tuple(
        Chapter(record["title"], tuple(record["paragraphs"]), record["volume"])
        for record in records
    )
    return Novel(records[0]["novel"], chapters, records[0]["source"])


def _parse_line(line: str, number: int, path: Path) -> dict:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise InputError(
            f"{path} 第 {number} 行不是 JSON（{error}）：请重新生成这个文件。"
        ) from error
    kinds = {"novel": str, "chapter": int, "title": str, "volume": str, "source": dict}
    kinds["paragraphs"] = list
    wrong = not isinstance(record, dict) or any(
        not isinstance(record.get(key), kind) for key, kind in kinds.items()
    )
    if wrong or not all(isinstance(entry, str) for entry in record["paragraphs"]):
        raise InputError(
            f"{path} 第 {number} 行缺少字段或类型不对（应有 {'、'.join(kinds)}）："
            "请重新生成这个文件。"
        )
    return record
