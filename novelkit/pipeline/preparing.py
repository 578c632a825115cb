"""Files to a DATA folder: every book is read, cleaned, split, counted and encoded.

One book a process is in memory at a time, and the result does not depend on how many processes
there are. A file that is named must be usable; one that stands in a folder or an archive and is
not is left out, and told. Until everything is known to be good `out` stays as it was.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from novelkit import layouts
from novelkit.cleaning import RULES
from novelkit.cleaning.edits import Edits
from novelkit.cleaning.exports import remove_dataset, write_train_json
from novelkit.cleaning.simplify import simplify
from novelkit.cleaning.splits import HELD_OUT_SHARE
from novelkit.download import readable_name
from novelkit.download.books import READABLE_SUFFIXES, UNREADABLE, list_books, read_books
from novelkit.errors import InputError
from novelkit.pipeline.folder import (
    earlier_novels,
    file_sha256,
    find_existing,
    fingerprint,
    refuse_foreign,
)
from novelkit.pipeline.joining import join_chapters
from novelkit.pipeline.reading import STEPS_A_BOOK, Prepared, Refused, Task, book_reader
from novelkit.pipeline.report import ReportBuilder
from novelkit.pipeline.shelf import Shelf, read_entries
from novelkit.pipeline.workers import Workers, choose_processes
from novelkit.tokenizing import KINDS, choose_tokenizer, load_tokenizer
from novelkit.tokenizing.choice import AUTO
from novelkit.tokenizing.data import MINIMUM_COUNT, WRITE_STEPS, DataWriter
from novelkit.tokenizing.preflight import refuse_losses
from novelkit.tokenizing.segmentation import load_jieba
from novelkit.tokenizing.staging import begin_data, staging

# From this size on cleaning takes seconds, and a bar shows itself before the first step.
LONG_INPUT_BYTES = 2 * 2**20


@dataclass(frozen=True)
class Settings:
    """What a DATA folder depends on besides the files; `processes` changes only the time."""

    tokenizer: str = AUTO
    model: Path | None = None  # to be continued: `auto` takes its tokenizer
    vocabulary: int | None = None
    # Characters that occur less often are spelled in bytes.
    minimum_count: int = MINIMUM_COUNT
    with_rules: tuple[str, ...] = ()
    without_rules: tuple[str, ...] = ()
    processes: int | None = None
    books: Path | None = None  # the table of books (see `shelf`)
    held_out: float = HELD_OUT_SHARE  # of each book's chapters, for validation and for test
    headers: bool | None = None  # None: where the model to be continued was trained with them

    def __post_init__(self) -> None:
        if self.processes is not None and not 1 <= self.processes <= 64:
            raise InputError(f"进程数 {self.processes} 不能用：请在 1 到 64 之间，一般不超过核数。")
        self._check_tokenizer()
        unknown = {*self.with_rules, *self.without_rules} - set(RULES)
        if unknown:
            raise InputError(
                f"没有叫 {'、'.join(sorted(unknown))} 的清洗规则：可用的是 {'、'.join(RULES)}。"
            )
        if both := set(self.with_rules) & set(self.without_rules):
            raise InputError(f"清洗规则 {'、'.join(sorted(both))} 又要用又不要用：请只留一个。")

    def _check_tokenizer(self) -> None:
        """Raise `InputError` for names, sizes and folders that cannot be meant."""
        if self.model and self.tokenizer != AUTO:
            raise InputError(
                f"--from {self.model} 要沿用那个模型的词表，又给了 --tokenizer {self.tokenizer}："
                "接着训练请去掉 --tokenizer，从头训练请去掉 --from。"
            )
        if self.model and not self.model.is_dir():
            raise InputError(f"没有 {self.model} 这个模型文件夹：请检查 --from 的路径。")
        name = self.resolved
        if name not in KINDS and not (name and Path(name).is_dir()):
            raise InputError(
                f"没有“{name}”这种分词器：请用 {'、'.join(KINDS)}、{AUTO}，或给出一个模型文件夹。"
            )
        if self.minimum_count < 1 or (self.minimum_count != MINIMUM_COUNT and name not in KINDS):
            raise InputError(
                f"--minimum-count {self.minimum_count} 不能用：它至少是 1，"
                "只用于新做的词表，模型的词表不能改。"
            )
        if self.vocabulary is not None and (name not in KINDS[1:] or self.vocabulary < 1):
            raise InputError(
                f"词表大小 {self.vocabulary} 不能用：它至少是 1，只用于 --tokenizer word 和 bpe，"
                "char 的词表有多少种字就有多大，模型的词表不能改。"
            )

    def check_installed(self) -> None:
        """Raise `InputError` for what cannot be loaded here: books are read before it is needed,
        and that may take minutes."""
        if self.resolved == "word":
            load_jieba()
        elif self.resolved not in KINDS:
            load_tokenizer(Path(self.resolved))
        if "simplify" in self.with_rules:
            simplify("", Edits())

    @property
    def resolved(self) -> str:
        """The tokenizer's kind, or the folder that it is taken from."""
        if self.tokenizer != AUTO:
            return self.tokenizer
        return str(self.model) if self.model else "char"

    @property
    def rules(self) -> tuple[str, ...] | None:
        """The cleaning rules by name, None for those that are on by default."""
        if not self.with_rules and not self.without_rules:
            return None
        on = {name for name, rule in RULES.items() if getattr(rule, "default", True)}
        chosen = (on | set(self.with_rules)) - set(self.without_rules)
        return tuple(name for name in RULES if name in chosen)

    def read_shelf(self) -> Shelf:
        """The table of books with how they are split; raises `InputError` for a wrong one."""
        entries = read_entries(self.books) if self.books else {}
        return Shelf(entries, self.held_out, self._with_headers)

    @property
    def _with_headers(self) -> bool:
        if self.headers is not None:
            return self.headers
        return layouts.knows_headers(Path(self.resolved)) if self.resolved not in KINDS else False

    def identity(self) -> list[str]:
        """What tells these settings from others, also by the content of a tokenizer's file."""
        parts = [self.resolved, str(self.vocabulary), *(self.rules or ("default",))]
        parts += [str(self.minimum_count), str(self.held_out), str(self._with_headers)]
        parts += [file_sha256(self.books)] if self.books else []
        if self.resolved not in KINDS:
            path = Path(self.resolved) / "tokenizer.json"
            parts.append(file_sha256(path) if path.is_file() else "")
        return parts


