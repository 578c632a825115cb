"""Stage 09: who wrote what, a session that can be undone and taken up again, and its replay."""

import copy
import json
from types import SimpleNamespace

import pytest
import torch
from helpers_text import raw_book, save_tiny_model
from hypothesis import given, settings
from hypothesis import strategies as st

from novelkit.copying import FILTER_FILE, NgramFilter
from novelkit.errors import InputError
from novelkit.sampling import Alternative, Guide, Piece, SamplingConfig
from novelkit.tokenizing import CharTokenizer
from novelkit.writing import (
    Candidate,
    Effort,
    Manuscript,
    Span,
    WritingSession,
    load_record,
    open_session,
    replay,
)

TOKENIZER = CharTokenizer.train(raw_book(2))
CONFIG = SamplingConfig(length=8, temperature=1.0, top_k=20)
START = "天还没有亮，"


class Scripted:
    """A decoder that says the tokens of a script, one after another."""

    precision, vocabulary, n_ctx = "fp32", len(TOKENIZER), 32

    def __init__(self, text):
        self.script, self.said = TOKENIZER.encode(text).tolist(), 0

    def new_cache(self):
        return SimpleNamespace(length=0, repeat=lambda count: None, keep=lambda rows: None)

    def read(self, tokens, cache):
        cache.length += tokens.size(1)
        logits = torch.zeros(len(tokens), self.vocabulary)
        logits[:, self.script[self.said % len(self.script)]] = 50.0
        self.said += 1
        return logits


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_tiny_model(TOKENIZER, tmp_path_factory.mktemp("models") / "雪后")


def scripted_session(text=START, says="他就起来把院子里的雪扫了一遍", **settings):
    return WritingSession(Scripted(says), TOKENIZER, text=text, **settings)


def propose(session, count=1, **changes):
    for _ in session.propose(CONFIG.changed(**changes), count):
        pass
    return [candidate.text for candidate in session.candidates]


# ---- the manuscript


quick = settings(deadline=None, max_examples=60)
others = st.lists(st.just(Alternative("雪", 3, 0.5)), max_size=1).map(tuple)
pieces = st.builds(
    Piece,
    st.text("天地雪", max_size=4),
    st.integers(0, 9),
    st.floats(0.01, 1),
    st.integers(1, 9),
    st.lists(st.builds(Alternative, st.just("雪"), st.just(3), st.just(0.5)), max_size=1).map(
        tuple
    ),
)
manuscripts = st.builds(
    lambda typed, written: Manuscript.typed(typed).written(written),
    st.text("天地雪", max_size=9),
    st.lists(pieces, max_size=5),
)


def authors(manuscript):
    """Of every character: the character, whether the model wrote it, with which probability."""
    return [
        (character, span.by_model, span.probability)
        for span in manuscript.spans
        for character in span.text
    ]


@quick
@given(manuscripts, st.lists(pieces, max_size=4))
def test_what_the_model_writes_comes_at_the_end_and_is_its_own(manuscript, new):
    after = manuscript.written(new)
    added = "".join(piece.text for piece in new)
    assert after.text == manuscript.text + added
    assert authors(after)[: len(manuscript.text)] == authors(manuscript)
    expected = [(c, True, piece.probability) for piece in new for c in piece.text]
    assert authors(after)[len(manuscript.text) :] == expected
    assert after.characters_by_model == manuscript.characters_by_model + len(added)
    assert all(span.text for span in after.spans)


@quick
@given(manuscripts, st.integers(0, 30), st.integers(0, 30), st.text("甲乙", max_size=5))
def test_what_is_replaced_is_typed_and_the_rest_stays_whose_it_was(manuscript, one, other, text):
    start, end = sorted(min(place, len(manuscript.text)) for place in (one, other))
    after = manuscript.replaced(start, end, text)
    assert after.text == manuscript.text[:start] + text + manuscript.text[end:]
    typed = [(character, False, 1.0) for character in text]
    was = authors(manuscript)
    assert authors(after) == was[:start] + typed + was[end:]


