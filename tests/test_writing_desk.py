"""Stage 09: what the desk shows and does, without a kernel and without a page."""

import sys
import warnings

import pytest
from helpers_text import save_tiny_model, tiny_model

pytest.importorskip("ipywidgets")

import novelkit.writing
from novelkit.errors import InputError
from novelkit.sampling import Alternative, Guide, Piece, View, make_decoder
from novelkit.sampling.context_window import Part
from novelkit.tokenizing import CharTokenizer
from novelkit.writing import Manuscript, Span, WritingSession, load_record
from novelkit.writing.coloring import shade, shown, spans_to_html, tail, view_to_html
from novelkit.writing.panels import BranchPanel, Controls
from novelkit.writing.writing_desk import WritingDesk

TOKENIZER = CharTokenizer.train("天地玄黄宇宙洪荒日月盈昃辰宿列张，。“”\n")
OPENING = "天地玄黄，宇宙洪荒。"


@pytest.fixture(scope="module")
def decoder():
    """Writes without end, so that lengths are exact."""
    made = make_decoder(tiny_model(TOKENIZER, 64))
    read = made.read

    def endless(tokens, cache):
        logits = read(tokens, cache).clone()
        logits[:, [TOKENIZER.end_of_text, TOKENIZER.chapter]] = float("-inf")
        return logits

    made.read = endless
    return made


@pytest.fixture
def desk(decoder, tmp_path):
    session = WritingSession(decoder, TOKENIZER, text=OPENING, path=tmp_path / "稿子.json")
    made = WritingDesk(session)
    made.controls.sliders["length"].value = 20
    made.controls.stop_at.value = "length"
    return made


def press(desk, name):
    desk.buttons[name].click()


# ---- the buttons


def test_three_candidates_come_and_one_is_kept(desk):
    press(desk, "continue")
    texts = [candidate.text for candidate in desk.session.candidates]
    assert len(texts) == 3 and {len(text) for text in texts} == {20}
    for card, text in zip(desk.cards, texts, strict=True):
        assert all(character in card.text.value for character in text if character != "\n")
        assert "照抄 未检查" in card.told.value and not card.button.disabled
    desk.cards[1].button.click()
    assert desk.session.manuscript.text == OPENING + texts[1]
    assert all(card.button.disabled and not card.told.value for card in desk.cards)


def test_the_buttons_that_can_be_pressed(desk):
    def enabled():
        return {name for name, button in desk.buttons.items() if not button.disabled}

    assert enabled() == {"continue", "edit"}
    press(desk, "continue")
    assert enabled() == {"continue", "edit", "reject"}
    desk.cards[0].button.click()
    assert enabled() == {"continue", "edit", "undo"}
    press(desk, "undo")
    assert enabled() == {"continue", "edit", "redo"}


def test_another_time_other_candidates_come(desk):
    found = set()
    for after in ("continue", "reject", "continue"):
        press(desk, "continue")
        found |= {candidate.text for candidate in desk.session.candidates}
        if after == "reject":
            press(desk, "reject")
    # Never the same seed twice; the seed of the first three was 0.
    assert len(found) == 9
    assert desk.controls.sliders["seed"].value == 9 - 3


def test_undo_and_redo(desk):
    press(desk, "continue")
    desk.cards[0].button.click()
    text = desk.session.manuscript.text
    press(desk, "undo")
    assert desk.session.manuscript.text == OPENING
    press(desk, "redo")
    assert desk.session.manuscript.text == text


def test_editing_by_hand(desk):
    assert desk.editor.layout.display == "none"
    press(desk, "edit")
    assert desk.editor.value == OPENING and desk.buttons["edit"].description == "改好了"
    desk.editor.value = OPENING + "日月盈昃。"
    press(desk, "edit")
    assert desk.session.manuscript.text == OPENING + "日月盈昃。"
    assert desk.editor.layout.display == "none" and "手打 5 字" in desk.effort.value


def test_continuing_takes_what_is_in_the_editor(desk):
    press(desk, "edit")
    desk.editor.value = "日月。"
    press(desk, "continue")
    assert desk.session.manuscript.text == "日月。" and len(desk.session.candidates) == 3