@dataclass(frozen=True)
class Listener:
    """Callbacks of a long job: the number of steps, each step, each book that was read."""

    start: Callable[[int, bool], object] = lambda steps, is_long: None
    step: Callable[[], object] = lambda: None
    book: Callable[[Prepared | Refused], object] = lambda book: None


def prepare(
    inputs: Sequence[Path],
    out: Path,
    settings: Settings | None = None,
    listener: Listener | None = None,
) -> dict[str, Any]:
    """Read, clean and encode `inputs` into the DATA folder `out`, unless it holds just that.

    Returns the folder's header, with `reused` telling whether the work was already done. Raises
    `InputError` for what cannot be used, before anything in `out` has changed.
    """
    settings, listener = settings or Settings(), listener or Listener()
    refuse_foreign(out)
    settings.check_installed()
    shelf = settings.read_shelf()
    files, skipped = list_files(inputs, out)
    mark = fingerprint(files, settings.identity())
    if existing := find_existing(out, mark):
        # A kill between the header and the end of the work leaves the mark.
        (out / layouts.PREPARING_FILE).unlink(missing_ok=True)
        return {**existing, "reused": True}
    size = sum(path.stat().st_size for path in files)
    listener.start(STEPS_A_BOOK * len(files) + WRITE_STEPS, size >= LONG_INPUT_BYTES)
    job = _Job(out, settings, shelf, listener, skipped, {*map(Path, inputs)})
    try:
        workers = Workers(choose_processes(settings.processes, size))
        return {**job.run(files, workers, mark), "reused": False}
    except OSError as error:
        # A full disk does not say which file it was.
        error.filename = error.filename or str(out)
        raise


