"""Stage 08: presets, the ranges of every setting, and that the command line knows all of them."""

import dataclasses
import math
import re

import pytest
import torch
from helpers_command import run
from hypothesis import given, settings
from hypothesis import strategies as st

from novelkit.cli import write
from novelkit.errors import InputError
from novelkit.sampling import (
    DEFAULT_PRESET,
    PRESETS,
    STOPS,
    Chooser,
    Past,
    SamplingConfig,
    TokenTexts,
    next_token_probabilities,
    open_marks,
    preset_config,
)
from novelkit.tokenizing import CharTokenizer

TOKENIZER = CharTokenizer.train("天地雪夜灯，。“”\n")

FIELDS = [field.name for field in dataclasses.fields(SamplingConfig)]
# These have options of their own: a list of words, two switches and a name.
OWN_OPTIONS = {
    "banned_phrases": "--ban",
    "close_pairs": "--close-pairs",
    "rare_characters": "--rare-characters",
    "stop_at": "--stop-at",
}
# Of every number: what lies just inside of its range and just outside.
INSIDE = {
    "temperature": (0, 10),
    "top_k": (0, 2**31),
    "top_p": (1e-9, 1),
    "newline_top_p": (0, 1),
    "min_p": (0, 1),
    "typical_p": (1e-9, 1),
    "repetition_penalty": (0.1, 10),
    "presence_penalty": (-10, 10),
    "frequency_penalty": (-10, 10),
    "penalty_window": (1, 2**31),
    "no_repeat_ngram": (0, 2**31),
    "dry_multiplier": (0, 100),
    "dry_base": (1, 10),
    "dry_allowed_length": (1, 100),
    "no_copy": (0, 10, 40),
    "length": (1, 2**31),
    "seed": (0, 2**63 - 1),
}
OUTSIDE = {
    "temperature": (-0.01, 10.01),
    "top_k": (-1, 2**31 + 1),
    "top_p": (0, -0.1, 1.01),
    "newline_top_p": (-0.01, 1.01),
    "min_p": (-0.01, 1.01),
    "typical_p": (0, 1.01),
    "repetition_penalty": (0, 0.09, 10.1),
    "presence_penalty": (-10.1, 10.1),
    "frequency_penalty": (-10.1, 10.1),
    "penalty_window": (0, -1, 2**31 + 1),
    "no_repeat_ngram": (-1, 2**31 + 1),
    "dry_multiplier": (-0.01, 100.1),
    "dry_base": (0.99, 10.1),
    "dry_allowed_length": (0, 101),
    "no_copy": (-1, 1, 9, 41),
    "length": (0, -5, 2**31 + 1),
    "seed": (-1, 2**63),
}
WHOLE = ("top_k", "penalty_window", "no_repeat_ngram", "dry_allowed_length", "no_copy", "length")
NOT_NUMBERS = (math.nan, math.inf, -math.inf, "0.5", None, True, [1])


