"""A small file by which a model's folder can tell what was copied, without the training text.

Of the training text every 11th window of 13 characters is kept (at 0, 11, 22, ...), as a number of
some 40 bits that a hash makes of it. A text is then asked at all its places. A passage of 23
characters that stands in the training text holds one of those windows whole, wherever it begins,
so it is always noticed; 23 = n + step - 1. Choosing windows by their content on both sides
(winnowing, Schleimer et al. 2003) gives the same guarantee with nearly twice as many; here one side
is asked everywhere instead. A Bloom filter of all windows would have 2.4 bits for each in a file of
this size, and a false alarm at every third place.

What it tells of a text
- Spans of windows that lie exactly `step` apart, each of which stands in the training text. A span
  begins and ends up to `step` - 1 characters inside of the passage that was copied.
- No passage of the training text in it is longer than `FilterReport.at_most`. That is certain:
  a window that was kept is never missed.
- A passage of L characters, n <= L < n + step - 1, is noticed in L - n + 1 of `step` cases.
- By chance a place is a hit with probability `false_positive_rate`, at most 8 / 2**24, or 1 in two
  thousand texts of 1,000 characters; a span of h hits in a row with its h-th power.
It cannot tell where a span stands in the training text, nor that a long span stands there in one
piece: windows overlap by n - step = 2 characters, and set phrases could follow one another. It
compares characters as they are: another punctuation mark or script is another text.

What can be read out of it
No text. Whoever has a passage can ask whether it was in the training text, as this module does;
that is its purpose. Whoever has not must guess: of a neighbour of a known window 11 characters are
new, where a filter of all windows would be walked on one character at a time. Guesses as good as a
model that learned the text by heart makes them would be confirmed: such a model is the leak.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from novelkit import layouts
from novelkit.copying.passages import AT_LEAST
from novelkit.copying.reading import PIECE, read_pieces, window_hashes
from novelkit.copying.spans import count_covered, outermost
from novelkit.errors import InputError

# No `.safetensors`: some tools load every such file of a model folder as its weights.
FILTER_FILE = "copy_filter.npz"
FORMAT = "novelkit-copy-filter"
VERSION = 1

# 13 characters are what `find_copies` reports, so a hit is also one of its passages. A smaller step
# would notice shorter passages for certain, and a larger file: 3.2 / step bytes a character, 3.9 MB
# for 13 million characters at 11, where a window still overlaps with the next one.
STEP = 11
# At most so many fingerprints share their leading bits, on average: a byte each counts them.
_BUCKET_LOAD = 8
_SETTINGS = ("n", "step", "characters", "bucket_bits", "remainder_bytes")


@dataclass(frozen=True)
class FilteredSpan:
    """`text[start:end]`, of which `hits` windows in a row stand in the training text."""

    start: int
    end: int
    hits: int


@dataclass(frozen=True)
class FilterReport:
    """Spans that lie in no other, longest first; `characters` are those of the examined text."""

    characters: int
    copied_characters: int
    n: int
    step: int
    false_positive_rate: float  # of one place of the text
    spans: tuple[FilteredSpan, ...]

    @property
    def share(self) -> float:
        """The copied share of the characters, 0 to 1."""
        return self.copied_characters / self.characters if self.characters else 0.0

    @property
    def longest(self) -> FilteredSpan | None:
        return self.spans[0] if self.spans else None

    @property
    def at_most(self) -> int:
        """No longer passage of the training text stands in the examined text, for certain."""
        if not self.longest:
            return min(self.characters, self.n + self.step - 2)
        # One more window at either end would be another hit.
        return min(self.characters, self.longest.end - self.longest.start + 2 * (self.step - 1))

    @property
    def false_alarms(self) -> float:
        """How many places of such a text are hits by chance, on average."""
        return max(0, self.characters - self.n + 1) * self.false_positive_rate


@dataclass(frozen=True, eq=False)
class NgramFilter:
    """Fingerprints of every `step`-th window of `n` characters of a training text."""

    n: int
    step: int
    characters: int  # of the training text
    bucket_bits: int  # leading bits of a fingerprint, which the file counts
    remainder_bytes: int  # the rest of it, which the file holds
    fingerprints: np.ndarray  # (grams,), uint64, sorted, all different

    @classmethod
    def build(
        cls, training: str | Path, n: int = AT_LEAST, step: int = STEP, remainder_bytes: int = 3
    ) -> "NgramFilter":
        """The filter of a text, or of a UTF-8 file, which is read in pieces.

        One byte less a remainder makes the file a third smaller and false hits 256 times as many.
        """
        if n < 1 or step < 1 or remainder_bytes not in (1, 2, 3):
            raise ValueError(f"n={n}, step={step}, remainder_bytes={remainder_bytes} cannot be")
        kept, characters = [np.empty(0, dtype=np.uint64)], 0
        # Pieces begin at multiples of the step, so that windows are at the same places in all.
        for start, piece in read_pieces(training, PIECE // step * step + step, n - 1):
            kept.append(_mix(window_hashes(piece, n)[::step]))
            characters = start + len(piece)
        hashes = np.concatenate(kept)
        bucket_bits = max(0, -(-len(hashes) // _BUCKET_LOAD) - 1).bit_length()
        found = np.sort(hashes >> np.uint64(64 - bucket_bits - 8 * remainder_bytes))
        is_new = np.ones(len(found), dtype=bool)
        is_new[1:] = found[1:] != found[:-1]
        return cls(n, step, characters, bucket_bits, remainder_bytes, found[is_new])

    @property
    def certain_from(self) -> int:
        """Every shared passage of so many characters is noticed."""
        return self.n + self.step - 1

    @property
    def false_positive_rate(self) -> float:
        """How likely a window that was not kept has the fingerprint of one that was."""
        return len(self.fingerprints) / 2 ** (self.bucket_bits + 8 * self.remainder_bytes)

    def copied(self, text: str) -> FilterReport:
        """What of `text` stands in the training text, as far as the filter can tell."""
        spans = outermost(self._chains(self._hits(text)))
        report = [FilteredSpan(*span) for span in spans]
        report.sort(key=lambda span: span.start - span.end)
        rate = self.false_positive_rate
        return FilterReport(len(text), count_covered(spans), self.n, self.step, rate, tuple(report))

    def save(self, path: Path) -> None:
        """Write `header` (JSON), `counts` of each bucket and `remainders` of the fingerprints."""
        shift = np.uint64(8 * self.remainder_bytes)
        buckets = (self.fingerprints >> shift).astype(np.int64)
        counts = np.bincount(buckets, minlength=1 << self.bucket_bits)
        # A byte each, but for texts that were made to have equal hashes.
        counts = counts.astype(np.min_scalar_type(int(counts.max())))
        as_bytes = self.fingerprints.astype("<u8").view(np.uint8).reshape(-1, 8)
        remainders = np.ascontiguousarray(as_bytes[:, : self.remainder_bytes])
        settings = {name: getattr(self, name) for name in _SETTINGS}
        header = {"format": FORMAT, "version": VERSION, **settings}
        header["sha256"] = _digest(header, counts, remainders)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = np.array(json.dumps(header))
        # Through an open file: given a name, NumPy appends ".npz" to it.
        with layouts.replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, header=text, counts=counts, remainders=remainders)

    @classmethod
    def load(cls, path: Path) -> "NgramFilter":
        """Read what `save` wrote; raises `InputError` for a missing, damaged or newer file."""
        header, counts, remainders = _read(path)
        size = header["remainder_bytes"]
        as_bytes = np.zeros((len(remainders), 8), dtype=np.uint8)
        as_bytes[:, :size] = remainders
        fingerprints = as_bytes.view("<u8")[:, 0].astype(np.uint64)
        buckets = np.repeat(np.arange(len(counts), dtype=np.uint64), counts)
        fingerprints |= buckets << np.uint64(8 * size)
        return cls(**{name: header[name] for name in _SETTINGS}, fingerprints=fingerprints)

    def _hits(self, text: str) -> np.ndarray:
        """Whether the window at each place has a kept fingerprint, bool (windows,)."""
        hits = np.zeros(max(0, len(text) - self.n + 1), dtype=bool)
        if not len(self.fingerprints):
            return hits
        shift = np.uint64(64 - self.bucket_bits - 8 * self.remainder_bytes)
        for start, piece in read_pieces(text, PIECE, self.n - 1):
            wanted = _mix(window_hashes(piece, self.n)) >> shift
            places = np.searchsorted(self.fingerprints, wanted)
            found = self.fingerprints[np.minimum(places, len(self.fingerprints) - 1)] == wanted
            hits[start : start + len(found)] = found
        return hits

    def _chains(self, hits: np.ndarray) -> list[tuple[int, int, int]]:
        """Start, end and number of hits of each run of hits that lie `step` apart."""
        rows = -(-len(hits) // self.step) + 1
        # One row for each place modulo the step, with a miss at both ends of each.
        table = np.zeros((rows + 1, self.step), dtype=np.int8)
        table[1:].ravel()[: len(hits)] = hits
        changes = np.diff(table.T, axis=1)
        residues, first = np.nonzero(changes == 1)
        _, last = np.nonzero(changes == -1)
        starts = first * self.step + residues
        ends = (last - 1) * self.step + residues + self.n
        return list(zip(starts.tolist(), ends.tolist(), (last - first).tolist(), strict=True))


def _mix(hashes: np.ndarray) -> np.ndarray:
    """Hashes whose leading bits depend on all: the finalizer of MurmurHash3 (Appleby)."""
    hashes = hashes.copy()
    for multiplier in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        hashes ^= hashes >> np.uint64(33)
        hashes *= np.uint64(multiplier)
    return hashes ^ (hashes >> np.uint64(33))


def _digest(header: dict[str, Any], counts: np.ndarray, remainders: np.ndarray) -> str:
    """The sha256 of the header without it, and of both arrays."""
    described = {key: header[key] for key in sorted(header) if key != "sha256"}
    digest = hashlib.sha256(json.dumps(described).encode("utf-8"))
    digest.update(counts.tobytes())
    digest.update(remainders.tobytes())
    return digest.hexdigest()


def _read(path: Path) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """The header, counts and remainders of a file whose sha256 is right."""
    if not path.is_file():
        raise InputError(f"没有找到 {path}：这个模型没有抄写过滤器，请用训练文本重新生成。")
    try:
        with np.load(path, allow_pickle=False) as file:
            header = json.loads(str(file["header"]))
            counts, remainders = file["counts"], file["remainders"]
        if header["format"] != FORMAT:
            raise KeyError(header["format"])
    # For a damaged file zipfile and NumPy raise errors of a dozen kinds.
    except Exception as error:
        raise InputError(
            f"{path} 不是完整的抄写过滤器（{error}）：请用训练文本重新生成。"
        ) from error
    if header.get("version") != VERSION:
        raise InputError(
            f"{path} 的版本是 {header.get('version')}，这个程序只认识 {VERSION}："
            "请用训练文本重新生成。"
        )
    if header.get("sha256") != _digest(header, counts, remainders):
        raise InputError(f"{path} 与其中记录的 sha256 不符，文件损坏：请用训练文本重新生成。")
    return header, counts, remainders
