"""Stage 09: characters that were replaced, found by what the text says elsewhere."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novelkit.scores import substituted_share
from novelkit.scores.substitutions import FEWEST_PLACES

NOVEL = (
    (Path(__file__).resolve().parents[1] / "assets" / "novel" / "novel.txt")
    .read_text(encoding="utf-8")
    .replace("\r\n", "\n")
)


def replaced(text: str, share: float, seed: int = 0) -> str:
    """Hanzi of the text in place of hanzi, all kinds alike."""
    random = np.random.default_rng(seed)
    kinds = sorted({c for c in text if "\u4e00" <= c <= "\u9fff"})
    return "".join(
        str(random.choice(kinds)) if "\u4e00" <= c <= "\u9fff" and random.random() < share else c
        for c in text
    )


def test_by_hand():
    """One name, a hundred and ninety times as usual and ten times with a character of its own."""
    lines = ["孙行者来了。"] * 190
    others = [chr(0x6000 + n) for n in range(10)]
    text = "\n".join(lines + [f"孙{other}者来了。" for other in others])
    # Between 孙 and 者, between 行 and 来, between 者 and 了.
    places = 200 + 190 + 200
    assert substituted_share(text) == pytest.approx(10 / places)
    # A character that also stands beside one of these elsewhere fits, and is no error.
    fitting = text + "\n" + "".join(f"孙{other}。" for other in others)
    assert substituted_share(fitting) == 0.0
    # What is said twice is meant.
    assert substituted_share(text + "\n" + "\n".join(f"孙{o}者。" for o in others)) == 0.0


def test_the_bundled_novel_and_what_replacing_makes_of_it():
    shares = [substituted_share(replaced(NOVEL, share)) for share in (0.0, 0.02, 0.1, 0.2)]
    assert shares == sorted(shares)
    assert shares[0] < 0.015 and 0.06 < shares[2] < 0.11 and shares[3] > 0.12


def test_marks_and_letters_are_no_hanzi():
    text = "他说abc她说xyz，" * 200
    assert math.isnan(substituted_share(text))


@pytest.mark.parametrize("text", ["", "一", "一二", "一二三", NOVEL[:2000]])
def test_too_short_to_tell(text):
    assert math.isnan(substituted_share(text))


@given(st.text(st.sampled_from("一二三，\ud800\U0002a6a5a"), max_size=400), st.integers(1, 4))
def test_any_text_has_a_share_or_none(text, times):
    found = substituted_share(text * times)
    assert math.isnan(found) or 0 <= found <= 1


@given(st.text(st.sampled_from("一二三四五六"), min_size=3, max_size=60))
def test_a_text_that_is_said_again_has_nothing_that_stands_once(text):
    """Every pair stands at least twice, therefore nothing is odd."""
    assert substituted_share((text + "。") * FEWEST_PLACES) in (
        0.0,
        pytest.approx(math.nan, nan_ok=True),
    )
