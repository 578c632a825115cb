"""Stage 02: every codec in every state of damage, refusals, the evidence, and mojibake undone."""

import csv
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novelkit.encoding import Detection, decode, detect, repair
from novelkit.errors import InputError

DIRTY = Path(__file__).resolve().parent.parent.parent / "shared" / "dirty"

SIMPLIFIED = (
    "天还没有亮，他就起来把院子里的雪扫了一遍。",
    "“你怎么又回来了？”她站在门口，手里还拿着那盏灯。",
    "老人不说话，只是看着河对面的山，看了很长时间。",
    "这条街从前是卖布的，后来布店一家一家都关了门。",
    "我想了一夜，觉得这件事情不能就这样算了。",
    "孩子们在树下面跑来跑去，谁也没有注意到天黑了。",
    "信上只有一句话：见字如面，勿念。",
    "火车开动的时候，她忽然明白了他当年为什么要走。",
    "“先生，”伙计低声说，“楼上那位客人已经等了您三天。”",
    "却说那人听了，心中又惊又喜，忙问：“此话当真？”",
    "山里的路被水冲断了，要绕过两个村子才能到镇上。",
    "他把钱数了三遍，还是少一块，只好又从口袋里摸出来……",
    "那一年的冬天特别冷，井里的水都结了冰。",
    "母亲把旧衣服拆开，洗干净，重新做成一件给妹妹穿。",
    "雨点打在窗户上，像是有人用手指轻轻地敲。",
    "《水经》上写的地方，如今已经找不到了。",
)
TRADITIONAL = (
    "天還沒有亮，他就起來把院子裡的雪掃了一遍。",
    "「你怎麼又回來了？」她站在門口，手裡還拿著那盞燈。",
    "老人不說話，只是看著河對面的山，看了很長時間。",
    "這條街從前是賣布的，後來布店一家一家都關了門。",
    "我想了一夜，覺得這件事情不能就這樣算了。",
    "孩子們在樹下面跑來跑去，誰也沒有注意到天黑了。",
    "信上只有一句話：見字如面，勿念。",
    "火車開動的時候，她忽然明白了他當年為什麼要走。",
    "「先生，」夥計低聲說，「樓上那位客人已經等了您三天。」",
    "卻說那人聽了，心中又驚又喜，忙問：「此話當真？」",
    "山裡的路被水沖斷了，要繞過兩個村子才能到鎮上。",
    "他把錢數了三遍，還是少一塊，只好又從口袋裡摸出來……",
    "那一年的冬天特別冷，井裡的水都結了冰。",
    "母親把舊衣服拆開，洗乾淨，重新做成一件給妹妹穿。",
    "《水經》上寫的地方，如今已經找不到了。",
)
UNICODE_CODECS = (
    "utf-8",
    "utf-8-sig",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "utf-32",
    "utf-32-le",
    "utf-32-be",
)
CASES = [
    (script, codec)
    for script, codecs in (
        ("simplified", (*UNICODE_CODECS, "gb18030", "gbk", "hz")),
        ("traditional", (*UNICODE_CODECS, "gb18030", "gbk", "big5", "cp950", "big5hkscs")),
    )
    for codec in codecs
]
# What a file in this codec may be answered with: gb18030 contains GBK, the Big5 family overlaps.
ANSWERS = {
    "gbk": {"gb18030"},
    "big5": {"big5hkscs", "cp950"},
    "cp950": {"big5hkscs", "cp950"},
    "big5hkscs": {"big5hkscs", "cp950"},
}


def sample(script: str, characters: int, seed: int, newline: str = "\n") -> str:
    """Own sentences in random order, about three to a paragraph."""
    chance = random.Random(f"{script}{characters}{seed}")
    sentences = SIMPLIFIED if script == "simplified" else TRADITIONAL
    parts: list[str] = []
    length = 0
    while length < characters:
        parts.append(chance.choice(sentences) + (newline if chance.random() < 0.3 else ""))
        length += len(parts[-1])
    return "".join(parts)[:characters]