@quick
@given(manuscripts, st.text("天地雪", max_size=20))
def test_an_edit_keeps_what_is_equal_at_both_ends(manuscript, text):
    after, old = manuscript.edited(text), manuscript.text
    assert after.text == text
    shorter = min(len(old), len(text))
    start = next((i for i in range(shorter) if old[i] != text[i]), shorter)
    left = shorter - start
    same = next((i for i in range(left) if old[-1 - i] != text[-1 - i]), left)
    found, was = authors(after), authors(manuscript)
    assert found[:start] == was[:start]
    assert found[len(text) - same :] == was[len(old) - same :]
    # Whatever lies between was typed.
    assert not any(by_model for _, by_model, _ in found[start : len(text) - same])


@quick
@given(manuscripts)
def test_an_edit_that_changes_nothing_changes_no_author(manuscript):
    assert authors(manuscript.edited(manuscript.text)) == authors(manuscript)


@quick
@given(manuscripts, st.integers(0, 30))
def test_before_a_character(manuscript, position):
    before = manuscript.before(position)
    assert authors(before) == authors(manuscript)[:position]


def test_alternatives_stand_in_place_of_the_beginning_of_their_piece_only():
    other = (Alternative("雪", 7, 0.25),)
    manuscript = Manuscript((Span("天"), Span("没有亮", True, 0.5, other)))
    assert manuscript.before(3).spans[1] == Span("没有", True, 0.5, other)
    cut = manuscript.replaced(1, 2, "还").spans
    assert cut == (Span("天"), Span("还"), Span("有亮", True, 0.5, ()))


# ---- a session


def test_a_proposal_changes_the_manuscript_when_it_is_accepted():
    session = scripted_session()
    assert propose(session, 2) == ["他就起来把院子里"] * 2
    assert session.manuscript.text == START and not session.can_undo
    session.accept(1)
    assert session.manuscript.text == START + "他就起来把院子里" and session.candidates == []
    assert session.manuscript.characters_by_model == 8


def test_alternatives_reach_the_manuscript():
    session = scripted_session()
    for _ in session.propose(CONFIG, alternatives=3):
        pass
    session.accept()
    new = session.manuscript.spans[1:]
    assert [len(span.alternatives) for span in new] == [3] * 8
    assert all(span.alternatives[0].text == span.text for span in new)


def test_a_rejected_proposal_is_gone():
    session = scripted_session()
    propose(session)
    session.reject()
    assert session.manuscript.text == START and session.candidates == []
    with pytest.raises(InputError, match="没有第 1 份续写：现在有 0 份"):
        session.accept()


@pytest.mark.parametrize("number", [-1, 2])
def test_a_candidate_that_is_not_there_is_refused(number):
    session = scripted_session()
    propose(session, 2)
    before = copy.deepcopy(session.record)
    with pytest.raises(InputError, match=f"没有第 {number + 1} 份续写：现在有 2 份"):
        session.accept(number)
    assert session.record == before and len(session.candidates) == 2


def test_a_branch_goes_on_from_a_character_with_an_alternative():
    session = scripted_session("天还")
    propose(session)
    session.accept()
    session.branch(4, "们")
    assert session.manuscript.text == "天还他就们"
    assert session.manuscript.characters_by_model == 3
    for position in (-1, 5):
        with pytest.raises(InputError, match=f"第 {position} 个字不在稿子里：稿子有 5 个字"):
            session.branch(position, "天")
    session.undo()
    assert session.manuscript.text == "天还他就起来把院子里"


def test_undo_and_redo_go_through_every_change():
    session = scripted_session()
    assert not session.undo() and not session.redo()
    propose(session)
    session.accept()
    session.edit("夜里，" + session.manuscript.text)
    session.branch(5, "们")
    texts = [
        START,
        START + "他就起来把院子里",
        "夜里，" + START + "他就起来把院子里",
        "夜里，天还们",
    ]
    assert session.manuscript.text == texts[3]
    for text in reversed(texts[:3]):
        assert session.can_undo and session.undo() and session.manuscript.text == text
    assert not session.can_undo and not session.undo()
    for text in texts[1:]:
        assert session.can_redo and session.redo() and session.manuscript.text == text
    assert not session.can_redo and not session.redo()


def test_a_new_change_after_undo_forgets_what_was_undone():
    session = scripted_session()
    session.edit(START + "他")
    session.undo()
    session.edit(START + "她")
    assert not session.can_redo and session.manuscript.text == START + "她"


