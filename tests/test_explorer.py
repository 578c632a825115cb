"""The sliders over one distribution: what they show, without a browser."""

import re
import sys

import pytest
import torch

from novelkit.errors import InputError
from novelkit.sampling import SamplingConfig, make_decoder
from novelkit.tokenizing import CharTokenizer
from novelkit.writing.explorer import (
    SamplingExplorer,
    Survey,
    as_html,
    draw,
    entropy_bits,
    next_logits,
    sampling_explorer,
    summary,
    survey,
    token_name,
)

UNCHANGED = SamplingConfig(temperature=1.0, top_k=0)
PROMPT = "渡口上"


@pytest.fixture(scope="module")
def tokenizer():
    return CharTokenizer("渡口上只有一盏灯还亮着。<&$\n 　")


@pytest.fixture(scope="module")
def model(tokenizer):
    from helpers_models import random_gpt2

    return random_gpt2(len(tokenizer), n_ctx=16)


@pytest.fixture
def explorer(model, tokenizer):
    pytest.importorskip("ipywidgets")
    return SamplingExplorer(model, tokenizer, PROMPT, UNCHANGED)


def percents(html):
    """The numbers of every bar: before, and after or None where it is cut."""
    found = re.findall(r"([\d.]+)% → (?:([\d.]+)%|切掉)", html)
    return [(float(before), float(after) if after else None) for before, after in found]


# ---- without widgets


def test_the_logits_are_those_of_the_model_and_of_its_decoder(model, tokenizer):
    logits = next_logits(model, tokenizer, PROMPT)
    with torch.inference_mode():
        whole = model(torch.tensor([tokenizer.encode(PROMPT).tolist()]))[0, -1]
    assert logits.shape == (len(tokenizer),)
    assert torch.allclose(logits, whole, atol=1e-4)
    assert torch.equal(next_logits(make_decoder(model), tokenizer, PROMPT), logits)


def test_a_long_prompt_is_read_from_its_end(model, tokenizer):
    long = "只有一盏灯" * 20 + PROMPT
    assert torch.equal(
        next_logits(model, tokenizer, long), next_logits(model, tokenizer, long[-16:])
    )


@pytest.mark.parametrize("prompt", ["", "  \n　"])
def test_a_prompt_without_characters_is_refused(model, tokenizer, prompt):
    with pytest.raises(InputError, match="没有字"):
        next_logits(model, tokenizer, prompt)
    with pytest.raises(InputError, match="没有字"):
        sampling_explorer(model, prompt, tokenizer)


def test_a_survey_tells_what_a_cut_leaves(tokenizer):
    logits = torch.full((len(tokenizer),), -30.0)
    logits[10:14] = torch.tensor([0.5, 0.25, 0.125, 0.125]).log()
    found = survey(logits, tokenizer, UNCHANGED.changed(top_k=2), shown=4)
    assert [bar.token for bar in found.bars] == [10, 11, 12, 13]
    assert [bar.before for bar in found.bars] == pytest.approx([0.5, 0.25, 0.125, 0.125])
    assert [bar.after for bar in found.bars] == pytest.approx([2 / 3, 1 / 3, 0, 0])
    assert found.kept == 2 and found.kept_before == pytest.approx(0.75)
    assert found.entropy_before == pytest.approx(1.75)
    assert found.entropy == pytest.approx(0.9183, abs=1e-4)
    assert "2 个" in summary(found) and "75.0%" in summary(found)


def test_temperature_zero_leaves_one_without_entropy(model, tokenizer):
    logits = next_logits(model, tokenizer, PROMPT)
    found = survey(logits, tokenizer, UNCHANGED.changed(temperature=0))
    assert found.kept == 1 and found.entropy == 0 and found.bars[0].after == 1
    assert "nan" not in as_html(found).lower()


def test_entropy_of_an_even_distribution_is_its_logarithm():
    assert entropy_bits(torch.full((64,), 1 / 64)) == pytest.approx(6)
    assert entropy_bits(torch.tensor([1.0, 0.0])) == 0


def test_every_token_has_a_name(tokenizer):
    names = [token_name(tokenizer, token) for token in range(len(tokenizer))]
    assert all(names) and not any("\n" in name for name in names)
    line_end, space, wide = (int(tokenizer.encode(c)[0]) for c in "\n 　")
    assert [names[line_end], names[space], names[wide]] == ["⏎", "␣", "␣"]
    first = tokenizer.byte_ids.start
    assert names[first] == "字节 00" and names[first + 255] == "字节 FF"
    assert names[tokenizer.book] == "〔书〕" and names[tokenizer.chapter] == "〔章〕"


def test_a_token_that_looks_like_markup_is_escaped(tokenizer):
    logits = torch.zeros(len(tokenizer))
    logits[int(tokenizer.encode("<")[0])], logits[int(tokenizer.encode("&")[0])] = 9, 8
    shown = as_html(survey(logits, tokenizer, UNCHANGED))
    assert "&lt;" in shown and "&amp;" in shown and "><</span>" not in shown