def as_read(data: bytes, codec: str) -> str:
    return data.decode(codec, "replace").removeprefix("\ufeff")


def reads_like(data: bytes, codec: str) -> bool:
    """Whether detect's answer yields the text that the true codec (or its family) yields."""
    detection = detect(data)
    if detection.encoding not in ANSWERS.get(codec, {codec}):
        return False
    return decode(data, detection) in {
        as_read(data, name) for name in ({codec} - {"gbk"}) | ANSWERS.get(codec, set())
    }


@pytest.mark.parametrize(("script", "codec"), CASES)
@pytest.mark.parametrize("size", [64, 128, 256, 1000, 10_000, 100_000])
def test_clean_text_in_every_codec_and_length(script, codec, size):
    text = sample(script, size // 2, seed=size)
    data = text.encode(codec)
    detection = detect(data)
    assert detection.encoding in ANSWERS.get(codec, {codec})
    assert decode(data, detection) == text
    assert detection.damage == 0


@pytest.mark.parametrize(("script", "codec"), CASES)
def test_a_cut_tail_costs_one_character(script, codec):
    for size in (64, 300, 5000, 60_000):
        data = sample(script, size // 2, seed=1, newline="\r\n").rstrip().encode(codec)[:-1]
        assert reads_like(data, codec), size
        assert detect(data).damage <= 1


@pytest.mark.parametrize(("script", "codec"), CASES)
def test_damaged_bytes(script, codec):
    chance = random.Random(codec)
    for size in (256, 1000, 10_000, 100_000):
        data = bytearray(sample(script, size // 2, seed=2).encode(codec))
        for _ in range(max(1, size // 2000)):
            data[chance.randrange(8, len(data))] = chance.randrange(128, 256)
        assert reads_like(bytes(data), codec), size


def test_damage_is_counted_over_the_whole_file_and_not_only_the_samples():
    clean = sample("simplified", 60_000, seed=3).encode("gb18030")
    pieces = [bytearray(clean) for _ in range(2)]
    positions = range(30_001, 90_000, 10_000)
    for position in positions:
        # The byte before a newline boundary keeps the pairs around it whole.
        start = pieces[1].rindex(b"\n", 0, position) + 1
        pieces[1][start + 1] = 0xFF
    assert detect(bytes(pieces[0])).damage == 0
    assert detect(bytes(pieces[1])).damage == len(positions)


def test_adjacent_undecodable_bytes_are_one_place():
    data = "前面的话".encode() * 30 + b"\xff\xfe\xff" + "后面的话".encode() * 30
    detection = detect(data)
    assert detection.encoding == "utf-8"
    assert detection.damage == 1
    assert decode(data, detection) == data.decode("utf-8", "replace")


def test_a_file_valid_in_both_families_is_decided_by_its_characters():
    simplified = sample("simplified", 400, seed=4).encode("gb18030")
    traditional = sample("traditional", 400, seed=4).encode("big5")
    traditional.decode("gb18030")  # valid there too, or the case shows nothing
    assert detect(simplified).encoding == "gb18030"
    assert detect(traditional).encoding in ("big5hkscs", "cp950")
    both = {candidate.encoding: candidate for candidate in detect(traditional).candidates}
    assert both["gb18030"].invalid_sequences == 0
    assert both["gb18030"].common_hanzi_share < both["big5hkscs"].common_hanzi_share / 2


def test_the_famous_short_words():
    # The bytes of these GBK words are valid UTF-8 by chance.
    assert decode("联通".encode("gbk")) == "联通"
    assert decode("你好，世界".encode("gbk")) == "你好，世界"
    assert decode("你好，世界".encode()) == "你好，世界"


def test_latin_text():
    assert detect(b"Once upon a time.\r\n").encoding == "ascii"
    assert decode("Déjà vu, “naïve” café".encode()) == "Déjà vu, “naïve” café"
    french = "Le café est très bon, déjà vu. L’été à la plage."
    assert decode(french.encode("cp1252")) == french
    assert decode("Привет, как дела? Это роман.".encode()) == "Привет, как дела? Это роман."
    for codec in ("utf-16-le", "utf-16-be", "utf-16"):
        data = "Once upon a time there was a novel.\n".encode(codec)
        assert detect(data).encoding == codec
        assert decode(data) == "Once upon a time there was a novel.\n"


def test_long_ascii_front_matter_does_not_hide_the_hanzi():
    preface = b"<p>produced by volunteers</p>\n" * 6000
    text = sample("simplified", 3000, seed=5)
    data = preface + text.encode("gb18030") + preface
    assert detect(data).encoding == "gb18030"
    assert decode(data).count(text[:200]) == 1


def test_big5_symbols_of_windows_keep_their_shape():
    data = ("他說：哈利‧波特～" + sample("traditional", 300, seed=6)).encode("cp950")
    assert detect(data).encoding == "cp950"
    assert "哈利‧波特～" in decode(data)
    hong_kong = (sample("traditional", 300, seed=6) + "佢哋喺邊度").encode("big5hkscs")
    assert detect(hong_kong).encoding == "big5hkscs"
    assert decode(hong_kong).endswith("佢哋喺邊度")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4,
        b"PK\x03\x04" + bytes(range(256)) * 4,
        b"\x1f\x8b\x08\x00" + bytes(range(256)),
        b"\xff\xd8\xff\xe0" + bytes(range(256)),
        b"\x7fELF\x02\x01\x01" + bytes(200),
        b"%PDF-1.7\n" + bytes(range(128, 256)) * 4,
        bytes(1000),
        random.Random(0).randbytes(4000),
        b"record\x00\x01\x02\x00\x00\x07" * 100,
    ],
)
def test_empty_and_binary_are_refused_in_one_chinese_line(data):
    with pytest.raises(InputError) as caught:
        detect(data)
    message = str(caught.value)
    assert "\n" not in message
    assert any("\u4e00" <= character <= "\u9fff" for character in message)


def test_the_result_explains_itself():
    data = sample("traditional", 500, seed=7).encode("big5")
    detection = detect(data)
    assert isinstance(detection, Detection)
    assert 0.9 < detection.confidence <= 1
    tried = {candidate.encoding for candidate in detection.candidates}
    assert {"utf-8", "gb18030", "big5hkscs"} <= tried
    assert detection.candidates[0].encoding == detection.encoding
    assert [(s.start, s.end, s.encoding) for s in detection.segments] == [
        (0, len(data), detection.encoding)
    ]
    assert any(detection.encoding in line and "选定" in line for line in detection.evidence)


def test_confidence_falls_with_length_and_damage():
    long = detect(sample("simplified", 500, seed=8).encode("gb18030")).confidence
    short = detect("你".encode("gb18030")).confidence
    pieces = [sample("simplified", 30, seed).encode("gb18030") for seed in range(20)]
    damaged = detect(b"\xff\n".join(pieces))
    assert short < long
    assert damaged.confidence < long


def test_marks_of_old_mojibake_are_reported():
    text = sample("simplified", 200, seed=10) + "锟斤拷" * 3
    evidence = "".join(detect(text.encode()).evidence)
    assert "锟斤拷" in evidence
    lost = detect((sample("simplified", 200, seed=10) + "\ufffd").encode())
    assert lost.damage == 0
    assert any("�" in line for line in lost.evidence)


@settings(max_examples=80, deadline=None)
@given(st.binary(min_size=1, max_size=300))
def test_any_bytes_are_read_or_refused(data):
    try:
        detection = detect(data)
    except InputError:
        return
    expected = data.decode(detection.encoding, "replace").removeprefix("\ufeff")
    assert decode(data, detection) == expected
    assert 0 <= detection.confidence <= 1
    assert detection.damage <= expected.count("\ufffd")


# --- repair ---------------------------------------------------------------------------------


def misread(text: str, true: str, wrong: str) -> str:
    return text.encode(true).decode(wrong)


@pytest.mark.parametrize(
    ("true", "wrong"),
    [("utf-8", "latin-1"), ("gb18030", "latin-1"), ("big5", "latin-1")],
)
@pytest.mark.parametrize("length", [20, 400])
def test_bytes_read_as_latin_1_come_back(true, wrong, length):
    text = sample("traditional" if true == "big5" else "simplified", length, seed=11)
    fixed = repair(misread(text, true, wrong))
    assert fixed.text == text
    assert fixed.how is not None and fixed.how.startswith(true.upper().replace("BIG", "Big"))


def test_utf8_read_as_cp1252_comes_back():
    # Browsers read the five bytes that cp1252 leaves open as control characters.
    text = sample("simplified", 300, seed=12)
    wrong = "".join(bytes((b,)).decode("cp1252", "ignore") or chr(b) for b in text.encode())
    fixed = repair(wrong)
    assert (fixed.text, fixed.how) == (text, "UTF-8 被当成 cp1252 读")


def test_double_encoding_comes_back():
    text = sample("simplified", 120, seed=13)
    twice = misread(misread(text, "utf-8", "latin-1"), "utf-8", "latin-1")
    assert repair(twice).text == text
    assert repair(twice).how == "UTF-8 被当成 latin-1 读，再被当成 latin-1 读"


def test_utf8_read_as_gbk_comes_back():
    # Three bytes a character fall into whole pairs only where an even number of them follow.
    text = "我想了一夜就回家去了"
    fixed = repair(misread(text * 3, "utf-8", "gb18030"))
    assert fixed.text == text * 3
    assert fixed.how == "UTF-8 被当成 GB18030 读"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain ascii",
        "Déjà vu, naïve café, Zürich – “quoted”",
        "\ufffd\ufffd",
        "".join(SIMPLIFIED),
        "".join(TRADITIONAL),
        "".join(SIMPLIFIED[:4]) + "\ufffd" + "".join(SIMPLIFIED[4:]),
        "鬱靉靆躑躅饕餮魑魅魍魎",
        "ひらがなとカタカナ、한국어, Русский",
    ],
)
def test_what_is_not_mojibake_stays(text):
    assert repair(text).text == text
    assert repair(text).how is None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(SIMPLIFIED + TRADITIONAL), min_size=1, max_size=6))