@pytest.mark.parametrize("pieces_taken", [1, 5])
def test_a_proposal_that_is_stopped_keeps_what_was_written(pieces_taken):
    session = scripted_session()
    proposal = session.propose(CONFIG, 2)
    for _ in range(2 * pieces_taken):
        next(proposal)
    proposal.close()
    text = "他就起来把院子里"[:pieces_taken]
    assert [candidate.text for candidate in session.candidates] == [text, text]
    assert all(candidate.stopped for candidate in session.candidates)
    action = session.record["actions"][-1]
    assert action["kind"] == "continue" and all(item["stopped"] for item in action["candidates"])
    session.accept()
    assert session.manuscript.text == START + text


def test_a_proposal_that_never_began_is_not_recorded():
    session = scripted_session()
    session.propose(CONFIG).close()
    assert [action["kind"] for action in session.record["actions"]] == ["start"]
    with pytest.raises(InputError, match="没有字"):
        propose(scripted_session(" "))


def test_the_model_sees_the_guide_and_the_recent_text():
    session = scripted_session("天" * 100, guide=Guide(memory="雪后", note="天亮"))
    view = session.view(SamplingConfig(length=4))
    assert [part.name for part in view.parts] == ["memory", "note", "text"]
    assert view.tokens <= view.n_ctx - 4 == 28 and view.guide_tokens == 6
    assert view.unseen_characters == 100 - len(view.parts[2].text)


# ---- what it cost


def test_effort_by_hand():
    """天还没有亮， and then: eight characters of the model, two deleted, three typed."""
    session = scripted_session()
    propose(session, 3)
    session.accept(2)  # 他就起来把院子里
    session.edit(START + "他就起来把雪扫完")  # 院子里 for 雪扫完
    session.undo()
    session.redo()
    propose(session)
    session.reject()
    effort = session.effort()
    # continue, accept, undo, redo, continue, reject
    assert effort == Effort(characters=8, by_model=5, accepted=8, typed=3, deleted=3, clicks=6)
    assert effort.kept_share == 5 / 8
    assert effort.saved_share == 1 - (3 + 3 + 6) / 8


def test_effort_of_nothing():
    effort = scripted_session().effort()
    assert effort == Effort(0, 0, 0, 0, 0, 0)
    assert (effort.kept_share, effort.saved_share) == (0.0, 0.0)


def test_an_edit_counts_only_what_differs():
    session = scripted_session("天还没有亮")
    session.edit("天还没有亮")
    assert session.effort().typed == 0 and len(session.record["actions"]) == 1
    session.edit("天没有亮了")
    # From the first to the last difference: 还没有亮 became 没有亮了.
    assert (session.effort().typed, session.effort().deleted) == (4, 4)
    session.edit("")
    assert session.effort().deleted == 9 and session.effort().characters == 0


def test_no_more_is_kept_than_was_accepted():
    session = scripted_session()
    propose(session, length=1)
    session.accept()
    session.branch(len(START), "我们")
    effort = session.effort()
    assert effort.by_model == 2 and 0 <= effort.kept_share <= 1


def test_measures_of_a_candidate():
    found = [Piece("天还没有", 0, 0.5, 1), Piece("天还没有", 1, 0.25, 2)]
    candidate = Candidate(found)
    assert candidate.text == "天还没有天还没有"
    assert candidate.mean_log_probability == pytest.approx(-1.5 * 0.6931471805599453)
    assert candidate.repeated == pytest.approx(1 / 5)
    assert (Candidate().text, Candidate().mean_log_probability, Candidate().repeated) == ("", 0, 0)


# ---- copying


def test_without_a_filter_nothing_is_known_of_copying():
    assert scripted_session().copied_share(START) is None


def test_the_share_that_was_copied():
    training = raw_book(2)
    passage, new = training[40:90], "日月星辰" * 10
    session = scripted_session("日月", copies=NgramFilter.build(training, step=1))
    assert session.copied_share(new) == 0
    assert session.copied_share(passage) == 1
    assert session.copied_share(new + passage) == pytest.approx(50 / 90)
    assert session.copied_share("") is None
    # What began in the manuscript counts with the characters that were added.
    begun = scripted_session("日月" + passage[:20], copies=NgramFilter.build(training, step=1))
    assert begun.copied_share(passage[20:25] + new[:5]) == 0.5


# ---- the file


