"""Stage 08: quotation marks and brackets come in pairs, and a sentence ends where it does."""

import functools
from types import SimpleNamespace

import pytest
import torch
from helpers_text import tiny_model
from hypothesis import given, settings
from hypothesis import strategies as st

from novelkit.sampling import (
    Pairing,
    SamplingConfig,
    TokenTexts,
    generate,
    generate_candidates,
    is_paired,
    open_marks,
    sentence_end,
)
from novelkit.sampling.pairs import SPEECH_CLOSERS
from novelkit.tokenizing import CharTokenizer
from novelkit.tokenizing.bpe import BpeTokenizer

PAIRS = ("「」", "『』", "“”", "‘’", "《》", "（）")
OPENERS, CLOSERS = ("".join(pair[side] for pair in PAIRS) for side in (0, 1))
ALPHABET = f"天地雪，。！？…\n{OPENERS}{CLOSERS}"
quick = settings(deadline=None, max_examples=200)
texts = st.text(ALPHABET, max_size=12)
openings = st.text(OPENERS, max_size=3)


def left_over(paragraph):
    """The marks that are left when pairs with nothing between them are taken out, one by one."""
    marks = "".join(character for character in paragraph if character in OPENERS + CLOSERS)
    while True:
        fewer = functools.reduce(lambda rest, pair: rest.replace(pair, ""), PAIRS, marks)
        if fewer == marks:
            return marks
        marks = fewer


def is_in_order(waiting, text):
    """What `is_paired` says, by taking out pairs."""
    *whole, last = text.split("\n")
    starts = [waiting, *[""] * len(whole)]
    for start, paragraph in zip(starts, [*whole, last], strict=True):
        for place, character in enumerate(paragraph):
            before = left_over(start + paragraph[:place])
            if character in OPENERS and character in before:
                return False
        if set(left_over(start + paragraph)) & set(CLOSERS):
            return False
    return not any(map(left_over, (a + b for a, b in zip(starts, whole, strict=False))))


@functools.cache
def tokenizer_of(kind):
    if kind == "char":
        return CharTokenizer.train(ALPHABET)
    # Pieces that close and open, and that end a paragraph.
    merges = [
        ("。", "”"),
        ("”", "\n"),
        ("。", "”\n"),
        ("「", "『"),
        ("’", "”"),
        ("》", "，"),
        ("”", "“"),
    ]
    return BpeTokenizer(list(ALPHABET), merges)


@functools.cache
def model_of(kind, seed):
    return tiny_model(tokenizer_of(kind), n_ctx=32, seed=seed)


# ---- which marks are open


@quick
@given(openings, texts)
def test_a_text_may_follow_if_taking_out_pairs_leaves_nothing_to_close(waiting, text):
    assert is_paired(waiting, text) == is_in_order(waiting, text)


@quick
@given(texts)
def test_open_marks_are_what_taking_out_pairs_leaves(text):
    last = text[text.rfind("\n") + 1 :]
    left = left_over(last)
    if not set(left) & set(CLOSERS):
        assert open_marks(text) == left
    # A mark that closes nothing is passed over.
    assert set(open_marks(text)) <= set(OPENERS)


@pytest.mark.parametrize(
    ("text", "waiting"),
    [
        ("", ""),
        ("他说：“天亮了", "“"),
        ("他说：“天亮了。”", ""),
        ("“他说‘走", "“‘"),
        ("“他说\n走", ""),
        ("“他说\n（走", "（"),
        ("走”了", ""),
        ("“走）了", "“"),
        # What the closing mark passes over is closed with it.
        ("“（走”了", ""),
        ("「“『走”了", "「"),
        ("「走\n", ""),
    ],
)
def test_the_marks_that_wait(text, waiting):
    assert open_marks(text) == waiting


@pytest.mark.parametrize(
    ("waiting", "text", "may"),
    [
        ("", "天亮了。", True),
        ("“", "天亮了。”", True),
        ("“", "天亮了。\n", False),
        ("“", "天亮了。”\n", True),
        ("", "”", False),
        ("“", "’", False),
        ("“‘", "’”", True),
        ("“‘", "”’", False),
        ("“", "“", False),
        ("“", "‘“", False),
        ("“", "”“", True),
        ("", "“\n”", False),
    ],
)
def test_what_may_follow(waiting, text, may):
    assert is_paired(waiting, text) is may


@pytest.mark.parametrize("kind", ["char", "bpe"])
@settings(deadline=None, max_examples=30)
@given(rows=st.lists(openings, min_size=1, max_size=3))
def test_exactly_the_tokens_that_may_follow_are_allowed(kind, rows):
    tokenizer = tokenizer_of(kind)
    known = TokenTexts(tokenizer)
    ends = (tokenizer.end_of_text,)
    pairing, logits = Pairing(known, ends), torch.zeros(len(rows), len(tokenizer))
    # Asked twice, since what was found once is kept.
    for _ in range(2):
        ruled = pairing(logits, rows)
        for row, waiting in enumerate(rows):
            for token, text in enumerate(known.all):
                may = is_in_order(waiting, text) and not (waiting and token in ends)
                assert bool(torch.isfinite(ruled[row, token])) == may
    assert not logits.any()


# ---- what is written with them


def assert_paired(text, waiting, is_whole):
    *paragraphs, last = text.split("\n")
    starts = [waiting, *[""] * len(paragraphs)]
    for start, paragraph in zip(starts, paragraphs, strict=False):
        assert left_over(start + paragraph) == ""
    left = left_over(starts[-1] + last)
    assert not set(left) & set(CLOSERS)
    if is_whole:  # a text that its model ended
        assert left == ""