def test_good_text_is_never_changed(sentences):
    assert repair("".join(sentences)).how is None


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80))
def test_repair_of_anything_ends_and_keeps_what_it_does_not_name(text):
    fixed = repair(text)
    assert fixed.how is not None or fixed.text == text


# --- mojibake saved as UTF-8 ------------------------------------------------------------------


def saved_mojibake(raw: bytes, wrong: str) -> bytes:
    """Bytes read as browsers read cp1252 (five open bytes pass through) or as latin-1, saved."""
    if wrong == "cp1252":
        return "".join(bytes((b,)).decode(wrong, "ignore") or chr(b) for b in raw).encode()
    return raw.decode(wrong).encode()


@pytest.mark.parametrize("wrong", ["cp1252", "latin-1"])
@pytest.mark.parametrize(
    ("true", "name"), [("utf-8", "UTF-8"), ("gb18030", "GB18030"), ("big5", "Big5")]
)
@pytest.mark.parametrize("length", [30, 1000, 50_000])
@pytest.mark.parametrize("newline", ["\n", ""])
def test_saved_mojibake_is_detected_as_such(true, name, wrong, length, newline):
    text = sample("traditional" if true == "big5" else "simplified", length, 14, newline)
    detection = detect(saved_mojibake(text.encode(true), wrong))
    assert detection.encoding == "utf-8"
    assert detection.mojibake is not None
    assert detection.mojibake.startswith(f"{name} 被当成 ")
    assert detection.confidence <= 0.5
    assert "novelkit inspect --repair" in detection.evidence[-1]
    assert detection.mojibake in detection.evidence[-1]