def worked(session, path):
    """Some of everything, and what the file holds after each action."""
    seen = []

    def note():
        seen.append(load_record(path)["text"] if path.is_file() else None)

    propose(session, 2)
    note()
    session.accept(1)
    note()
    session.edit(session.manuscript.text + "雪后")
    note()
    session.branch(len(START) + 2, "我们")
    note()
    session.undo()
    note()
    propose(session, seed=3)
    session.reject()
    note()
    session.undo()
    note()
    session.redo()
    note()
    return seen


def test_the_record_reaches_the_file_at_every_action(folder, tmp_path):
    path = tmp_path / "新 夹" / "记录.json"
    session = open_session(folder, text=START, path=path)
    seen = worked(session, path)
    candidate = seen[1][len(START) :]
    assert seen == [
        START,
        START + candidate,
        START + candidate + "雪后",
        START + candidate[:2] + "我们",
        *[START + candidate + "雪后"] * 2,
        START + candidate,
        START + candidate + "雪后",
    ]
    assert [item.name for item in path.parent.iterdir()] == ["记录.json"]


def test_a_session_is_taken_up_where_it_ended(folder, tmp_path):
    path = tmp_path / "记录.json"
    session = open_session(folder, text=START, path=path)
    worked(session, path)
    content = path.read_bytes()
    again = open_session(folder, text="另一个开头", path=path)
    assert path.read_bytes() == content
    assert again.manuscript.text == session.manuscript.text
    assert authors(again.manuscript) == [
        (character, by_model, pytest.approx(probability, abs=1e-4))
        for character, by_model, probability in authors(session.manuscript)
    ]
    assert again.effort() == session.effort()
    for each in (session, again):
        assert each.undo()
    assert again.manuscript.text == session.manuscript.text
    while session.undo():
        assert again.undo() and again.manuscript.text == session.manuscript.text
    assert not again.can_undo and again.manuscript.text == START
    while session.redo():
        assert again.redo() and again.manuscript.text == session.manuscript.text
    # As JSON, where a tuple is a list.
    assert json.dumps(again.record["actions"]) == json.dumps(session.record["actions"])


def test_a_proposal_that_waits_for_its_answer_is_taken_up(folder, tmp_path):
    path = tmp_path / "记录.json"
    guide = Guide(memory="雪", note="天")
    session = open_session(folder, text=START, path=path, guide=guide)
    texts = propose(session, 3)
    again = open_session(folder, path=path)
    assert [candidate.text for candidate in again.candidates] == texts and again.guide == guide
    again.accept(2)
    assert load_record(path)["text"] == START + texts[2]


def test_a_session_may_begin_anew_in_the_same_file(folder, tmp_path):
    path = tmp_path / "记录.json"
    propose(open_session(folder, text=START, path=path))
    again = open_session(folder, text="老人", path=path, again=False)
    assert again.manuscript.text == "老人" and again.candidates == []


def test_the_record_names_the_model_by_its_content(folder):
    record = open_session(folder, text=START).record
    assert record["model"]["name"] == "雪后"
    assert len(record["model"]["weights_sha256"]) == len(record["model"]["tokenizer_sha256"]) == 64
    assert record["machine"]["precision"] == "fp32"
    assert record["machine"]["torch"] == torch.__version__


# ---- replay


@pytest.fixture(scope="module")
def recorded(folder, tmp_path_factory):
    """A session with two proposals, one of which was stopped."""
    path = tmp_path_factory.mktemp("records") / "记录.json"
    session = open_session(folder, text=START, path=path)
    propose(session, 2, stop_at="sentence", banned_phrases=("龘",))
    session.accept(1)
    session.edit(session.manuscript.text + "。")
    session.guide = Guide(note="天")
    stopped = session.propose(CONFIG.changed(seed=5, length=30), 2)
    for _ in range(9):
        next(stopped)
    stopped.close()
    session.accept(0)
    return load_record(path)


def test_a_replay_writes_the_same_tokens(folder, recorded):
    found = replay(open_session(folder), recorded)
    assert found.difference is None and found.other_machine == ()
    assert found.text == recorded["text"] and found.continuations == 2
    continued = [action for action in recorded["actions"] if action["kind"] == "continue"]
    tokens = [len(item["tokens"]) for action in continued for item in action["candidates"]]
    assert found.tokens == sum(tokens) and tokens[2:] == [5, 4]