def test_a_branch_replaces_what_came_after(desk):
    press(desk, "continue")
    desk.cards[0].button.click()
    text = desk.session.manuscript.text
    desk.branch.position.value = 4
    place, span = desk.branch._places[4]
    wanted = next(item.text for item in span.alternatives if item.text and item.text != span.text)
    desk.branch.buttons[0].click()
    assert desk.session.manuscript.text == text[:place] + wanted


def test_every_change_is_in_the_file(desk):
    press(desk, "continue")
    desk.cards[2].button.click()
    record = load_record(desk.session.path)
    assert [action["kind"] for action in record["actions"]] == ["start", "continue", "accept"]
    assert record["text"] == desk.session.manuscript.text


def test_what_is_wrong_is_told_and_nothing_is_lost(desk):
    press(desk, "edit")
    desk.editor.value = ""
    press(desk, "edit")
    press(desk, "continue")
    assert "没有字" in desk.message.value and not desk.is_writing
    press(desk, "undo")
    assert desk.session.manuscript.text == OPENING and desk.message.value == ""


def test_a_guide_that_is_too_long_is_told_at_once(desk):
    desk.guide.memory.value = "天地玄黄。" * 30
    assert "一半" in desk.guide.told.value
    desk.guide.memory.value = "天地。"
    assert "最多 32 个" in desk.guide.told.value and "天地。" in desk.seen.value
    assert desk.session.guide == Guide(None, "天地。", "")


def test_the_view_is_what_the_model_reads(desk, monkeypatch):
    """Also after a slider moved, and with the characters that a sentence may take to end."""
    press(desk, "edit")
    desk.editor.value = "天地玄黄，宇宙洪荒。" * 12
    press(desk, "edit")
    decoder, read, asked = desk.session.decoder, desk.session.decoder.read, []

    def listening(tokens, cache):
        asked.append(tokens[0].tolist())
        return read(tokens, cache)

    monkeypatch.setattr(decoder, "read", listening)
    for length, stop_at in ((20, "length"), (40, "length"), (10, "sentence")):
        desk.controls.sliders["length"].value = length
        desk.controls.stop_at.value = stop_at
        asked.clear()
        press(desk, "continue")
        seen = TOKENIZER.decode(asked[0])
        assert f"{seen}</div>" in desk.seen.value
        assert f"看到 {len(asked[0])} 个" in desk.seen.value


def test_a_path_with_spaces_is_told_as_it_is(desk, tmp_path, monkeypatch):
    folder = tmp_path / "a b"
    folder.mkdir()
    monkeypatch.chdir(folder)
    desk.export.button.click()
    assert str(folder / "稿子.txt") in desk.export.told.value
    assert (folder / "稿子.txt").is_file()


def test_a_stopped_continuation_stays(desk):
    stop = desk.session.propose

    def stopping(*given):
        for number, found in enumerate(stop(*given)):
            if number == 10:
                press(desk, "stop")
            yield found

    desk.session.propose = stopping
    press(desk, "continue")
    assert "已停下" in desk.message.value
    assert 9 <= sum(len(item.text) for item in desk.session.candidates) <= 12
    assert not desk.buttons["continue"].disabled


def test_the_desk_of_a_folder_goes_on_with_its_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_tiny_model(TOKENIZER, tmp_path / "model")
    first = novelkit.writing.desk(tmp_path / "model", OPENING, precision="fp32")
    press(first, "edit")
    first.editor.value = "日月。"
    press(first, "edit")
    again = novelkit.writing.desk(tmp_path / "model", precision="fp32")
    assert again.session.manuscript.text == "日月。"
    press(again, "undo")
    assert again.session.manuscript.text == OPENING


def test_a_manuscript_of_another_model_is_refused(tmp_path):
    for name, characters in (("one", "天地玄黄"), ("other", "天地玄黄宇")):
        save_tiny_model(CharTokenizer.train(characters), tmp_path / name)
    path = tmp_path / "稿子.json"
    desk = novelkit.writing.desk(tmp_path / "one", "天地", path=path, precision="fp32")
    desk.session.edit("天地玄")
    with pytest.raises(InputError, match="换回原来的模型"):
        novelkit.writing.desk(tmp_path / "other", path=path, precision="fp32")


