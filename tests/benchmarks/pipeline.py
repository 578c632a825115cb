"""Raw novels to training blocks: how fast, in how much memory, and beside the usual way.

    python tests/benchmarks/pipeline.py --quick
    python tests/benchmarks/pipeline.py --shelf --novels 1000 --bytes 1e9
    python tests/benchmarks/pipeline.py --compare

`--shelf` writes a folder of made-up novels (chapters of ../shared/corpus, or of the bundled novel,
mixed and re-lettered so that no two books share a paragraph, in several encodings), runs `novelkit
prepare` on it with two processes and samples the memory of all its processes. `--compare` takes the
books as they are through our pipeline and through GPT2-Chinese's steps, by turns, in one process.
Rates are in MB (10**6 bytes) of UTF-8 text. Needs /proc for the memory (Linux).
"""

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT.parent / "shared" / "corpus" / "novels.tar.xz"
BUNDLED = ROOT / "assets" / "novel" / "novel.txt"
ENCODINGS = ("utf-8", "gb18030", "utf-8-sig", "gb18030", "utf-16", "utf-8")
HEADING = re.compile(r"^第[^ 　\n]{1,8}[回章卷节][ 　]*", re.MULTILINE)
# Characters that trade places in a book; nearly every sentence has some of them.
LETTERED = 60


def load_books() -> dict[str, str]:
    """Texts of whole books by name."""
    if not CORPUS.is_file():
        return {"bundled": BUNDLED.read_text(encoding="utf-8")}
    with tarfile.open(CORPUS) as archive:
        members = [member for member in archive if member.name.endswith(".txt")]
        files = [(member.name, archive.extractfile(member)) for member in members]
        return {Path(name).stem: file.read().decode("utf-8") for name, file in files if file}


def split_chapters(text: str) -> list[list[str]]:
    """The paragraphs of each chapter, without its heading."""
    parts = HEADING.split(text)[1:] or [text]
    return [[line.strip() for line in part.split("\n")[1:] if line.strip()] for part in parts]


def write_shelf(folder: Path, novels: int, total_bytes: float, seed: int = 0) -> int:
    """Write so many novels of about so many bytes in all; returns the bytes of their UTF-8."""
    rng = random.Random(seed)
    books = load_books()
    chapters = [part for text in books.values() for part in split_chapters(text) if part]
    common = [c for c, _ in Counter("".join(books.values())).most_common(400) if c >= "一"]
    written = 0
    folder.mkdir(parents=True)
    for number in range(novels):
        text = make_novel(rng, chapters, common[:200], number, total_bytes / novels)
        written += len(text.encode("utf-8"))
        encoding = ENCODINGS[number % len(ENCODINGS)]
        content = text.encode(encoding, errors="replace")
        (folder / f"小说{number:04d}.txt").write_bytes(content)
    return written


def make_novel(
    rng: random.Random, chapters: list[list[str]], common: list[str], number: int, size: float
) -> str:
    """A novel of about `size` bytes as people have it: indented, every other one with CRLF."""
    chosen = rng.sample(common, LETTERED)
    letters = str.maketrans(dict(zip(chosen, chosen[1:] + chosen[:1], strict=True)))
    lines, length, chapter = [f"《小说{number}》", ""], 0, 0
    while length < size:
        chapter += 1
        lines += ["", f"第{chapter}章　{rng.choice(chapters)[0][:8]}".rstrip("，。“”：；、"), ""]
        for paragraph in rng.choice(chapters):
            lines.append("　　" + paragraph.translate(letters))
            length += 3 * len(lines[-1])
    return ("\r\n" if number % 2 else "\n").join(lines) + "\n"


def tree_memory(root: int) -> int:
    """Resident bytes of a process and all below it; pages that they share count twice."""
    parents, resident = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()
            parents[int(stat.parent.name)] = int(fields[1])
            resident[int(stat.parent.name)] = int(fields[21]) * 4096
        except (OSError, IndexError):
            continue
    family = {root}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(resident.get(pid, 0) for pid in family)


