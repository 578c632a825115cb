"""Headers: their line, their places in the ids, and that training never scores them."""

import numpy as np
import pytest
from helpers_tokenizing import KINDS, tokenizer_of
from hypothesis import given
from hypothesis import strategies as st

from novelkit.errors import InputError
from novelkit.tokenizing import IGNORED, Blocks
from novelkit.tokenizing.headers import (
    FIELD_SHARE,
    HEADER_SHARE,
    LABELS,
    LONGEST_FIELD,
    MOST_NAMES,
    Header,
    cut_passages,
    encode_header,
    header_spans,
)

FULL = Header("呐喊", "鲁迅", "现代小说", "故乡", ("闰土", "杨二嫂"))
fields = st.text(max_size=60)
headers = st.builds(
    Header, fields, fields, fields, fields, st.lists(st.text(max_size=8), max_size=8).map(tuple)
)

# ---- the line


def test_the_line_names_every_field():
    assert FULL.line == "书名：呐喊；作者：鲁迅；风格：现代小说；章节：故乡；人物：闰土、杨二嫂\n"
    assert Header(style="散文诗").line == "风格：散文诗\n"
    assert Header().line == "\n" and not Header()
    assert Header.parse(FULL.line) == FULL
    assert Header.parse("人物：闰土；书名：呐喊") == Header("呐喊", names=("闰土",))


@given(headers)
def test_a_line_is_one_line_and_is_read_back(header):
    line = header.line
    # A line of the text as well as of the ids: every other line end would close it too early.
    assert line.count("\n") == 1 and line.splitlines() == [line[:-1]]
    again = Header.parse(line)
    assert again.line == line
    assert len(again.names) <= MOST_NAMES
    assert all(len(getattr(again, name)) <= LONGEST_FIELD for name in LABELS if name != "names")


@pytest.mark.parametrize("line", ["鲁迅", "作家：鲁迅", "书名：呐喊；闰土"])
def test_a_line_that_is_no_header_says_how_to_write_one(line):
    with pytest.raises(InputError, match="书名：…；作者：…"):
        Header.parse(line)


# ---- before a passage


def test_a_passage_has_its_own_names_in_their_order():
    header = Header("红楼梦", names=("宝玉", "凤姐", "凤姐儿", "贾母", "黛玉"))
    passage = header.of_passage("凤姐儿笑着拉了黛玉，又看宝玉。")
    assert passage == Header("红楼梦", names=("凤姐儿", "黛玉", "宝玉"))


def test_fields_are_left_out_by_chance_and_none_always():
    random = np.random.default_rng(0)
    thinned = [FULL.thinned(random) for _ in range(4000)]
    shown = [header for header in thinned if header]
    # One in 400 draws leaves out every field.
    assert len(shown) / len(thinned) == pytest.approx(HEADER_SHARE, abs=0.03)
    for name in LABELS:
        share = np.mean([getattr(header, name) == getattr(FULL, name) for header in shown])
        assert share == pytest.approx(FIELD_SHARE, abs=0.04)
    assert all(
        getattr(header, name) in (getattr(FULL, name), getattr(Header(), name))
        for header in shown
        for name in LABELS
    )


@given(st.lists(st.text("天地\r", max_size=12)).map("\n".join), st.integers(1, 30))
def test_passages_are_whole_lines_and_lose_nothing(text, least):
    passages = cut_passages(text, least)
    assert "".join(passages) == text
    assert all(passage.endswith("\n") and len(passage) >= least for passage in passages[:-1])


# ---- in the ids


@pytest.mark.parametrize("kind", KINDS)
def test_a_header_stands_between_the_book_token_and_the_line_end(kind):
    tokenizer = tokenizer_of(kind)
    header, text = encode_header(tokenizer, FULL), tokenizer.encode("今天天气很好\n“老师说”\n")
    assert header[0] == tokenizer.book and tokenizer.decode(header[1:]) == FULL.line
    (line_end,) = tokenizer.encode("\n")
    stream = np.concatenate([header, text, header, text])
    first, second = len(header), len(header) + len(text)
    expected = [[0, first], [second, second + first]]
    assert header_spans(stream, tokenizer.book, line_end).tolist() == expected
    # A stream that is cut within a header ends with it.
    cut = header_spans(stream[: second + 3], tokenizer.book, line_end)
    assert cut.tolist() == [[0, first], [second, second + 3]]


def test_a_stream_without_headers_has_no_spans():
    assert header_spans(np.array([5, 6, 7], np.uint16), 1, 5).shape == (0, 2)


@st.composite
def streams(draw):
    """Ids with headers among them: 1 opens one, 2 closes it (and ends a line elsewhere)."""
    parts = draw(
        st.lists(
            st.tuples(st.integers(0, 9), st.integers(0, 12)),  # tokens of a header, of text
            min_size=1,
            max_size=8,
        )
    )
    ids = [9]
    for within, text in parts:
        ids += [1] + [7] * within + [2] + ([5] * text + [2] if text else [])
    ids += [9] * 4
    context = draw(st.integers(1, len(ids) - 1))
    return np.array(ids), context, draw(st.integers(0, context - 1))


@given(streams())
def test_blocks_score_every_token_but_those_of_headers_once(stream):
    ids, context, offset = stream
    spans = header_spans(ids, 1, 2)
    within = np.zeros(len(ids), bool)
    for begin, end in spans:
        within[begin:end] = True
    # The position of each token stands for it, so that one can count which were scored.
    cut = Blocks(np.arange(len(ids)), context, offset, spans)
    _, targets = cut.batch(range(len(cut)))
    scored = sorted(targets[targets != IGNORED].tolist())
    assert scored == [place for place in range(1, len(ids)) if not within[place]]


@given(streams())
def test_blocks_within_a_header_are_named_and_no_others(stream):
    ids, context, offset = stream
    cut = Blocks(ids, context, offset, header_spans(ids, 1, 2))
    _, targets = cut.batch(range(len(cut)))
    expected = np.flatnonzero((targets != IGNORED).any(axis=1))
    assert cut.with_targets().tolist() == expected.tolist()