@dataclass(frozen=True)
class _Job:
    """One run of `prepare`: what all its steps share."""

    out: Path
    settings: Settings
    shelf: Shelf
    listener: Listener
    skipped: list[Refused]
    named: set[Path]  # files that the user named: these must be usable

    def run(self, files: Sequence[Path], workers: Workers, mark: str) -> dict[str, Any]:
        """All of the work, in order; nothing in `out` changes before `begin_data`."""
        out, step = self.out, self.listener.step
        # The workers end before the folder that they write to is removed: a file that one of them
        # still opened would keep it.
        with staging(out) as parts, workers, DataWriter(out, parts) as writer:
            report = ReportBuilder()
            for book in self._read(files, parts / layouts.NOVELS_FOLDER, workers):
                writer.add(book.parts, book.description)
                report.add(book)
            self._refuse_nothing(writer)
            self._refuse_missing(writer)
            writer.check()
            tokenizer = choose_tokenizer(
                self.settings.resolved,
                writer.texts("train"),
                vocabulary_size=self.settings.vocabulary,
                minimum_count=self.settings.minimum_count,
            )
            self._refuse_small(len(tokenizer))
            step()
            writer.encode(tokenizer, step, workers.map if workers.processes > 1 else None)
            # Sorted, since with several processes they are found out in another order.
            skipped = sorted(map(vars, self.skipped), key=lambda one: (one["file"], one["reason"]))
            header = writer.header(tokenizer) | {"skipped": skipped, "fingerprint": mark}
            refuse_losses(header["preflight"])
            step()
            write_train_json(writer.texts("train"), parts / layouts.TRAIN_JSON_FILE)
            layouts.write_json(
                parts / layouts.REPORT_FILE, report.build(writer.census, header["preflight"])
            )
            self._publish(writer, report.files)
            step()
            writer.commit(header)
            step()
        return header

    def _refuse_missing(self, writer: DataWriter) -> None:
        """Raise `InputError` for books of the table that are not there, or where it leaves none."""
        found = [(novel["title"], novel["source"].get("file", "")) for novel in writer.novels]
        missing = self.shelf.missing(found)
        for refused in self.skipped:
            if Path(refused.file).stem in missing:
                raise InputError(f"书单里的 {refused.file} 不能用：{refused.reason}")
        if missing:
            raise InputError(
                f"书单 {self.settings.books} 里的 {'、'.join(missing)} 在输入里没有："
                "请核对书名（书名或不带后缀的文件名），或删去那几行。"
            )
        if found and not writer.census.characters("train"):
            raise InputError(
                f"书单 {self.settings.books} 把所有的书都留作测试（use 是 test），"
                "没有剩下可以训练的：请至少留一本 train。"
            )

    def _refuse_small(self, least: int) -> None:
        """Raise `InputError` for a vocabulary that does not even hold the characters."""
        wanted = self.settings.vocabulary
        if wanted is not None and least > wanted:
            raise InputError(
                f"词表 {wanted:,} 项装不下：这些文本单是字和字节就要 {least:,} 项，"
                "请加大 --vocabulary，或不写它。"
            )

    def _publish(self, writer: DataWriter, written: set[str]) -> None:
        """Put all into place, and delete what earlier inputs left: ours, no other file."""
        earlier = earlier_novels(self.out)
        begin_data(self.out, sorted(earlier | written))
        remove_dataset(self.out)
        writer.publish()
        for name in earlier - written:
            (self.out / layouts.NOVELS_FOLDER / name).unlink(missing_ok=True)

    def _read(self, files: Sequence[Path], folder: Path, workers: Workers) -> Iterator[Prepared]:
        """The books of the files in order; those that are left out go to `skipped`."""
        work = book_reader(folder, self.settings.rules, self.shelf)
        tasks = join_chapters(self._tasks(files))
        for task, book in _with_items(workers, work, tasks, self.listener.step):
            if isinstance(book, Refused):
                self._leave_out(book, task.required)
            else:
                self.listener.book(book)
                yield book

    def _tasks(self, files: Sequence[Path]) -> Iterator[Task]:
        for path in files:
            required = path in self.named
            try:
                for raw in read_books(path, skipped=self._skip):
                    name = readable_name(str(path))
                    yield Task(raw, name, required and not _is_member(raw.container))
            except InputError as error:
                self._leave_out(Refused(readable_name(path.name), str(error)), required)

    def _skip(self, name: str, reason: str) -> None:
        self._leave_out(Refused(name, reason), required=False)

    def _leave_out(self, refused: Refused, required: bool) -> None:
        if required:
            already = refused.file in refused.reason
            raise InputError(refused.reason if already else f"{refused.file}：{refused.reason}")
        self.skipped.append(refused)
        self.listener.book(refused)

    def _refuse_nothing(self, writer: DataWriter) -> None:
        """Raise `InputError` where every book was left out, with the reason of the first."""
        if not writer.novels and self.skipped:
            first = self.skipped[0]
            raise InputError(
                f"{len(self.skipped)} 个文件都不能用，例如 {first.file}：{first.reason}"
            )