def processor_seconds() -> float:
    """Processor time of all processes that this one started and that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def run_shelf(novels: int, total_bytes: float, processes: int, folder: Path) -> dict[str, float]:
    """Prepare a shelf in a process of its own; seconds, MB/s and the peak of memory."""
    size = write_shelf(folder / "shelf", novels, total_bytes)
    command = [sys.executable, "-m", "novelkit", "prepare", folder / "shelf", "--json"]
    command += ["--out", folder / "data", "--processes", processes]
    began, peak, before = time.perf_counter(), 0, processor_seconds()
    with (
        (folder / "result.json").open("wb") as out,
        (folder / "log.txt").open("wb") as log,
        subprocess.Popen([*map(str, command)], stdout=out, stderr=log, cwd=ROOT) as process,
    ):
        while process.poll() is None:
            peak = max(peak, tree_memory(process.pid))
            time.sleep(0.1)
    seconds = time.perf_counter() - began
    if process.returncode:
        raise SystemExit((folder / "log.txt").read_text(encoding="utf-8")[-2000:])
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    return {
        "novels": len(result["novels"]),
        "skipped": len(result["skipped"]),
        "megabytes": size / 1e6,
        "processes": processes,
        "seconds": seconds,
        "megabytes_a_second": size / 1e6 / seconds,
        # On a machine that does nothing else, seconds are about a half of these.
        "processor_seconds": processor_seconds() - before,
        "peak_gigabytes": peak / 1e9,
        "tokens": sum(split["tokens"] for split in result["splits"].values()),
    }


# ---- side by side with GPT2-Chinese


def ours(files: list[Path], out: Path) -> None:
    """Everything that `prepare` writes, in one process."""
    from novelkit.pipeline import Settings, prepare

    prepare(files, out, Settings(processes=1))


def ours_to_blocks(files: list[Path], out: Path) -> None:
    """Bytes to blocks alone: no anchors (xz), report, JSONL or train.json."""
    from novelkit import encoding
    from novelkit.cleaning import clean
    from novelkit.cleaning.splits import split_novel
    from novelkit.tokenizing import Blocks, choose_tokenizer, read_tokens, write_tokens
    from novelkit.tokenizing.chunks import encode_chapters

    out.mkdir(parents=True)
    parts = []
    for file in files:
        raw = file.read_bytes()
        detection = encoding.detect(raw)
        novel, _ = clean(encoding.decode(raw, detection), source={"file": file.name})
        parts.append((novel.title, split_novel(novel).train, False))
    texts = (chapter.text for _, chapters, _ in parts for chapter in chapters)
    tokenizer = choose_tokenizer("char", texts)
    write_tokens(out / "train.npy", (encode_chapters(tokenizer, [part]) for part in parts))
    Blocks(read_tokens(out / "train.npy"), 1024).batch([0])


def gpt2_chinese(files: list[Path], out: Path) -> None:
    """Its steps: strict UTF-8, newlines to [SEP], BERT's tokenizer in Python (a copy of it is in
    that kit), ids as decimal text, which training reads and cuts."""
    out.mkdir(parents=True)
    lines = [file.read_text(encoding="utf-8") for file in files]
    counts = Counter("".join(lines))
    vocabulary = {token: index for index, token in enumerate(["[UNK]", "[SEP]", *counts])}
    lines = [line.replace("\n", " [SEP] ") for line in lines]
    for number, line in enumerate(lines):
        ids = [vocabulary.get(token, 0) for token in bert_tokens(line, vocabulary)]
        text = " ".join(map(str, ids))
        (out / f"tokenized_train_{number}.txt").write_text(text, encoding="utf-8")
    for file in out.iterdir():
        tokens = [int(token) for token in file.read_text(encoding="utf-8").split()]
        _ = [tokens[start : start + 1024] for start in range(0, len(tokens) - 1024, 768)]


def bert_tokens(text: str, vocabulary: dict[str, int]) -> Iterator[str]:
    """Tokens as BERT's BasicTokenizer and WordpieceTokenizer find them, with the same loops."""
    cleaned = []
    for char in text:
        control = unicodedata.category(char) in ("Cc", "Cf") and char not in "\t\n\r"
        if ord(char) in (0, 0xFFFD) or control:
            continue
        cleaned.append(" " if _is_space(char) else char)
    spaced = []
    for char in cleaned:
        spaced += [" ", char, " "] if _is_hanzi(ord(char)) else [char]
    words = []
    for word in "".join(spaced).strip().split():
        if word != "[SEP]":
            word = "".join(c for c in _decomposed(word) if unicodedata.category(c) != "Mn")
            words += _split_punctuation(word)
        else:
            words.append(word)
    for word in " ".join(words).strip().split():
        yield from _pieces(list(word), vocabulary) if word != "[SEP]" else [word]


