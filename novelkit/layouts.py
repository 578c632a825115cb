"""The layouts of the DATA, RUN, model and grading folders: file names, keys and version numbers.

This is the one place where they are written down; a test compares it with folders as they are
written. A reader refuses a version that it does not know, so a layout changes only together with
its number. Every file is a standard format that other tools open: UTF-8 text, JSON, JSON Lines,
`.npy`, `.safetensors`, `tokenizer.json`.

Download (written by `download`, beside the file NAME)
    NAME.source.json      {"novelkit", "file", "source", "sha256", "bytes", "date",
                           "final_url", "content_type", "mirror", "resumed_from",
                           "licence", "title", "author", "id"}
                          final_url and content_type only of what came from a server, mirror
                          (the address that served in place of source) and resumed_from (the
                          byte where the last connection began) only where there was one, the
                          rest where it is known: title, author, id for a book of the catalogue
    .download-KEY.part, .download-KEY.part.json
                          {"address", "etag", "last_modified", "length"}
                          the bytes of a broken transfer and what the server said of the file;
                          there only until a later call has finished it

DATA (written by `prepare`, read by `train`)
    data.json             {"format": "novelkit-data", "version": 1,
                           "tokenizer": "char", "tokenizer_sha256", "vocabulary",
                           "novels": [{"title", "chapters", "characters", "source":
                                       {"file", "sha256", "encoding", "damage",
                                        "container", "author", "omitted",
                                        "files"},
                                       "author", "style", "names", "repeat", "remarks",
                                       "held_out": {"share", "test", "whole"}}],
                           "skipped": [{"file", "reason"}],
                           "splits": {"train" | "validation" | "test":
                                      {"file", "sha256", "tokens", "characters",
                                       "header_tokens", "chapters"}},
                           "headers": {"book", "line_end"},
                           "anchors": {"uniform", "unigram", "bigram", "trigram",
                                       "fivegram", "xz"},
                           "anchors_characters": {"train", "validation"},
                           "preflight": {"lost_characters", "gap_characters",
                                         "books_cut_between_paragraphs",
                                         "byte_fallback_characters": {"train", ...},
                                         "byte_fallback_share": {"train", ...},
                                         "traditional_share",
                                         "unseen_characters": {"validation", "test"},
                                         "held_out_paragraphs",
                                         "paragraphs_in_train_and_held_out",
                                         "identical_books",
                                         "replacement_characters": {"train", ...},
                                         "presets": {"tiny" | "small" | "base":
                                                     {"context", "batch_size", "blocks",
                                                      "steps_per_epoch", "trainable"}},
                                         "tiny_preset": {"context", "batch_size",
                                                         "blocks", "steps_per_epoch"}},
                           "fingerprint"}
                          anchors in nats per character, of so many characters where the texts are
                          longer; tokenizer: char, word, bpe or foreign; container, author,
                          omitted and files (how many were joined as the chapters of one book)
                          only of the books that have them, as the author, style, names, repeat
                          and remarks (its other columns) of the table of books, and held_out
                          where it is not the usual; headers: the ids between which a header
                          stands, only where there are headers,
                          as header_tokens of the splits; characters of a split: those that its
                          ids spell, with repeats; skipped: files of folders and archives that
                          could not be used; fingerprint: the sha256 of the inputs
                          and settings, by which `prepare` knows its own work again
    train.npy, validation.npy, test.npy
                          the token ids of a split as one 1-D array, uint16 or uint32, in reading
                          order; training maps it into memory and cuts it into blocks
    train.txt, validation.txt, test.txt
                          the text of each split, from which the ids were made
    tokenizer.json, tokenizer_config.json
                          the tokenizer, as `transformers.AutoTokenizer` loads it
    train.json            a JSON array of strings, one chapter each: the training split as
                          GPT2-Chinese reads it
    report.json           {"characters_before", "characters_after",
                           "dropped": {RULE: {"title", "changes", "characters"}},
                           "encodings", "damage",
                           "characters": {"total", "kinds", "most_common", "by_rank",
                                          "rare": {"at_most", "kinds", "once", "examples"}},
                           "duplicates": {"paragraphs", "repeated_in_train",
                                          "in_train_and_held_out", "identical_books"},
                           "novels": [{"title", "file", "encoding", "damage",
                                       "characters_before", "characters_after", "dropped",
                                       "chapter_characters"}]}
                          most_common and by_rank are pairs: character or rank, and count
    dataset/              only with --datasets: a `datasets.DatasetDict` of train, validation and
                          test, a row a chapter (see `novelkit.cleaning.exports`)
    novels/NAME.jsonl     {"novel", "chapter", "title", "volume", "paragraphs", "source"}
                          one chapter a line (see `novelkit.cleaning.novel`)
    novels/NAME.report.json
                          {"detection", "cleaning"}
                          how the encoding was found and what each cleaning rule removed
    .preparing            {"novels"}
                          there only while `prepare` works, or after it was killed: the folder is
                          its own, and these files of novels/ are those of the data before
    .novelkit-parts/      there only while `prepare` works: what will take its place at the end

RUN (written by `train`, read by `diagnose`, `train --resume`)
    run.json              {"format": "novelkit-run", "version": 1, "run_id", "config", "model",
                           "data": {"tokenizer", "train", "validation", "test",
                                    "anchors": {"uniform", "unigram", "bigram", "trigram",
                                                "fivegram", "xz"},
                                    "tokens_per_character": {"train", ...}},
                           "decisions": [{"step", "kind", "value", "reason"}],
                           "sessions": [{"id", "started", "resumed_from", "device", "torch",
                                         "python", "ended", "last_step"}]}
                          the ledger; data.train and the like are the sha256 of the splits;
                          kinds of decisions: start, compute, accumulation, compile, cycle,
                          minutes, patience; each holds for the steps after its own
    history.jsonl         {"step", "loss", "loss_spread", "learning_rate", "gradient_norm",
                           "clipped", "update_ratio", "tokens", "epoch", "position",
                           "tokens_seen", "seconds", "tokens_per_second", "session",
                           "validation_loss", "bits_per_character"}
                          one line a step, append-only; after a resume a step may stand there
                          twice, and the later line counts (`training.history.read_history`);
                          losses in nats per token, loss_spread the standard deviation of the
                          step's sequences; the last two only where it evaluated, with a sample
                          where there is a sampler; besides micro_batch_losses where a step takes
                          its batch in parts, scale and skipped where float16 needs a scaler;
                          in a recorded run, which is only read, it may be history.jsonl.gz
    checkpoints/step-00000500/
                          model.safetensors, optimizer.safetensors, average.safetensors where
                          weights are averaged, state.json, and, written last, manifest.json
    state.json            {"format": "novelkit-state", "version": 1,
                           "state": {"step", "tokens", "best_step", "best_loss", "last_loss",
                                     "evaluations_without_gain", "scaler"}}
    manifest.json         {"step", "files"}
                          the size and the sha256 of each of the others
    best/step-00000400/   model.safetensors and manifest.json of the best evaluation
    model/                the exported model folder

Mirror (written by `train`, read by `train --resume`; a folder on Google Drive or another disk)
    RUN_ID/step-00000500-20261126T153012123456-3f9a0c71/
                          a copy of the run as it was after the step: run.json, history.jsonl,
                          checkpoints/step-00000500/ and the best/ folder that it counts on, all
                          named as in RUN, and, written last, mirror.json; the name holds the
                          time (UTC) and a random part, so that no two attempts share one, and is
                          never written again or renamed: a copy without its mirror.json is not
                          whole, yet or any more
    mirror.json           {"format": "novelkit-mirror", "version": 1, "run_id", "step", "stored",
                           "files": {PATH: {"bytes", "sha256"}}}
                          stored: the time in the folder's name; PATH: relative, with slashes
    RUN.before-1/         beside RUN on the local disk: an older state of it, moved aside when a
                          copy was restored; .RUN.restoring/ is there only while that is done

Model folder (written by `train`, read by `write`, `AutoModelForCausalLM`, `AutoTokenizer`)
    config.json, generation_config.json, model.safetensors
                          GPT-2 as `transformers.GPT2LMHeadModel` stores it, or the architecture
                          that training began from
    tokenizer.json, tokenizer_config.json
    README.md             the model card: data, settings, curve and scores
    copy_filter.npz       hashes of the training text's 13-grams (`copying.NgramFilter`), by which
                          copying is noticed without that text: arrays counts and remainders, and
                          {"format": "novelkit-copy-filter", "version": 1, "n", "step",
                           "characters", "bucket_bits", "remainder_bytes", "sha256"}
    novelkit.json         {"format": "novelkit-model", "version": 1, "novels", "step", "headers",
                           "anchors": {"uniform", "unigram", "bigram", "trigram",
                                       "fivegram", "xz"},
                           "weights_sha256", "tokenizer_sha256",
                           "scores": {"validation_loss", "validation_bits_per_character",
                                      "test_loss", "test_bits_per_character"}}

Writing record (written by `write --record` and the writing desk, read by `write --replay`)
    NAME.json             {"format": "novelkit-writing", "version": 1, ...}
                          what was asked, what came, what was kept: see `novelkit.writing.record`

Grading (written by `grade` and by `pytest tests/grading --submissions`)
    batch.json            {"format": "novelkit-grading", "version": 1, "seed"}
    results.jsonl         a line for each student and exercise, of equal ones the last counts:
                          see `novelkit.grading.records.Result`
    overrides.csv         student, exercise, points, comment: the instructor's, only read
    grades.csv, grades.moodle.csv, grades.canvas.csv, similarity.csv
    grades.json           {"format": "novelkit-grades", "version": 1, "batch", "grades"}
    class.html, similarity.html, students/ID.html
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from novelkit.errors import InputError

VERSION = 1

DATA_FILE = "data.json"
RUN_FILE = "run.json"
MODEL_FILE = "novelkit.json"
CARD_FILE = "README.md"
HISTORY_FILE = "history.jsonl"
# A recorded run, which is only read, may keep it packed.
PACKED_HISTORY_FILE = "history.jsonl.gz"
CHECKPOINTS_FOLDER = "checkpoints"
BEST_FOLDER = "best"
MODEL_FOLDER = "model"
NOVELS_FOLDER = "novels"
SPLITS = ("train", "validation", "test")
PREPARING_FILE = ".preparing"
PARTS_FOLDER = ".novelkit-parts"
TRAIN_JSON_FILE = "train.json"
REPORT_FILE = "report.json"
DATASET_FOLDER = "dataset"

_NUMBER = (int, float)
_ANCHORS = dict.fromkeys(("uniform", "unigram", "bigram", "trigram", "fivegram", "xz"), _NUMBER)
_SPLIT = {"file": str, "sha256": str, "tokens": int, "characters": int, "chapters": int}
# What a header must hold besides its format and version, so that no reader meets a hole: a dict
# holds at least these keys, a list only such entries, and anything else is a type.
SHAPES: dict[str, dict[str, Any]] = {
    "novelkit-data": {
        "tokenizer_sha256": str,
        "vocabulary": int,
        "novels": [{"title": str, "source": dict}],
        "splits": dict.fromkeys(SPLITS, _SPLIT),
        "anchors": _ANCHORS,
    },
    "novelkit-run": {
        "config": dict,
        "model": dict,
        "data": {
            "anchors": _ANCHORS,
            "tokens_per_character": dict.fromkeys(SPLITS, _NUMBER),
        },
        "decisions": [{"step": int, "kind": str, "value": object, "reason": str}],
        "sessions": [{"id": int}],
    },
    "novelkit-state": {"state": {"step": int}},
    "novelkit-model": {"novels": list, "scores": dict},
}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place if the block succeeds, else vanishes.

    It reaches the disk before the rename, so `path` is the old file or the whole new one. An
    `OSError` names `path`, the only file that the user knows of.
    """
    # Cut, since a name that just fits would not fit with the additions.
    temporary = path.with_name(f".{path.name[:50]}.{os.getpid()}.tmp")
    try:
        yield temporary
        # Opened for writing: Windows flushes no other file.
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.filename is None or Path(error.filename) == temporary:
            error.filename = str(path)
            del error.filename2
        raise
    finally:
        # Where not even the temporary file could be made, its deletion fails in the same way.
        with suppress(OSError):
            temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """Write `text` so that the file is either the old one or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically; NaN is refused, since JSON has none."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def read_note(folder: Path, key: str) -> Any:
    """What `novelkit.json` of a model folder says, None where it says nothing or is not there."""
    try:
        return json.loads((folder / MODEL_FILE).read_text(encoding="utf-8")).get(key)
    except (OSError, ValueError, AttributeError):
        return None


def knows_headers(folder: Path) -> bool:
    """Whether a model folder is of a model that was trained with headers."""
    return bool(read_note(folder, "headers"))


def read_header(path: Path, format_name: str) -> dict[str, Any]:
    """Read a folder's JSON header and check its format and version; raises `InputError`."""
    if not path.is_file():
        raise InputError(
            f"没有找到 {path}：这个文件夹里没有 {format_name} 的说明文件，请检查路径。"
        )
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} 不是完整的 JSON（{error}）：请重新生成这个文件夹。") from error
    if not isinstance(header, dict) or header.get("format") != format_name:
        raise InputError(f"{path} 不是 {format_name} 的说明文件：请检查给出的文件夹。")
    if header.get("version") != VERSION:
        raise InputError(
            f"{path} 的版本是 {header.get('version')}，这个程序只认识 {VERSION}：请重新生成。"
        )
    holes = list(holes_in(header, SHAPES.get(format_name, {})))
    if holes:
        raise InputError(
            f"{path} 缺少 {'、'.join(holes[:5])}，或类型不对：文件不完整，请重新生成这个文件夹。"
        )
    return header


def holes_in(value: Any, shape: Any, name: str = "") -> Iterator[str]:
    """The dotted names of what `value` lacks, or holds as another type, to have this shape."""
    kind = type(shape) if isinstance(shape, (dict, list)) else shape
    if not isinstance(value, kind):
        yield name
    elif isinstance(shape, list):
        for number, entry in enumerate(value):
            yield from holes_in(entry, shape[0], f"{name}[{number}]")
    elif isinstance(shape, dict):
        for key, part in shape.items():
            place = f"{name}.{key}" if name else key
            if key in value:
                yield from holes_in(value[key], part, place)
            else:
                yield place
