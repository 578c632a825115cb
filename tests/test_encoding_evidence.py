"""Stage 02, the evidence: what was tried, how sure it is, witnesses, other scripts, refusals."""

import random
import sys
import types

import pytest
from test_encoding import sample

from novelkit.encoding import ask_chardet, detect
from novelkit.errors import InputError


def test_each_candidate_shows_what_it_reads():
    text = "話說天下大勢，分久必合。" + sample("traditional", 300, 61)
    found = detect(text.encode("big5"))
    shown = {candidate.encoding: candidate.preview for candidate in found.candidates}
    assert shown["big5hkscs"].startswith("話說天下大勢")
    assert shown["gb18030"] != shown["big5hkscs"] and shown["gb18030"]
    assert any("話說天下大勢" in line for line in found.evidence)
    scores = {candidate.encoding: candidate.score for candidate in found.candidates}
    assert scores["big5hkscs"] > 2 > 1 > scores["gb18030"]


@pytest.mark.parametrize("codec", ["utf-8", "gb18030", "big5", "utf-16-le", "utf-16-be", "hz"])
def test_sure_answers_are_right(codec):
    script = "traditional" if codec == "big5" else "simplified"
    answers = {"big5": {"cp950", "big5hkscs"}}.get(codec, {codec})
    sure = 0
    for seed in range(60):
        text = sample(script, 4 + seed, seed).strip()
        found = detect(text.encode(codec))
        if found.confidence >= 0.99:
            sure += 1
            assert found.encoding in answers, text
    assert sure > 20


def test_a_word_is_less_sure_than_a_page():
    page = detect(sample("simplified", 500, 62).encode("gb18030")).confidence
    word = detect("你好".encode("gb18030")).confidence
    assert word < 0.99 < page


JAPANESE = "朝の渡し場には、まだ誰もいなかった。老人は綱をほどき、静かに舟を出した。\n"
KOREAN = "아침 나루터에는 아직 아무도 없었다. 노인은 밧줄을 풀고 조용히 배를 띄웠다.\n"
RUSSIAN = "На пристани ещё никого не было, и туман лежал над рекой. Старик отвязал лодку.\n"


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"),
        (KOREAN, "euc_kr"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
    ],
)
def test_other_scripts_are_not_sold_as_chinese(text, codec):
    found = detect((text * 4).encode(codec))
    assert found.confidence <= 0.5
    assert "不是中文" in "".join(found.evidence)


@pytest.mark.parametrize("text", [JAPANESE, KOREAN, RUSSIAN])
def test_other_scripts_in_utf8_are_utf8(text):
    assert detect(text.encode()).encoding == "utf-8"


def test_a_declaration_is_a_witness_and_no_judge():
    page = '<html><head><meta charset="utf-8"></head>' + sample("simplified", 300, 63)
    found = detect(page.encode("gb18030"))
    assert found.encoding == "gb18030"
    assert "utf-8" in found.witnesses.values()
    assert any("旁证" in line and "utf-8" in line for line in found.evidence)


def chardet_of(version, answer):
    """A module as chardet 5 and 7 look to their callers."""
    module = types.ModuleType("chardet")
    module.__version__ = version
    module.detect = lambda data: answer
    return module


def test_chardet_is_asked_on_request_only(monkeypatch):
    data = sample("simplified", 300, 64).encode("gb18030")
    said = {"encoding": "TIS-620", "confidence": 0.99, "language": "Thai"}
    monkeypatch.setitem(sys.modules, "chardet", chardet_of("5.2.0", said))
    assert detect(data).witnesses == {}
    found = detect(data, witnesses=True)
    assert found.encoding == "gb18030"
    assert found.witnesses == {"chardet 5.2.0": "TIS-620，把握 99%"}
    nothing = {"encoding": None, "confidence": 0.0, "language": None, "mime_type": None}
    monkeypatch.setitem(sys.modules, "chardet", chardet_of("7.7.0", nothing))
    assert ask_chardet(data) == {"chardet 7.7.0": "看不出来"}
    monkeypatch.setitem(sys.modules, "chardet", None)
    assert ask_chardet(data) == {}


def test_the_installed_chardet_answers():
    pytest.importorskip("chardet")
    (answer,) = ask_chardet(sample("simplified", 3000, 65).encode()).values()
    assert answer.lower().startswith("utf")


@pytest.mark.parametrize(
    "data",
    [
        random.Random(3).randbytes(300),
        random.Random(4).randbytes(100_000),
        b"RIFF\x24\x08\0\0WAVEfmt " + random.Random(5).randbytes(800),
        b"\0\0\0\x18ftypmp42" + random.Random(6).randbytes(800),
        b"OggS\0\x02" + bytes(40) + random.Random(7).randbytes(800),
        bytes(range(256)) * 20,
        bytes(3000),
    ],
)
def test_binary_data_is_refused(data):
    with pytest.raises(InputError):
        detect(data)


def test_the_euro_sign_of_windows_is_one_place_of_damage():
    text = sample("simplified", 300, 66)
    data = (text + "价钱是").encode("gb18030") + b"\x80" + ("五十" + text).encode("gb18030")
    found = detect(data)
    assert (found.encoding, found.damage) == ("gb18030", 1)
    assert found.damage_positions == (
        (data.index(b"\x80\xce\xe5"), data.index(b"\x80\xce\xe5") + 1),
    )


def test_the_euro_sign_of_windows_is_explained_and_disturbs_nothing():
    text = "\n".join(f"价钱是\x01{n}。" + sample("simplified", 40, n).strip() for n in range(60))
    data = text.encode("gb18030").replace(b"\x01", b"\x80")
    found = detect(data)
    assert (found.encoding, found.damage, len(found.segments)) == ("gb18030", 60, 1)
    assert found.confidence > 0.9
    assert any("€" in line for line in found.evidence)
    plain = detect(data.replace(b"\x80", b"\xff"))
    assert not any("€" in line for line in plain.evidence)


def test_a_few_bytes_of_a_program_are_refused():
    code = (
        b"c" + bytes(12) + b"\2" + bytes(7) + b"\xf3,\0\0\0\x95\0S\x06S\1\x1a\0j\1r\0S\x07S\2\x1a\0"
    )
    with pytest.raises(InputError):
        detect(code + b"j\1r\1S\x08S\3\x1a\0j\1r\2S\tS\4\x1a\0")
