"""A writing session: a model, a manuscript, and all that a writer does with both.

Without widgets: `desk` shows it, the command line and tests call it. Every action is recorded, can
be undone, and reaches the file at once if there is one.
"""

import math
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from novelkit.copying import NgramFilter, SuffixArray
from novelkit.errors import InputError
from novelkit.sampling import (
    ContextWindow,
    Decoder,
    Guide,
    Piece,
    SamplingConfig,
    View,
    generate_candidates,
    token_texts,
)
from novelkit.sampling.stopping import most_characters
from novelkit.scores import repeated_share
from novelkit.tokenizing.interface import Tokenizer
from novelkit.writing import record as records
from novelkit.writing.manuscript import Manuscript, Span, changed_part

# A copied passage may begin before the candidate: so many characters are looked at before it.
_BEFORE = 40


@dataclass
class Candidate:
    """A continuation that may be kept."""

    pieces: list[Piece] = field(default_factory=list)
    stopped: bool = False

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)

    @property
    def spans(self) -> tuple[Span, ...]:
        """Its pieces as they would stand in the manuscript."""
        return Manuscript().written(self.pieces).spans

    @property
    def mean_log_probability(self) -> float:
        """Of its tokens under the model, in nats; 0 without any."""
        logs = [math.log(max(piece.probability, 1e-30)) for piece in self.pieces]
        return sum(logs) / len(logs) if logs else 0.0

    @property
    def repeated(self) -> float:
        """The share of runs of 4 characters that stood earlier in it."""
        return repeated_share(self.text)


@dataclass(frozen=True)
class Effort:
    """What a manuscript cost its writer: typing is counted in characters, buttons as one each."""

    characters: int
    by_model: int  # characters of the model that are still there
    accepted: int  # characters of the model that were ever accepted
    typed: int  # characters that were typed or pasted
    deleted: int
    clicks: int  # continue, accept, reject, branch, undo, redo

    @property
    def kept_share(self) -> float:
        """How much of what was accepted is still there, 0 to 1."""
        return self.by_model / self.accepted if self.accepted else 0.0

    @property
    def saved_share(self) -> float:
        """1 - (typed + deleted + clicks) / characters: negative where the model cost more."""
        keys = self.typed + self.deleted + self.clicks
        return 1 - keys / self.characters if self.characters else 0.0