@pytest.mark.parametrize("kind", ["char", "bpe"])
@pytest.mark.parametrize("prompt", ["天", "“天", "「天『地", "天”地（", "“天\n地", "天（雪‘"])
def test_every_pair_is_closed_before_its_paragraph_ends(kind, prompt):
    length, free_is_wrong = 60, 0
    for seed in range(3):
        model, tokenizer = model_of(kind, seed), tokenizer_of(kind)
        config = SamplingConfig(temperature=1.5, top_k=0, length=length, seed=100 * seed)
        for close in (True, False):
            written = [""] * 6
            chosen = config.changed(close_pairs=close)
            for number, piece in generate_candidates(model, tokenizer, prompt, chosen, count=6):
                written[number] += piece.text
            if not close:
                free_is_wrong += sum(not is_in_order(open_marks(prompt), one) for one in written)
                continue
            for text in written:
                assert_paired(text, open_marks(prompt), is_whole=len(text) < length)
    assert free_is_wrong > 6  # else there was nothing to do


class Scripted:
    """A decoder that says the tokens of a script where it may, and else 雪."""

    precision, n_ctx = "fp32", 64

    def __init__(self, tokenizer, script):
        self.vocabulary, self.script, self.said = len(tokenizer), script, 0
        self.otherwise = tokenizer.vocabulary["雪"]

    def new_cache(self):
        return SimpleNamespace(length=0, repeat=lambda count: None, keep=lambda rows: None)

    def read(self, tokens, cache):
        cache.length += tokens.size(1)
        logits = torch.zeros(1, self.vocabulary)
        logits[0, self.otherwise] = 20.0
        logits[0, self.script[min(self.said, len(self.script) - 1)]] = 50.0
        self.said += 1
        return logits


def said(prompt, script, **changes):
    tokenizer = tokenizer_of("char")
    config = SamplingConfig(temperature=0, length=5, close_pairs=True, **changes)
    pieces = generate(Scripted(tokenizer, script), tokenizer, prompt, config)
    return "".join(piece.text for piece in pieces)


@pytest.mark.parametrize(
    ("prompt", "wanted", "written"),
    [
        ("天", "”地”地地", "雪地雪地地"),
        ("“天", "地\n地”\n", "地雪地”\n"),
        ("天", "“地“地”", "“地雪地”"),
        ("天", "（“）”）", "（“雪”）"),
    ],
)
def test_what_may_not_come_is_left_out(prompt, wanted, written):
    assert said(prompt, tokenizer_of("char").encode(wanted).tolist()) == written


@pytest.mark.parametrize("token", ["end_of_text", "chapter"])
@pytest.mark.parametrize("stop_at", ["length", "chapter"])
def test_no_open_mark_outlives_its_text_or_chapter(token, stop_at):
    tokenizer = tokenizer_of("char")
    end, closing = getattr(tokenizer, token), tokenizer.vocabulary["”"]
    text = said("“天", [end, end, closing, end], stop_at=stop_at)
    assert text.startswith("雪雪”")


@pytest.mark.parametrize("character", ["\n", "）"])
def test_marks_and_line_ends_in_bytes_are_left_out_too(character):
    first = tokenizer_of("char").byte_ids[0]
    script = [first + byte for byte in character.encode("utf-8")]
    text = said("“天", [*script, tokenizer_of("char").vocabulary["地"]], rare_characters=True)
    assert is_in_order("“", text)


# ---- where a sentence ends


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("", None),
        ("他走了", None),
        ("他走了。", 4),
        ("他走了。她来了。", 4),
        ("他走了！她来了。", 4),
        # All marks that stand together, and what they close.
        ("走了？！她", 4),
        ("走了！！！她", 5),
        ("走了?!她", 4),
        ("（他走了。）她", 6),
        ("他说：“走了。”她", 8),
        # Not inside of a quotation, but after it.
        ("他说：“走了。去罢。”她", 11),
        ("他说：“走了。去罢", None),
        ("“‘走。’他说。”她", 9),
        ("他说“走”，就走了。", 10),
        ("《雪后》好看。", 7),
        # One half of an ellipsis may be all that was written so far.
        ("他走…", None),
        ("他走……", 4),
        ("他走……她", 4),
        ("他走…她", None),
        ("“他走……”她", 6),
        # A paragraph takes its open marks with it.
        ("“他走\n她来。", 7),
    ],
)
def test_where_a_sentence_ends(text, end):
    assert sentence_end(text) == end


@pytest.mark.parametrize(
    ("text", "start", "waiting", "end"),
    [
        ("一。二。三。", 0, "", 2),
        ("一。二。三。", 2, "", 2),
        ("一。二。三。", 3, "", 4),
        ("一。二。三。", 7, "", None),
        ("走了。", 0, "“", None),
        ("走了。”她", 0, "“", 4),
        ("走了。”她", 0, "（“", None),
        ("走了。”）她", 0, "（“", 5),
        ("走了\n她来。", 0, "“", 6),
    ],
)
def test_where_it_ends_after_a_place_and_with_marks_open_before_it(text, start, waiting, end):
    assert sentence_end(text, start, waiting) == end


@quick
@given(texts, st.integers(0, 12), openings)
def test_it_is_the_first_place_where_one_ends(text, start, waiting):
    def ends(place):
        said = text[:place].rstrip(SPEECH_CLOSERS)
        half = said.endswith("…") and not said.endswith("……")
        goes_on = text[place : place + 1] and text[place] in "。！？…" + SPEECH_CLOSERS
        is_open = open_marks(waiting + text[:place])
        return said and said[-1] in "。！？…" and not (half or goes_on or is_open)

    places = [place for place in range(max(1, start), len(text) + 1) if ends(place)]
    assert sentence_end(text, start, waiting) == (places[0] if places else None)
