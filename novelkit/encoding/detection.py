"""The decision for an encoding: samples, then the whole file, then its parts.

Covers the codecs of Chinese text files, damage with its places, files of several encodings, and
the refusal of what is not text. Reads a `bytes` object or an open file of any size with flat
memory. What a text looks like is in `likelihood`, the words for it in `evidence`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from novelkit.encoding import evidence
from novelkit.encoding.big5 import choose_variant
from novelkit.encoding.borders import same_family
from novelkit.encoding.candidates import Candidate, try_all, try_codec
from novelkit.encoding.decoding import BYTE_ORDER_MARKS, MOST_POSITIONS, Segment, decode_segments
from novelkit.encoding.misreadings import LOSSY
from novelkit.encoding.mojibake import Stretch, find_mojibake
from novelkit.encoding.refusal import refuse_noise, refuse_signature
from novelkit.encoding.segments import split
from novelkit.encoding.sources import CHUNK, ByteSource, is_ascii, sample_windows
from novelkit.encoding.survey import Survey, survey
from novelkit.encoding.witnesses import ask_chardet, declared_encoding
from novelkit.errors import InputError

_POOR_BITS = 1.0  # saved a byte; every text in its true codec saves more
_CLEAR_LEAD = 40.0  # bits


@dataclass(frozen=True)
class Detection:
    """A Python codec name, how sure (0..1), why, the damage, how reversible mojibake came about.

    `encoding` is that of the file or of its largest part, `damage_positions` the byte ranges
    [start, end) of the first 1,000 places of damage, `mojibake_stretches` byte ranges whose text
    is mojibake in an otherwise good text, `lost` how often each scar of lost characters (U+FFFD
    that the text already held, 锟斤拷, ...) occurs, `witnesses` what others say: they decide
    nothing.
    """

    encoding: str
    confidence: float
    evidence: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    segments: tuple[Segment, ...]
    damage: int
    mojibake: str | None = None
    damage_positions: tuple[tuple[int, int], ...] = ()
    characters: int = 0
    mojibake_stretches: tuple[Stretch, ...] = ()
    lost: dict[str, int] = field(default_factory=dict)
    witnesses: dict[str, str] = field(default_factory=dict)

    @property
    def reversible(self) -> bool:
        """Whether the text as a whole is mojibake that `repair` can undo."""
        return self.mojibake is not None and LOSSY not in self.mojibake

    @property
    def lost_share(self) -> float:
        """The share of the characters that are scars of lost ones, as counted in `lost`."""
        scars = sum(len(mark) * count for mark, count in self.lost.items())
        return min(scars / max(self.characters, 1), 1.0)


def detect(source: bytes | BinaryIO, *, witnesses: bool = False) -> Detection:
    """Find the encoding of a text file's bytes. Raises InputError for empty or binary data.

    An open binary file is read from its beginning, in pieces, and left at its beginning. With
    `witnesses` chardet is asked too, where it is installed; that takes longer than all the rest.
    """
    data = ByteSource(source)
    if not data.size:
        raise InputError("文件是空的（0 字节），没有文字可读：请检查下载是否完成，重新取一份。")
    head = data.read(0, 4096)
    refuse_signature(head)
    candidates = _candidates(data, head)
    parts = _read_whole(data, candidates)
    detection = _conclude(data, candidates, parts, witnesses)
    data.rewind()
    return detection


def _candidates(data: ByteSource, head: bytes) -> list[Candidate]:
    """What was tried, the best first; a byte order mark leaves nothing to try."""
    marked = next((name for mark, name in BYTE_ORDER_MARKS if head.startswith(mark)), None)
    windows = sample_windows(data, 0, data.size)
    if marked:
        return _marked(data, windows, marked)
    if is_ascii(data):
        return try_all(data, sample_windows(data, 0, data.size, rb"[\x00~]"), ascii_only=True)
    return try_all(data, windows, ascii_only=False)


def _marked(data: ByteSource, windows: list[tuple[int, int]], name: str) -> list[Candidate]:
    """The byte order mark decides, unless it is itself damage: then all else is tried."""
    found = try_codec(data, windows[:1], name)
    if found.score > _POOR_BITS:
        return [found]
    others = try_all(data, windows, ascii_only=False)
    better = [other for other in others if other.gain > found.gain + _CLEAR_LEAD]
    return [*better, found]


def _read_whole(data: ByteSource, candidates: list[Candidate]) -> list[tuple[Segment, Survey]]:
    name = candidates[0].encoding
    if name in ("big5hkscs", "cp950"):
        name = choose_variant(data)
        candidates.sort(key=lambda candidate: candidate.encoding != name)
    return split(data, survey(data, 0, data.size, name))


def _conclude(
    data: ByteSource,
    candidates: list[Candidate],
    parts: Sequence[tuple[Segment, Survey]],
    witnesses: bool,
) -> Detection:
    segments = tuple(segment for segment, _ in parts)
    surveys = [part for _, part in parts]
    sizes: dict[str, int] = {}
    for segment in segments:
        sizes[segment.encoding] = sizes.get(segment.encoding, 0) + segment.end - segment.start
    main = max(sizes, key=sizes.__getitem__)
    candidates.sort(key=lambda candidate: not same_family(candidate.encoding, main))
    damage = sum(part.damage for part in surveys)
    characters = sum(part.characters for part in surveys)
    positions = [place for part in surveys for place in part.positions]
    mojibake, stretches = find_mojibake(data, surveys)
    refuse_noise(candidates, mojibake, data.read(0, 4096))
    lost: dict[str, int] = {}
    for part in surveys:
        for mark, count in part.scars.items():
            lost[mark] = lost.get(mark, 0) + count
    found = Detection(
        main,
        evidence.confidence(candidates, set(sizes), damage, characters, mojibake),
        (),
        tuple(candidates),
        segments,
        damage,
        mojibake,
        tuple(positions[:MOST_POSITIONS]),
        characters,
        stretches,
        lost,
        _ask(data, witnesses),
    )
    return evidence.explained(found, data)


def _ask(data: ByteSource, witnesses: bool) -> dict[str, str]:
    said = declared_encoding(data.read(0, 4096))
    answers = {"文件自己的声明": said} if said else {}
    return answers | (ask_chardet(data) if witnesses else {})


def decode(data: bytes, detection: Detection | None = None) -> str:
    """The text, undecodable bytes as U+FFFD, newlines kept, byte order marks dropped."""
    detection = detection or detect(data)
    return "".join(decode_segments(ByteSource(data), detection.segments))


def decode_stream(file: BinaryIO, detection: Detection, chunk_bytes: int = CHUNK) -> Iterator[str]:
    """The text of `decode` in pieces of about `chunk_bytes` bytes, with flat memory."""
    return decode_segments(ByteSource(file), detection.segments, chunk_bytes)
