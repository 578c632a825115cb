"""Stage 08: what the model sees of a text that is longer than its context, beside its guide."""

import functools
from types import SimpleNamespace

import pytest
import torch
from helpers_text import SENTENCES
from hypothesis import given, settings
from hypothesis import strategies as st

from novelkit.errors import InputError
from novelkit.sampling import (
    ContextWindow,
    Guide,
    SamplingConfig,
    TokenTexts,
    generate,
    generate_candidates,
)
from novelkit.tokenizing import CharTokenizer, Header
from novelkit.tokenizing.bpe import BpeTokenizer
from novelkit.tokenizing.headers import encode_header

TEXT = "\n".join(SENTENCES)
STORY = "天亮了。他走到河边，雪停了！“你去罢。”她说……\n门开着。没有人\n“灯呢？”\n"
quick = settings(deadline=None, max_examples=100)
pieces = st.sampled_from(["天", "雪", "他走到河边，", "雪停了！", "“去罢。”", "她说……", "\n"])
stories = st.lists(pieces, max_size=60).map("".join)
contexts = st.integers(4, 48)
news = st.integers(1, 80)
guides = st.builds(
    Guide, st.none(), st.text("天雪", max_size=3), st.text("雪，。", max_size=3).map(str.strip)
)


@functools.cache
def tokenizer_of(kind):
    if kind == "char":
        return CharTokenizer.train(STORY + TEXT)
    return BpeTokenizer.train([(STORY + TEXT) * 3], minimum_piece_count=2)


def window_of(n_ctx, guide=None, kind="char"):
    tokenizer = tokenizer_of(kind)
    return ContextWindow(tokenizer, TokenTexts(tokenizer), n_ctx, guide or Guide())


def ids(text, kind="char"):
    return tokenizer_of(kind).encode(text).tolist()


def decoded(tokens, kind="char"):
    return tokenizer_of(kind).decode(tokens)


def line(text):
    """A memory or a note as it is placed: a line of its own."""
    return ids(text.strip() + "\n") if text.strip() else []


class Scripted:
    """A decoder that says one text again and again; `asked` is all that it was given."""

    precision = "fp32"

    def __init__(self, text, n_ctx):
        self.script, self.n_ctx, self.vocabulary = ids(text), n_ctx, len(tokenizer_of("char"))
        self.said, self.asked = 0, []

    def new_cache(self):
        return SimpleNamespace(length=0, repeat=lambda count: None, keep=lambda rows: None)

    def read(self, tokens, cache):
        self.asked.append(tokens.tolist())
        cache.length += tokens.size(1)
        assert cache.length <= self.n_ctx
        logits = torch.zeros(len(tokens), self.vocabulary)
        logits[:, self.script[self.said % len(self.script)]] = 50.0
        self.said += 1
        return logits

    def prefills(self):
        return [tokens for rows in self.asked for tokens in rows if len(tokens) > 1]


# ---- how much is placed