@pytest.mark.parametrize(
    ("action", "candidate", "position"), [(1, 0, 0), (1, 1, 3), (4, 0, 4), (4, 1, 2)]
)
def test_a_replay_names_the_first_difference(folder, recorded, action, candidate, position):
    record = copy.deepcopy(recorded)
    tokens = record["actions"][action]["candidates"][candidate]["tokens"]
    was = tokens[position]
    for place in range(position, len(tokens)):
        tokens[place] = 0
    difference = replay(open_session(folder), record).difference
    assert (difference.action, difference.candidate) == (action, candidate)
    assert (difference.position, difference.recorded) == (position, 0)
    assert difference.written == was


def test_a_replay_notices_tokens_too_few_and_too_many(folder, recorded):
    record = copy.deepcopy(recorded)
    item = record["actions"][1]["candidates"][0]
    last = item["tokens"].pop()
    difference = replay(open_session(folder), record).difference
    place = (1, 0, len(item["tokens"]))
    assert (difference.action, difference.candidate, difference.position) == place
    assert (difference.recorded, difference.written) == (None, last)
    item["tokens"] += [last, last]
    difference = replay(open_session(folder), record).difference
    assert (difference.position, difference.recorded, difference.written) == (
        len(item["tokens"]) - 1,
        last,
        None,
    )


def test_another_setting_or_text_is_another_record(folder, recorded):
    record = copy.deepcopy(recorded)
    record["actions"][1]["settings"]["seed"] = 77
    assert replay(open_session(folder), record).difference.action == 1
    record = copy.deepcopy(recorded)
    record["actions"][0]["text"] = "孩子们在树下面"
    assert replay(open_session(folder), record).difference.action == 1


def test_another_machine_is_named(folder, recorded):
    record = copy.deepcopy(recorded)
    record["machine"] |= {"torch": "0.1", "threads": 99}
    found = replay(open_session(folder), record)
    assert set(found.other_machine) == {"torch", "threads"} and found.difference is None


def test_the_record_of_another_model_is_refused(recorded, tmp_path):
    other = save_tiny_model(TOKENIZER, tmp_path / "别的", n_ctx=16)
    with pytest.raises(InputError, match="记录是用模型 雪后 写的.*现在的是 别的") as caught:
        replay(open_session(other), recorded)
    assert "\n" not in str(caught.value)


def test_the_record_of_another_model_is_not_taken_up(recorded, tmp_path):
    """It would go on under the name of the model that wrote it."""
    other = save_tiny_model(TOKENIZER, tmp_path / "别的", n_ctx=16)
    path = tmp_path / "记录.json"
    path.write_text(json.dumps(recorded, ensure_ascii=False), encoding="utf-8")
    with pytest.raises(InputError, match="记录是用模型 雪后 写的"):
        open_session(other, path=path)


# ---- files that are no records


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: "", "不是完整的续写记录"),
        (lambda text: text[: len(text) // 2], "不是完整的续写记录"),
        (lambda text: "[]", "不是续写记录"),
        (lambda text: "null", "不是续写记录"),
        (lambda text: text.replace("novelkit-writing", "novelkit-run"), "不是续写记录"),
        (lambda text: text.replace('"version": 1', '"version": 2'), "版本是 2，这个程序只认识 1"),
        (lambda text: text.replace('"version": 1', '"version": null'), "版本是 None"),
        (lambda text: text.replace(f'"text": "{START}', '"text": "雪'), "sha256"),
    ],
    ids=["empty", "cut", "list", "null", "foreign", "newer", "no version", "other text"],
)
def test_a_damaged_or_foreign_or_newer_file_is_refused_in_one_line(
    folder, recorded, tmp_path, change, says
):
    path = tmp_path / "记录.json"
    # The text of the manuscript before that of the start, which is none of its own.
    text = json.dumps({"text": recorded["text"], **recorded}, ensure_ascii=False, indent=1)
    assert change(text) != text
    path.write_text(change(text), encoding="utf-8")
    for refused in (load_record, lambda path: open_session(folder, path=path)):
        with pytest.raises(InputError, match=says) as caught:
            refused(path)
        assert "\n" not in str(caught.value) and str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"\xff\xfe\0\0", "记录".encode("gbk"), b"\0" * 50])