def _with_items(
    workers: Workers, work: Callable[..., Any], tasks: Iterator[Task], step: Callable[[], object]
) -> Iterator[tuple[Task, Prepared | Refused]]:
    """Each task, less its bytes, with what became of it."""
    if workers.processes == 1:
        for task in tasks:
            yield task, work(task, step)
        return
    under_way: list[Task] = []

    def remember() -> Iterator[Task]:
        for task in tasks:
            under_way.append(replace(task, raw=replace(task.raw, content=b"")))
            yield task

    for book in workers.map(work, remember(), size=lambda task: len(task.raw.content)):
        for _ in range(STEPS_A_BOOK):
            step()
        yield under_way.pop(0), book


def _is_member(container: str) -> bool:
    """Whether a book is one of possibly many in an archive."""
    return container.split("/")[0] == "zip"


def list_files(inputs: Sequence[Path], out: Path) -> tuple[list[Path], list[Refused]]:
    """The files named and those in the folders named, less hidden ones and what is in `out`.

    The second list holds the books in formats that cannot be read. Raises `InputError` for an
    input that is missing, or lies within `out`.
    """
    skipped: list[Refused] = []
    for item in map(Path, inputs):
        if _is_within(item, out):
            raise InputError(
                f"{item} 就在 --out 文件夹 {out} 里，会被覆盖：请把 --out 换成另一个文件夹。"
            )
        if not item.exists():
            raise InputError(f"没有找到文件 {item}：请检查路径和文件名。")
        if item.is_dir():
            skipped += _unreadable_files(item)
            # The DATA folder's own train.txt is no novel.
            if not list_books([item], exclude=out):
                raise InputError(
                    f"文件夹 {item} 里没有 {'、'.join(READABLE_SUFFIXES)} 文件："
                    "请检查路径，或直接给出文件。"
                )
    return list_books(inputs, exclude=out), skipped


def _unreadable_files(folder: Path) -> list[Refused]:
    """The books in a folder whose format is known and not read."""
    return [
        Refused(readable_name(path.name), UNREADABLE[path.suffix.lower()])
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in UNREADABLE and not path.name.startswith(".") and path.is_file()
    ]


def _is_within(path: Path, folder: Path) -> bool:
    resolved = path.resolve()
    return folder.resolve() in (resolved, *resolved.parents)
