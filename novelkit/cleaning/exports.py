"""A DATA folder in the forms that other programs read: train.json and a `datasets` folder.

`train.json` is a JSON array of strings, one chapter each, as GPT2-Chinese's `train.json` is.
`dataset/` is a `datasets.DatasetDict` of chapters. Both are written book by book; the second needs
the package `datasets`, which nothing else of the kit does.
"""

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from novelkit import layouts
from novelkit.cleaning.novel import novel_files, read_jsonl
from novelkit.cleaning.splits import HoldOut, split_novel
from novelkit.errors import InputError

if TYPE_CHECKING:
    from datasets import DatasetDict


def write_train_json(chapters: Iterable[str], path: Path) -> None:
    """Write the chapters as a JSON array of strings, one a line."""
    with (
        layouts.replacing(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="\n") as file,
    ):
        separator = "[\n"
        for chapter in chapters:
            file.write(separator + json.dumps(chapter.rstrip("\n"), ensure_ascii=False))
            separator = ",\n"
        file.write("\n]\n" if separator == ",\n" else "[]\n")


def chapter_rows(data: Path, split: str) -> Iterator[dict[str, Any]]:
    """The chapters of a split of a DATA folder, in order, one dict each.

    `chapter` is the chapter's position in its book; a chapter that was cut between paragraphs has
    a row in more than one split.
    """
    header = layouts.read_header(data / layouts.DATA_FILE, "novelkit-data")
    number = layouts.SPLITS.index(split)
    for described in header["novels"]:
        source = described["source"]
        novel = read_jsonl(data / layouts.NOVELS_FOLDER / novel_files(source)[0])
        splits = split_novel(novel, HoldOut(**described.get("held_out", {})))
        for position, chapter in zip(splits.positions[number], getattr(splits, split), strict=True):
            yield {
                "novel": novel.title,
                "chapter": position,
                "title": chapter.title,
                "volume": chapter.volume,
                "text": chapter.text,
                "paragraphs": list(chapter.paragraphs),
                "source": json.dumps(source, ensure_ascii=False),
            }


def dataset_dict(data: Path, cache: Path) -> "DatasetDict":
    """The splits of a DATA folder as `datasets.DatasetDict`, a row a chapter (`chapter_rows`).

    Its Arrow files lie in the folder `cache` and are mapped into memory. Raises `InputError`
    without the package `datasets`.
    """
    try:
        from datasets import Dataset, DatasetDict, Features, Sequence, Value
    except ModuleNotFoundError as error:
        raise InputError(
            "导出 dataset 要用 datasets 这个软件包：请先 pip install datasets，"
            "或不加 --datasets（训练用不着它）。"
        ) from error
    text = Value("string")
    columns = dict.fromkeys(("novel", "title", "volume", "text", "source"), text)
    columns |= {"chapter": Value("int32"), "paragraphs": Sequence(text)}
    order = ("novel", "chapter", "title", "volume", "text", "paragraphs", "source")
    features = Features({name: columns[name] for name in order})
    return DatasetDict(
        {
            split: Dataset.from_generator(
                chapter_rows,
                features=features,
                cache_dir=str(cache),
                gen_kwargs={"data": data, "split": split},
            )
            for split in layouts.SPLITS
        }
    )


def write_dataset(data: Path) -> Path:
    """Write the folder `dataset/` of a DATA folder, which `datasets.load_from_disk` opens."""
    target, parts = data / layouts.DATASET_FOLDER, data / layouts.PARTS_FOLDER
    shutil.rmtree(parts, ignore_errors=True)
    try:
        with _quiet():
            dataset_dict(data, parts).save_to_disk(str(parts / layouts.DATASET_FOLDER))
        remove_dataset(data)
        # Renamed when it is whole, so that a killed export leaves no half of one.
        (parts / layouts.DATASET_FOLDER).rename(target)
    finally:
        # What is still mapped Windows keeps, until the next `prepare`.
        shutil.rmtree(parts, ignore_errors=True)
    return target


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the progress bars of `datasets`, in which every batch is a line in a notebook."""
    from datasets.utils import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    were_disabled = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not were_disabled:
            enable_progress_bars()


def remove_dataset(data: Path) -> None:
    """Delete the folder `dataset/` of a DATA folder if it is one of `datasets`."""
    folder = data / layouts.DATASET_FOLDER
    if (folder / "dataset_dict.json").is_file():
        shutil.rmtree(folder)