def _is_space(char: str) -> bool:
    return char in " \t\n\r" or unicodedata.category(char) == "Zs"


def _is_hanzi(code: int) -> bool:
    blocks = ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2CEAF), (0xF900, 0xFAFF))
    return any(first <= code <= last for first, last in blocks)


def _decomposed(word: str) -> str:
    return unicodedata.normalize("NFD", word.lower())


def _split_punctuation(word: str) -> list[str]:
    """Every punctuation mark on its own."""
    parts: list[list[str]] = []
    start_new = True
    for char in word:
        if unicodedata.category(char).startswith("P"):
            parts.append([char])
            start_new = True
        else:
            if start_new:
                parts.append([])
            start_new = False
            parts[-1].append(char)
    return ["".join(part) for part in parts]


def _pieces(chars: list[str], vocabulary: dict[str, int]) -> list[str]:
    """The longest pieces that the vocabulary has, or one [UNK]."""
    found, start = [], 0
    while start < len(chars):
        end = len(chars)
        while start < end:
            piece = ("##" if start else "") + "".join(chars[start:end])
            if piece in vocabulary:
                break
            end -= 1
        if start == end:
            return ["[UNK]"]
        found.append(piece)
        start = end
    return found


def run_compare(quick: bool, folder: Path) -> dict[str, dict[str, float]]:
    """MB/s of processor time of each way on the same files, by turns; the median of the rounds."""
    texts = list(load_books().items())[: 2 if quick else 8]
    files = []
    for name, text in texts:
        files.append(folder / f"{name}.txt")
        files[-1].write_text(text, encoding="utf-8", newline="\n")
    size = sum(file.stat().st_size for file in files) / 1e6
    ways: dict[str, Callable[[list[Path], Path], None]] = {
        "novelkit, all of prepare": ours,
        "novelkit, bytes to blocks": ours_to_blocks,
        "GPT2-Chinese": gpt2_chinese,
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(1 if quick else 3):
        for number, (name, way) in enumerate(ways.items()):
            began = time.process_time()
            way(files, folder / f"out-{turn}-{number}")
            seconds[name].append(time.process_time() - began)
    return {
        name: {
            "megabytes": size,
            "megabytes_a_second": size / statistics.median(taken),
            "lowest": size / max(taken),
            "highest": size / min(taken),
        }
        for name, taken in seconds.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shelf", action="store_true")
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("--quick", action="store_true", help="both, on little")
    parser.add_argument("--novels", type=int, default=1000)
    parser.add_argument("--bytes", type=float, default=1e9)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where the shelf is written (2.5 x bytes x 2)")
    options = parser.parse_args()
    both = options.quick or not (options.shelf or options.compare)
    novels, total = (20, 1e7) if options.quick else (options.novels, options.bytes)
    results: dict[str, object] = {}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        if options.shelf or both:
            results["shelf"] = run_shelf(novels, total, options.processes, Path(folder))
            print(json.dumps(results["shelf"], indent=2), flush=True)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        if options.compare or both:
            results["compare"] = run_compare(options.quick, Path(folder))
            print(json.dumps(results["compare"], indent=2, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