def refused(**given_settings):
    """The one line with which settings are refused."""
    with pytest.raises(InputError) as caught:
        SamplingConfig(**given_settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---- presets


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_valid_and_says_what_it_is(name):
    preset, unset = PRESETS[name], SamplingConfig()
    assert preset.config == SamplingConfig(**dataclasses.asdict(preset.config))
    for told in (preset.label, preset.description):
        assert re.search("[\u4e00-\u9fff]{2}", told)
    assert len(preset.label) < len(preset.description) <= 40
    # Length, seed and where it stops are matters of the text, not of a taste.
    unset = SamplingConfig()
    assert all(
        getattr(preset.config, n) == getattr(unset, n) for n in ("length", "seed", "stop_at")
    )


def test_presets_differ_from_each_other():
    assert DEFAULT_PRESET in PRESETS
    assert len({preset.config for preset in PRESETS.values()}) == len(PRESETS)
    assert len({preset.label for preset in PRESETS.values()}) == len(PRESETS)
    assert PRESETS["greedy"].config.temperature == 0


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_may_be_changed_and_stays_what_it_was(name):
    before = PRESETS[name].config
    changed = preset_config(name, length=7, seed=3, banned_phrases=["雪"])
    assert changed == dataclasses.replace(before, length=7, seed=3, banned_phrases=("雪",))
    assert PRESETS[name].config == before == preset_config(name)


def test_a_preset_or_a_setting_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(InputError, match="preset 是 wild") as caught:
        preset_config("wild")
    assert all(name in str(caught.value) for name in PRESETS)
    with pytest.raises(InputError, match="mirostat") as caught:
        preset_config("balanced", mirostat=2)
    assert all(name in str(caught.value) for name in FIELDS)
    with pytest.raises(InputError, match="top_p 是 2"):
        preset_config("balanced", top_p=2)


# ---- what is drawn with them


def chooser_of(config):
    return Chooser(TOKENIZER, TokenTexts(TOKENIZER), config)


def past_of(text):
    return Past(TOKENIZER.encode(text).tolist(), text, open_marks(text))


@pytest.mark.parametrize("name", PRESETS)
@settings(deadline=None, max_examples=20)
@given(
    seed=st.integers(0, 2**32),
    texts=st.lists(st.text("天地雪，。“”\n", min_size=1, max_size=30), min_size=1, max_size=3),
    changes=st.fixed_dictionaries(
        {},
        optional={
            "newline_top_p": st.floats(0.1, 1),
            "min_p": st.floats(0, 0.2),
            "top_k": st.integers(0, 400),
        },
    ),
)
def test_the_best_k_have_the_probabilities_that_they_have_among_all(name, seed, texts, changes):
    """The chooser cuts the k best tokens, `next_token_probabilities` the whole vocabulary."""
    config = preset_config(name, **changes)
    generator = torch.Generator().manual_seed(seed)
    logits = 4 * torch.randn(len(texts), len(TOKENIZER), generator=generator)
    past = [past_of(text) for text in texts]
    chooser = chooser_of(config)
    found, tokens = chooser.probabilities(logits, past)
    begins = torch.tensor([text.endswith("\n") for text in texts])
    whole = next_token_probabilities(chooser.allowed(logits, past), config, begins)
    spread = torch.zeros_like(whole).scatter(-1, tokens, found)
    torch.testing.assert_close(spread, whole, atol=1e-5, rtol=1e-4)


def test_tokens_are_drawn_as_often_as_they_are_probable():
    shares = torch.tensor([0.5, 0.25, 0.15, 0.1, 0.0])
    ids = TOKENIZER.encode("天地雪，。")
    logits = torch.full((1, len(TOKENIZER)), float("-inf"))
    logits[0, ids] = shares.log()
    chooser = chooser_of(SamplingConfig(temperature=1, top_k=0))
    random, times = torch.Generator().manual_seed(0), 4000
    drawn = [chooser.draw(logits, [past_of("天")], [random])[0] for _ in range(times)]
    for token, share in zip(ids, shares.tolist(), strict=True):
        # Four standard deviations of so many draws.
        bound = 4 * math.sqrt(share * (1 - share) / times)
        assert abs(drawn.count(token) / times - share) <= bound


def test_every_row_draws_from_its_own_generator():
    logits = torch.zeros(3, len(TOKENIZER))
    past, chooser = [past_of("天")] * 3, chooser_of(SamplingConfig(temperature=1, top_k=0))
    together = [torch.Generator().manual_seed(seed) for seed in (5, 6, 7)]
    alone = [torch.Generator().manual_seed(seed) for seed in (5, 6, 7)]
    for _ in range(5):
        drawn = chooser.draw(logits, past, together)
        assert drawn == [chooser.draw(logits[:1], past[:1], [own])[0] for own in alone]


# ---- ranges


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, vs in INSIDE.items() for v in vs])
def test_the_ends_of_every_range_are_allowed(name, value):
    assert getattr(SamplingConfig(**{name: value}), name) == value


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, vs in OUTSIDE.items() for v in vs])
def test_a_value_out_of_range_is_refused_with_its_name_and_the_range(name, value):
    assert refused(**{name: value}).startswith(f"{name} 是 {value}，可用的范围是")