def test_the_codec_that_misread_is_named():
    text = sample("simplified", 5000, 15)
    found = detect(saved_mojibake(text.encode("gb18030"), "latin-1")).mojibake
    assert found in ("GB18030 被当成 latin-1 读", "GB18030 被当成 cp1252 读")
    assert detect(saved_mojibake(text.encode(), "latin-1")).mojibake == "UTF-8 被当成 latin-1 读"
    assert detect(saved_mojibake(text.encode(), "cp1252")).mojibake == "UTF-8 被当成 cp1252 读"


def test_mojibake_of_a_damaged_or_cut_file_is_found_and_comes_back():
    clean = bytearray(sample("simplified", 20_000, 16).encode("gb18030"))
    for place in range(1001, len(clean), 4000):
        clean[place] = 0xFF
    damaged = bytes(clean[:-1])
    saved = saved_mojibake(damaged, "latin-1")
    assert detect(saved).mojibake is not None
    assert repair(decode(saved)).text == damaged.decode("gb18030", "replace")


def test_mojibake_behind_an_ascii_preface_is_found():
    preface = b"<p>produced by volunteers</p>\n" * 2000
    saved = saved_mojibake(sample("simplified", 3000, 17).encode("gb18030"), "latin-1")
    assert detect(preface + saved).mojibake is not None