class WritingSession:
    """A manuscript in the making; see `opening.open_session`."""

    def __init__(
        self,
        decoder: Decoder,
        tokenizer: Tokenizer,
        *,
        text: str = "",
        guide: Guide | None = None,
        model: dict[str, Any] | None = None,
        copies: NgramFilter | None = None,
        training: SuffixArray | None = None,
        path: Path | None = None,
        knows_headers: bool = False,
    ) -> None:
        self.knows_headers = knows_headers  # whether the model was trained with headers
        self.decoder, self.tokenizer = decoder, tokenizer
        self.guide = guide or Guide()
        self.manuscript = Manuscript.typed(text)
        self.candidates: list[Candidate] = []
        self.path, self._copies, self._training = path, copies, training
        self._texts = token_texts(tokenizer)
        self._before: list[Manuscript] = []  # what undo goes back to
        self._after: list[Manuscript] = []
        self._started_with = len(text)
        self._counts = dict.fromkeys(("accepted", "typed", "deleted", "clicks"), 0)
        self.record = records.new_record(model or {"name": ""}, decoder.precision, text)

    # ---- what the writer does

    def propose(
        self, config: SamplingConfig, count: int = 1, alternatives: int = 5
    ) -> Generator[tuple[int, Piece], None, None]:
        """Write `count` continuations of the manuscript; yields (which one, its next piece).

        They are in `candidates` as they grow, and what was written stays there if the iteration is
        ended early.
        """
        self.candidates = [Candidate() for _ in range(count)]
        pieces = generate_candidates(
            self.decoder,
            self.tokenizer,
            self.manuscript.text,
            config,
            self.guide,
            count=count,
            training=self._training,
            alternatives=alternatives,
        )
        finished = False
        try:
            for number, piece in pieces:
                self.candidates[number].pieces.append(piece)
                yield number, piece
            finished = True
        finally:
            pieces.close()
            written = any(candidate.pieces for candidate in self.candidates)
            if written or finished:
                self._add_continue(config, finished)

    def _add_continue(self, config: SamplingConfig, finished: bool) -> None:
        for candidate in self.candidates:
            candidate.stopped = not finished
        self._act(
            "continue",
            settings=records.settings_as_dict(config),
            guide=records.guide_as_dict(self.guide),
            count=len(self.candidates),
            candidates=[
                {
                    "tokens": [piece.token for piece in candidate.pieces],
                    "texts": [piece.text for piece in candidate.pieces],
                    "probabilities": [round(piece.probability, 4) for piece in candidate.pieces],
                    "stopped": candidate.stopped,
                }
                for candidate in self.candidates
            ],
        )

    def accept(self, number: int = 0) -> None:
        """Keep a candidate: it becomes the end of the manuscript."""
        if not 0 <= number < len(self.candidates):
            raise InputError(f"没有第 {number + 1} 份续写：现在有 {len(self.candidates)} 份。")
        candidate = self.candidates[number]
        self._change(self.manuscript.written(candidate.pieces))
        self._counts["accepted"] += len(candidate.text)
        self.candidates = []
        self._act("accept", candidate=number)

    def reject(self) -> None:
        """Keep none of the candidates."""
        self.candidates = []
        self._act("reject")

    def edit(self, text: str) -> None:
        """The whole manuscript as the writer left it."""
        old = self.manuscript.text
        if text == old:
            return
        start, end = changed_part(old, text)
        new = text[start : len(text) - (len(old) - end)]
        self._change(self.manuscript.replaced(start, end, new))
        self._counts["typed"] += len(new)
        self._counts["deleted"] += end - start
        self._act("edit", clicks=0, start=start, end=end, text=new)

    def branch(self, position: int, text: str) -> None:
        """Go back to a character of the manuscript and go on from there with `text`.

        `text` is an alternative of the model; what came after that character is gone.
        """
        end = len(self.manuscript.text)
        if not 0 <= position < end:
            raise InputError(f"第 {position} 个字不在稿子里：稿子有 {end} 个字。")
        self._counts["accepted"] += len(text)
        before = self.manuscript.before(position)
        self._change(before.written([Piece(text, -1, 1.0, 1)]))
        self._act("branch", start=position, end=end, text=text)

    def undo(self) -> bool:
        """Back to before the last change of the manuscript; False where there is none."""
        if not self._before:
            return False
        self._after.append(self.manuscript)
        self.manuscript = self._before.pop()
        self._act("undo")
        return True

    def redo(self) -> bool:
        """Forward again after `undo`; False where there is nothing."""
        if not self._after:
            return False
        self._before.append(self.manuscript)
        self.manuscript = self._after.pop()
        self._act("redo")
        return True

    def take(self, candidates: list[Candidate]) -> None:
        """Candidates that were written before, as `propose` would have left them."""
        self.candidates = candidates
        self._act("continue")

    def start_with(self, text: str) -> None:
        """Another manuscript to begin with."""
        self.manuscript, self._started_with = Manuscript.typed(text), len(text)

    @property
    def training(self) -> SuffixArray | None:
        """The training text, by which `SamplingConfig.no_copy` forbids."""
        return self._training

    @property
    def can_undo(self) -> bool:
        return bool(self._before)

    @property
    def can_redo(self) -> bool:
        return bool(self._after)

    # ---- what the writer wants to know

    def view(self, config: SamplingConfig) -> View:
        """Exactly what the model sees before it writes with these settings."""
        window = ContextWindow(self.tokenizer, self._texts, self.decoder.n_ctx, self.guide)
        return window.view(self.manuscript.text, most_characters(config))

    def copied_share(self, text: str) -> float | None:
        """The share of `text` that stands in the training text, None without a filter."""
        if self._copies is None or not text:
            return None
        before = self.manuscript.text[-_BEFORE:]
        report = self._copies.copied(before + text)
        inside = {
            place
            for span in report.spans
            for place in range(max(span.start, len(before)), span.end)
        }
        return len(inside) / len(text)

    def effort(self) -> Effort:
        text = self.manuscript.text
        by_model = self.manuscript.characters_by_model
        new = len(text) - self._started_with
        return Effort(characters=max(0, new), by_model=by_model, **self._counts)

    # ---- keeping

    def save(self) -> None:
        """Write the record to its file, if it has one."""
        if self.path:
            records.save_record(self.record, self.manuscript.text, self.path)

    def _change(self, manuscript: Manuscript) -> None:
        self._before.append(self.manuscript)
        self._after.clear()
        self.manuscript = manuscript

    def _act(self, kind: str, clicks: int = 1, **what: Any) -> None:
        self._counts["clicks"] += clicks
        self.record["actions"].append({"kind": kind, **what})
        self.save()