@pytest.mark.parametrize("name", INSIDE)
@pytest.mark.parametrize("value", NOT_NUMBERS, ids=str)
def test_what_is_no_number_is_refused(name, value):
    assert refused(**{name: value}).startswith(f"{name} 是 {value}，可用的范围是")


@pytest.mark.parametrize("name", [*WHOLE, "seed"])
def test_a_count_is_a_whole_number(name):
    assert refused(**{name: 12.5}).startswith(f"{name} 是 12.5，可用的范围是")


@pytest.mark.parametrize("value", ["", "word", "LENGTH", None, 3])
def test_a_place_to_stop_that_does_not_exist_is_refused(value):
    told = refused(stop_at=value)
    assert told.startswith(f"stop_at 是 {value}，") and all(name in told for name in STOPS)


@pytest.mark.parametrize("value", [("",), ("雪", ""), (3,), ["雪", None]])
def test_banned_phrases_are_texts(value):
    assert refused(banned_phrases=value).startswith("banned_phrases 是")
    assert SamplingConfig(banned_phrases=["雪", "夜"]).banned_phrases == ("雪", "夜")


@settings(deadline=None)
@given(st.sampled_from(sorted(INSIDE)), st.floats(allow_nan=True) | st.integers())
def test_a_number_is_taken_as_it_is_or_refused_by_name(name, value):
    lowest, highest = INSIDE[name][0], INSIDE[name][-1]
    # Between 0 and 10 no run is long enough to be a copy; a probability of 0 leaves nothing.
    allowed = lowest <= value <= highest and not (name == "no_copy" and 0 < value < 10)
    if name in ("top_p", "typical_p"):
        allowed = 0 < value <= 1
    if allowed and (name not in {*WHOLE, "seed"} or isinstance(value, int)):
        assert getattr(SamplingConfig(**{name: value}), name) == value
    elif not allowed:
        assert refused(**{name: value}).startswith(f"{name} 是 ")


def test_every_number_of_the_settings_has_a_range_here():
    numbers = {
        field.name
        for field in dataclasses.fields(SamplingConfig)
        if isinstance(field.default, int | float) and not isinstance(field.default, bool)
    }
    assert numbers == set(INSIDE) == set(OUTSIDE)


# ---- the command line


def test_every_setting_is_an_option_of_write():
    named = {name.replace("-", "_") for name, _, _ in write._SETTINGS}
    assert named == set(FIELDS) - set(OWN_OPTIONS)
    assert len(named) == len(write._SETTINGS)
    told = run("write", "--help")[1]
    for name in named:
        assert f"--{name.replace('_', '-')} " in told
    assert all(option in told for option in OWN_OPTIONS.values())


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name, kind, _ in write._SETTINGS])
def test_an_option_has_the_type_of_its_setting(name, kind):
    assert kind is type(getattr(SamplingConfig(), name.replace("-", "_")))


def test_the_help_of_write_tells_every_preset_and_its_label():
    told = "".join(run("write", "--help")[1].split())
    for name, preset in PRESETS.items():
        assert f"{name}{preset.label}" in told
    pairs = re.findall(r"([a-z]+)([\u4e00-\u9fff]+)；", told[told.index("steady稳") :])
    listed = dict(pairs[: len(PRESETS)])
    assert listed == {name: preset.label for name, preset in PRESETS.items()}


def test_the_help_of_write_tells_every_place_to_stop():
    told = "".join(run("write", "--help")[1].split())
    assert all(re.search(f"{name}[\u4e00-\u9fff]", told) for name in STOPS)