def test_draws_are_the_same_for_a_seed_and_hold_only_what_is_kept(model, tokenizer):
    logits = next_logits(model, tokenizer, PROMPT)
    config = UNCHANGED.changed(temperature=2.0, top_k=3)
    kept = {bar.text for bar in survey(logits, tokenizer, config).bars if bar.after}
    drawn = draw(logits, tokenizer, config, 200, seed=4)
    assert drawn == draw(logits, tokenizer, config, 200, seed=4)
    assert drawn != draw(logits, tokenizer, config, 200, seed=5)
    assert set(drawn) == kept and len(kept) == 3


# ---- with widgets


def test_sliders_start_where_the_settings_are(model, tokenizer):
    pytest.importorskip("ipywidgets")
    config = SamplingConfig(temperature=0.7, top_k=5, top_p=0.9, min_p=0.1)
    explorer = SamplingExplorer(model, tokenizer, PROMPT, config)
    assert explorer.config == config
    assert list(explorer.settings) == ["temperature", "top_k", "top_p", "min_p"]
    assert not any(slider.continuous_update for slider in explorer.settings.values())


def test_settings_outside_of_the_usual_range_fit_the_sliders(model, tokenizer):
    pytest.importorskip("ipywidgets")
    config = SamplingConfig(temperature=5.0, top_k=10**6, min_p=0.9)
    explorer = SamplingExplorer(model, tokenizer, PROMPT, config)
    assert explorer.config == config.changed(top_k=len(tokenizer))


def test_a_slider_moves_the_bars(explorer):
    before = percents(explorer.picture.value)
    assert all(first == second for first, second in before)
    explorer.settings["temperature"].value = 0.5
    assert percents(explorer.picture.value)[0][1] > before[0][1]
    explorer.settings["temperature"].value = 1.0
    explorer.settings["top_k"].value = 3
    after = [share for _, share in percents(explorer.picture.value)]
    assert None not in after[:3] and set(after[3:]) == {None}
    explorer.settings["top_k"].value = 0
    explorer.settings["min_p"].value = 0.5
    cut = [share for _, share in percents(explorer.picture.value)]
    assert None in cut and cut[0] is not None


def test_the_reset_button_brings_the_first_settings_back(explorer):
    first = explorer.picture.value
    explorer.settings["temperature"].value = 0.3
    explorer.settings["top_p"].value = 0.5
    assert explorer.picture.value != first
    explorer.reset.click()
    assert explorer.picture.value == first and explorer.config == UNCHANGED


def test_another_prompt_shows_another_distribution(explorer, model, tokenizer):
    explorer.prompt.value = "灯还亮着"
    logits = next_logits(model, tokenizer, "灯还亮着")
    assert explorer.picture.value == as_html(survey(logits, tokenizer, UNCHANGED))


def test_an_empty_prompt_says_so_and_the_next_one_works(explorer):
    first = explorer.picture.value
    explorer.prompt.value = " "
    assert "没有字" in explorer.picture.value and explorer.button.disabled
    explorer.settings["temperature"].value = 0.5
    explorer.button.click()
    assert "没有字" in explorer.picture.value and explorer.drawn.value == ""
    explorer.settings["temperature"].value = 1.0
    explorer.prompt.value = PROMPT
    assert explorer.picture.value == first and not explorer.button.disabled


def test_no_text_is_refused_in_words(explorer):
    explorer.prompt.value = "\ud800"
    assert explorer.button.disabled and percents(explorer.picture.value) == []


def test_the_button_draws_from_what_is_shown(explorer):
    explorer.settings["temperature"].value = 0.0
    best = re.search(r"overflow:hidden\">([^<]*)<", explorer.picture.value).group(1)
    explorer.button.click()
    assert f"{best}×20" in explorer.drawn.value
    # Another setting is another distribution, from which nothing was drawn yet.
    explorer.settings["temperature"].value = 2.0
    assert explorer.drawn.value == ""
    explorer.button.click()
    once = explorer.drawn.value
    explorer.button.click()
    assert explorer.drawn.value != once


def test_nothing_is_printed(explorer, capsys):
    explorer.settings["top_p"].value = 0.4
    explorer.button.click()
    explorer.prompt.value = ""
    assert capsys.readouterr() == ("", "")


def test_the_last_line_of_a_cell_is_the_widget(model, tokenizer):
    widgets = pytest.importorskip("ipywidgets")
    box = sampling_explorer(model, PROMPT, tokenizer)
    assert isinstance(box, widgets.VBox)
    # No widget of a third party.
    assert {type(child).__module__.split(".")[0] for child in box.children} == {"ipywidgets"}


def test_without_ipywidgets_it_is_a_picture(model, tokenizer, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    shown = sampling_explorer(model, PROMPT, tokenizer, UNCHANGED.changed(top_k=2))
    assert isinstance(shown, Survey) and shown.kept == 2
    assert "ipywidgets" in shown._repr_html_() and "切掉" in shown._repr_html_()
    assert "ipywidgets" in str(shown) and str(shown).count("→") >= 10