def test_an_ascii_preface_does_not_make_another_script_western():
    preface = b"<p>produced by volunteers</p>\n" * 2000
    text = "Привет, как дела? Это роман.\n" * 20
    assert decode(preface + text.encode()).endswith(text)


@pytest.mark.parametrize(
    "text",
    [
        "他",
        "联通",
        "Once upon a time.",
        "Le café est très bon, déjà vu; où l’élève préféré s’est égaré, ça va être gênant. ",
        "Die Straße führt über die Brücke; Mädchen hören gern schöne Lieder, süße Äpfel. ",
        "Tiếng Việt là ngôn ngữ của người Việt. ",
        # Cyrillic of GB 18030 has the bytes of common hanzi in Big5.
        "Привет, как дела? Это роман о любви и смерти. ",
        "ひらがなとカタカナと漢字が混ざった文章です。",
        "§±µ¶ÀÁÂ£¥© ",
        "鬱靉靆躑躅饕餮魑魅魍魎",
    ],
)
@pytest.mark.parametrize("times", [1, 40])
def test_good_text_is_not_called_mojibake(text, times):
    assert detect((text * times).encode()).mojibake is None


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(SIMPLIFIED + TRADITIONAL), min_size=1, max_size=6),
    st.sampled_from(["utf-8", "gb18030", "utf-16"]),
)
def test_chinese_is_never_called_mojibake(sentences, codec):
    assert detect("".join(sentences).encode(codec)).mojibake is None


@settings(max_examples=100, deadline=None)
@given(st.text(min_size=1, max_size=80))
def test_arbitrary_text_is_not_called_mojibake(text):
    try:
        detection = detect(text.encode())
    except InputError:
        return
    assert detection.mojibake is None


# --- files as people download them ------------------------------------------------------------


@pytest.mark.skipif(not DIRTY.is_dir(), reason="the folder of downloaded files is not here")
def test_downloaded_files():
    with (DIRTY / "MANIFEST.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert len(rows) > 20
    for row in rows:
        data = (DIRTY / row["file"]).read_bytes()
        if row["python_codec"] == "-":
            with pytest.raises(InputError):
                detect(data)
            continue
        detection = detect(data)
        assert decode(data, detection) == as_read(data, row["python_codec"]), row["file"]
        assert detection.damage == int(row["invalid_sequences"]), row["file"]
        assert detection.mojibake is None, row["file"]
        assert repair(decode(data, detection)).how is None, row["file"]