def test_a_file_of_other_bytes_is_refused(tmp_path, content):
    path = tmp_path / "记录.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match="不是完整的续写记录") as caught:
        load_record(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_a_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="没有找到"):
        load_record(tmp_path / "没有.json")
    with pytest.raises(InputError, match="不是完整的续写记录"):
        load_record(tmp_path)


def test_settings_and_actions_of_a_later_version_are_refused(folder, recorded):
    record = copy.deepcopy(recorded)
    record["actions"][1]["settings"]["mirostat"] = 2
    with pytest.raises(InputError, match="不认识的设置 mirostat"):
        replay(open_session(folder), record)
    record = copy.deepcopy(recorded)
    record["actions"].append({"kind": "translate"})
    with pytest.raises(InputError, match="不认识的动作 translate"):
        replay(open_session(folder), record)


@pytest.mark.parametrize(
    "hole", ["no actions", "no start", "no kind", "no tokens", "no candidates", "no model"]
)
def test_a_record_with_a_hole_is_refused(folder, recorded, tmp_path, hole):
    record = copy.deepcopy(recorded)
    actions = record["actions"]
    if hole == "no actions":
        actions.clear()
    elif hole == "no start":
        actions[0] = "雪"
    elif hole == "no kind":
        del actions[1]["kind"]
    elif hole == "no tokens":
        del actions[1]["candidates"][0]["tokens"]
    elif hole == "no candidates":
        del actions[1]["candidates"]
    else:
        del record["model"]
    path = tmp_path / "记录.json"
    path.write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")
    with pytest.raises(InputError):
        replay(open_session(folder), load_record(path))


# ---- opening


def test_a_folder_with_a_filter_tells_what_was_copied(tmp_path):
    folder = save_tiny_model(TOKENIZER, tmp_path / "model")
    assert open_session(folder).copied_share("天" * 30) is None
    NgramFilter.build(raw_book(2)).save(folder / FILTER_FILE)
    session = open_session(folder, text="老人")
    assert session.copied_share("天" * 30) == 0 and session.copied_share(raw_book(2)[9:90]) > 0.5


def test_a_training_text_is_not_copied(folder, tmp_path):
    path = tmp_path / "train.txt"
    path.write_text(raw_book(2), encoding="utf-8")
    session = open_session(folder, text=START, training=path)
    (text,) = propose(session, no_copy=10, length=30)
    assert text
    with pytest.raises(InputError, match="no_copy"):
        propose(open_session(folder, text=START), no_copy=10)


def test_a_training_text_in_another_encoding_is_refused(folder, tmp_path):
    path = tmp_path / "train.txt"
    path.write_bytes(raw_book(2).encode("gb18030"))
    with pytest.raises(InputError, match="UTF-8"):
        open_session(folder, training=path)


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_any_sequence_of_actions_can_be_taken_up_and_replayed(folder, tmp_path_factory, data):
    path = tmp_path_factory.mktemp("any") / "记录.json"
    session = open_session(folder, text=START, path=path)
    kinds = st.sampled_from(["continue", "accept", "reject", "edit", "branch", "undo", "redo"])
    for kind in data.draw(st.lists(kinds, max_size=8)):
        if kind == "continue" and session.manuscript.text.strip():
            propose(session, data.draw(st.integers(1, 2)), length=3, seed=data.draw(st.just(1)))
        elif kind == "accept" and session.candidates:
            session.accept(data.draw(st.integers(0, len(session.candidates) - 1)))
        elif kind == "edit":
            session.edit(data.draw(st.text("天地雪", max_size=6)))
        elif kind == "branch" and session.manuscript.text:
            last = len(session.manuscript.text) - 1
            session.branch(data.draw(st.integers(0, last)), data.draw(st.sampled_from(["雪", ""])))
        elif kind in ("reject", "undo", "redo"):
            getattr(session, kind)()
    session.save()
    record = load_record(path)
    again = open_session(folder, path=path)
    assert again.manuscript.text == session.manuscript.text == record["text"]
    assert again.effort() == session.effort()
    assert (again.can_undo, again.can_redo) == (session.can_undo, session.can_redo)
    found = replay(open_session(folder), record)
    assert found.difference is None and found.text == record["text"]