@quick
@given(stories, contexts, news, guides)
def test_there_is_room_for_what_is_to_be_written(story, n_ctx, new, guide):
    """For all of it, or for half of the room that the guide leaves."""
    used = len(line(guide.memory)) + len(line(guide.note))
    if used > n_ctx // 2:
        with pytest.raises(InputError):
            window_of(n_ctx, guide)
        return
    window = window_of(n_ctx, guide)
    placed = window.place(ids(story), new)
    assert window.room == n_ctx - used and window.budget == n_ctx // 2
    assert len(placed) <= n_ctx - min(new, window.room - window.room // 2)
    if len(ids(story)) + new <= window.room:
        assert len(placed) == used + len(ids(story))


@quick
@given(stories, contexts, news, guides)
def test_what_is_placed_is_the_end_of_the_text_and_all_of_the_guide(story, n_ctx, new, guide):
    memory, note = line(guide.memory), line(guide.note)
    if len(memory) + len(note) > n_ctx // 2:
        return
    placed = window_of(n_ctx, guide).place(ids(story), new)
    assert placed[: len(memory)] == memory
    rest = placed[len(memory) :]
    # The note stands once more than the text itself says it.
    places = [at for at in range(len(rest) + 1) if rest[at : at + len(note)] == note]
    assert any(
        ids(story)[len(ids(story)) - len(rest) + len(note) :] == without(rest, at, note)
        for at in places
    )
    assert len(placed) >= min(n_ctx // 8, len(ids(story)))


def without(tokens, at, part):
    return tokens[:at] + tokens[at + len(part) :]


@quick
@given(stories.filter(bool), st.integers(16, 48), st.integers(1, 20))
def test_a_text_that_does_not_fit_begins_at_a_sentence_where_there_is_one(story, n_ctx, new):
    tokens, window = ids(story), window_of(n_ctx)
    placed = window.place(tokens, new)
    if len(placed) == len(tokens):
        return
    most = max(n_ctx // 2, n_ctx - new)
    first = len(tokens) - most  # the earliest place that leaves room
    assert len(placed) >= most - most // 2

    def begins(place):
        before, after = story[:place], story[place]
        if before.endswith("\n"):
            return True
        said = before.rstrip("”")
        return said[-1:] in tuple("。！？…") and after not in "。！？…”"

    # One token is one character here, so places in the text are places in the tokens.
    possible = [place for place in range(first, len(tokens) - most // 2) if begins(place)]
    # A closing mark of its own hides the sentence mark before it from a reader of single tokens.
    seen = [place for place in possible if story[place - 1] != "”"]
    start = len(tokens) - len(placed)
    assert start in {*possible[:1], *seen[:1], *([] if seen else [first])}


def test_it_begins_after_a_sentence_a_quotation_or_a_paragraph():
    story = "门开着没有人" * 3 + "雪停了。" + "他走到河边" * 3
    placed = window_of(32).place(ids(story), 10)
    assert decoded(placed) == "他走到河边" * 3
    story = "门开着没有人" * 3 + "雪停了\n" + "他走到河边" * 3
    assert decoded(window_of(32).place(ids(story), 10)) == "他走到河边" * 3


def test_it_begins_after_a_quotation():
    story = "门开着没有人" * 3 + "“雪停了。”" + "他走到河边" * 3
    assert decoded(window_of(32).place(ids(story), 10)) == "他走到河边" * 3


def test_a_chapter_is_a_place_to_begin():
    tokens = [*ids("门开着没有人" * 3), tokenizer_of("char").chapter, *ids("他走到河边" * 3)]
    placed = window_of(32).place(tokens, 10)
    assert placed == tokens[18:]


@pytest.mark.parametrize("n_ctx", [1, 2, 3])
@pytest.mark.parametrize("new", [1, 5])
def test_the_smallest_contexts_hold_at_least_the_last_token(n_ctx, new):
    placed = window_of(n_ctx).place(ids(STORY), new)
    assert 1 <= len(placed) <= n_ctx and placed[-1] == ids(STORY)[-1]


# ---- header, memory and note


def test_header_memory_and_note_stand_in_their_order():
    header = Header(title="雪")
    window = window_of(64, Guide(header, " 天亮了 ", "去河边\n"))
    placed = window.place(ids("门开着。\n没有人"), 10)
    first = encode_header(tokenizer_of("char"), header).tolist()
    parts = [*first, *ids("天亮了\n"), *ids("门开着。\n"), *ids("去河边\n"), *ids("没有人")]
    assert placed == parts


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("门开着", "", "门开着"),
        ("门开着。\n没有人", "门开着。\n", "没有人"),
        ("门开着。\n没有人\n灯呢", "门开着。\n没有人\n", "灯呢"),
        # A line that is ended is the last paragraph still: after it comes what is to be written.
        ("门开着。\n没有人\n", "门开着。\n", "没有人\n"),
        ("门开着。\n", "", "门开着。\n"),
    ],
)
def test_the_note_stands_just_before_the_last_paragraph(text, before, after):
    placed = window_of(64, Guide(note="雪停了")).place(ids(text), 10)
    assert decoded(placed) == before + "雪停了\n" + after


@pytest.mark.parametrize("ends", ["\n\n", "\n\n\n"])
def test_empty_lines_are_no_paragraph(ends):
    placed = window_of(64, Guide(note="雪停了")).place(ids("门开着。\n没有人" + ends), 10)
    assert decoded(placed) == "门开着。\n雪停了\n没有人" + ends


@pytest.mark.parametrize("blank", ["", " ", "\n", "\u3000\t"])
def test_an_empty_memory_or_note_takes_no_room(blank):
    window = window_of(16, Guide(None, blank, blank))
    assert window.room == 16 and window.place(ids("天"), 1) == ids("天")


def test_a_guide_of_more_than_half_the_context_is_refused_with_its_parts():
    header = Header(title="雪")
    tokens = len(encode_header(tokenizer_of("char"), header))
    guide = Guide(header, "天亮了", "去河边了")
    used = tokens + 4 + 5
    told = (
        f"题头 {tokens}、备忘 4、作者按 5 个词元，一共 {used}，超过了上下文 {2 * used - 1} 的一半"
    )
    with pytest.raises(InputError, match=told) as caught:
        window_of(2 * used - 1, guide)
    assert "\n" not in str(caught.value)
    assert window_of(2 * used, guide).budget == used
    with pytest.raises(InputError, match="^备忘 4 个词元，一共 4，") as caught:
        window_of(7, Guide(memory="天亮了"))
    assert "题头" not in str(caught.value) and "作者按" not in str(caught.value)


# ---- for people


@quick
@given(stories, contexts, news, guides, st.sampled_from(["char", "bpe"]))
def test_the_parts_of_a_view_are_what_the_model_reads(story, n_ctx, new, guide, kind):
    try:
        window = window_of(n_ctx, guide, kind)
    except InputError:
        return
    view = window.view(story, new)
    placed = window.place(ids(story, kind), new)
    assert view.tokens == len(placed) <= n_ctx == view.n_ctx
    assert view.guide_tokens == n_ctx - window.room <= view.budget == n_ctx // 2
    assert "".join(part.text for part in view.parts) == decoded(placed, kind)
    seen = "".join(part.text for part in view.parts if part.name == "text")
    assert story.endswith(seen) and view.unseen_characters == len(story) - len(seen)
    assert all(part.tokens > 0 for part in view.parts)
    names = [part.name for part in view.parts]
    assert names.count("memory") == bool(guide.memory.strip())
    assert names.count("note") == bool(guide.note.strip()) and names.count("text") <= 2


@pytest.mark.parametrize("kind", ["char", "bpe"])
def test_of_a_long_manuscript_the_end_is_seen_and_the_rest_counted(kind):
    story = (TEXT + "\n") * 20
    window = window_of(32, kind=kind)
    view = window.view(story, 8)
    seen = "".join(part.text for part in view.parts)
    assert story.endswith(seen) and view.unseen_characters == len(story) - len(seen) > 1000
    assert window.place(window.encode(story), 8) == window.place(ids(story, kind), 8)


def test_a_long_line_is_encoded_from_its_end():
    window = window_of(32)
    tokens = window.encode("门开着。\n" + "雪" * 5000)
    assert set(tokens) == set(ids("雪")) and 32 < len(tokens) <= 5000


def test_no_context_begins_in_the_middle_of_a_character():
    story = "龘" * 40
    for new in range(1, 8):
        view = window_of(32).view(story, new)
        assert story.endswith("".join(part.text for part in view.parts))


# ---- while it is written


@pytest.mark.parametrize(("memory", "note"), [("天亮了", ""), ("", "去河边"), ("天亮", "雪停")])
@pytest.mark.parametrize("count", [1, 3])
def test_the_guide_is_in_sight_of_every_prefill(memory, note, count):
    decoder = Scripted("他走到河边，雪停了。门开着！\n没有人。", n_ctx=32)
    config, guide = SamplingConfig(length=100, temperature=0), Guide(None, memory, note)
    tokenizer = tokenizer_of("char")
    pieces = generate_candidates(decoder, tokenizer, "天亮了", config, guide, count=count)
    assert sum(len(piece.text) for _, piece in pieces) == 100 * count
    reads = decoder.prefills()
    assert len(reads) > 3
    for tokens in reads:
        assert tokens[: len(line(memory))] == line(memory) and len(tokens) <= 31
        if note:
            before, _, last = decoded(tokens).rpartition(note + "\n")
            # Right after a line end, and with no other paragraph behind it.
            assert before == "" or before.endswith("\n")
            assert "\n" not in last.rstrip("\n")


def test_a_full_context_is_read_again_twice_in_its_length():
    decoder = Scripted("雪", n_ctx=32)
    config = SamplingConfig(length=320, temperature=0)
    list(generate(decoder, tokenizer_of("char"), "天亮了", config))
    # 32 for the first, then 16 for each: as often as half a context goes into the text, and one.
    assert len(decoder.prefills()) <= 320 / 16 + 1


def test_a_full_context_is_read_as_rarely_until_a_paragraph_ends():
    decoder = Scripted("雪", n_ctx=32)
    config = SamplingConfig(length=20, temperature=0, stop_at="paragraph")
    text = "".join(p.text for p in generate(decoder, tokenizer_of("char"), "天亮了", config))
    assert len(text) == 420
    assert len(decoder.prefills()) <= 420 / 16 + 2