def test_without_widgets_there_is_a_session_and_a_warning(tmp_path, monkeypatch):
    save_tiny_model(TOKENIZER, tmp_path / "model")
    monkeypatch.delitem(sys.modules, "novelkit.writing.writing_desk", raising=False)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.warns(UserWarning, match="没有 ipywidgets"):
        session = novelkit.writing.desk(
            tmp_path / "model", OPENING, path=None, precision="fp32", candidates=2
        )
    assert isinstance(session, WritingSession) and session.manuscript.text == OPENING


# ---- the panels


def test_a_preset_moves_the_sliders_and_leaves_length_and_seed():
    controls = Controls()
    controls.sliders["length"].value, controls.sliders["seed"].value = 120, 7
    controls.preset.value = "steady"
    config = controls.config()
    assert config.temperature == 0.75 and config.close_pairs
    assert (config.length, config.seed) == (120, 7)
    controls.sliders["temperature"].value = 1.2
    controls.banned.value = "道士  和尚"
    config = controls.config()
    assert config.temperature == 1.2 and config.banned_phrases == ("道士", "和尚")


def test_every_preset_fits_the_sliders():
    from novelkit.sampling import PRESETS

    controls = Controls()
    for name, preset in PRESETS.items():
        controls.preset.value = name
        config, unset = controls.config(), ("length", "seed", "stop_at")
        for field in controls.sliders:
            if field not in unset:
                assert getattr(config, field) == pytest.approx(getattr(preset.config, field))


def test_branches_are_offered_only_where_the_model_wrote():
    panel = BranchPanel(lambda place, text: None)
    assert "还没有写过" in panel.told.value
    options = (Alternative("天", 1, 0.5), Alternative("地", 2, 0.25), Alternative("\n", 3, 0.1))
    written = Manuscript.typed("玄").written([Piece("天", 1, 0.5, 1, options)])
    panel.take(written.replaced(0, 1, "黄"))
    assert panel.position.max == 0 and "[天]" in panel.told.value
    told = [button.description for button in panel.buttons if button.layout.display != "none"]
    assert told == ["地 25.0%", "⏎ 10.0%"]


# ---- colours


def test_the_colour_grows_with_the_surprise():
    shades = [shade(probability) for probability in (1, 0.5, 0.1, 0.01, 0.001, 1e-9, 0)]
    assert shades == sorted(shades) and shades[0] == 0 and shades[-1] == shades[-3]


def test_text_is_shown_as_text_and_nothing_of_it_as_html():
    spans = [Span("<b>&\"'"), Span("<i>", True, 0.5, (Alternative('"><', 1, 0.25),))]
    shown_html = spans_to_html(spans)
    assert "<b>" not in shown_html and "<i>" not in shown_html and '"><"' not in shown_html
    assert "概率 50.0%" in shown_html and "25.0%" in shown_html


@pytest.mark.parametrize(("text", "seen"), [("\n", "⏎"), (" ", "␣"), ("　", "□"), ("", "（无字）")])
def test_blank_tokens_can_be_read(text, seen):
    assert shown(text) == seen


def test_only_the_end_of_a_long_manuscript_is_shown():
    spans = (Span("天" * 5000), Span("地", True, 0.5))
    kept, before = tail(spans, 2000)
    assert (len("".join(span.text for span in kept)), before) == (2000, 3001)
    assert kept[-1] is spans[1]
    assert tail((), 10) == ((), 0)


def test_the_view_names_its_parts():
    parts = (Part("memory", "<老周>", 3), Part("text", "天地", 2))
    text = view_to_html(View(parts, 64, 32, 7))
    assert "备忘" in text and "&lt;老周&gt;" in text and "前面的 7 字" in text
    assert "看到 5 个" in text


def test_nothing_warns_of_old_names(decoder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        desk = WritingDesk(WritingSession(decoder, TOKENIZER, text=OPENING, knows_headers=True))
    assert desk.guide.fields["title"] in desk.guide.widget.children
