"""The exercises of notebook 04: longest match, byte fallback, blocks, two tokenizers compared."""

import math
from collections.abc import Sequence
from random import Random

from novelkit.exercises import Case, Exercise, Raises

# ---- the longest word of a list that fits here

LONGEST = "同一个位置上有几个词都对得上时，取最长的那个，不是列表里排在前面的那个。"
ALONE = (
    "从左往右走：有词对得上，就整个切下来，从它后面接着切；"
    "哪个词都对不上，就把这一个字单独切出来，再往后走一个字。"
)
GREEDY = "前面切过的不回头：先拿走了“研究生”，后面就只剩“命”了。"
NOTHING = "空的文字切不出东西：返回空列表 []。"
ALL_BACK = "切完再接起来，必须一字不差：空格、换行、标点也各是一个单独的字。"


def longest_match(text: str, words: list[str]) -> list[str]:
    """Forward maximum matching: from the left, the longest word, else one character."""
    known, longest = set(words), max(map(len, words), default=1)
    pieces, start = [], 0
    while start < len(text):
        end = min(start + longest, len(text))
        while end > start + 1 and text[start:end] not in known:
            end -= 1
        pieces.append(text[start:end])
        start = end
    return pieces


MATCH_PUBLIC = (
    Case(("他从马上下来", ["马上", "下来"]), ["他", "从", "马上", "下来"], hint=ALONE),
    Case(("南京市长", ["南京", "市长", "南京市"]), ["南京市", "长"], hint=LONGEST),
    # The right cut would be 研究 生命: a greedy reader cannot know.
    Case(("研究生命", ["研究", "研究生", "生命"]), ["研究生", "命"], hint=GREEDY),
    Case(("雁 来\n", []), ["雁", " ", "来", "\n"], hint=ALL_BACK),
    Case(("", ["马上"]), [], hint=NOTHING),
)
# Few characters, so that words overlap in every way.
MATCH_CHARACTERS = "天地山"


def hidden_match_cases(random: Random) -> Sequence[Case]:
    """Texts over a few characters, with words inside and across one another."""
    cases = []
    for _ in range(random.randint(8, 10)):
        text = "".join(random.choices(MATCH_CHARACTERS + "\n ，", k=random.randint(4, 30)))
        words = {
            "".join(random.choices(MATCH_CHARACTERS, k=random.randint(1, 4))) for _ in range(20)
        }
        # Some that are there for certain, one of them at the end of the text.
        starts = [random.randrange(len(text)) for _ in range(4)]
        words |= {text[start : start + random.randint(2, 6)] for start in starts} | {text[-2:]}
        listed = sorted(words)
        random.shuffle(listed)
        cases.append(Case((text, listed), longest_match(text, listed), hint=LONGEST))
    text = "".join(random.choices(MATCH_CHARACTERS, k=random.randint(1, 9)))
    cases.append(Case((text, []), longest_match(text, []), hint=ALONE))
    return cases


# ---- a dictionary of characters, and bytes for the rest

OFFSET = "前 256 个编号留给字节，所以第一个字的编号是 256，不是 0。"
THREE_BYTES = (
    "词表里没有的字：char.encode('utf-8') 的每个字节就是一个编号（汉字 3 个，emoji 4 个）。"
)
KNOWN_FIRST = "先查词表，查不到才用字节；在词表里的字不要拆。"
SPACES = "空格和换行也是字：词表里有就用它的编号，没有就用它的字节。"


def encode_with_bytes(text: str, characters: str) -> list[int]:
    """Character `i` of the vocabulary is id 256 + i; any other is its UTF-8 bytes."""
    vocabulary = {character: 256 + index for index, character in enumerate(characters)}
    ids: list[int] = []
    for character in text:
        if character in vocabulary:
            ids.append(vocabulary[character])
        else:
            ids.extend(character.encode("utf-8"))
    return ids


def _encoded(text: str, characters: str, hint: str) -> Case:
    return Case((text, characters), encode_with_bytes(text, characters), hint=hint)


BYTES_PUBLIC = (
    _encoded("天上人", "人上天", OFFSET),
    _encoded("人龘", "人上天", THREE_BYTES),
    _encoded("a🀄é", "人上天", THREE_BYTES),
    _encoded("上\n a", "人上天\na", SPACES),
    _encoded("", "人上天", "空的文字没有编号：返回空列表 []。"),
)
COMMON = "的一是了我不人在他有这个上们来到时大地为子中你说生国年着就那和要她出也得里后自以会"
# One to four bytes of UTF-8 each.
RARE = "龘靐齾𠮷🀄😀éßЖ…—aZ9 \n"


def hidden_bytes_cases(random: Random) -> Sequence[Case]:
    """Vocabularies in another order each time; some hold what others spell."""
    cases = []
    for _ in range(random.randint(8, 10)):
        known = random.sample(COMMON, random.randint(1, 20)) + random.sample(RARE, 3)
        random.shuffle(known)
        text = random.choices(COMMON + RARE, k=random.randint(3, 20)) + random.choices(known, k=4)
        random.shuffle(text)
        cases.append(_encoded("".join(text), "".join(known), THREE_BYTES))
    cases.append(_encoded("".join(random.choices(RARE, k=5)), "", THREE_BYTES))
    return cases


# ---- a stream of tokens in blocks

SHIFT = "目标就是输入往后挪一个词元：第 i 个输入要猜的是第 i+1 个词元。"
TAIL = "末尾不满 context 的那一块也要留下，短一点没关系；丢掉它就丢了词元。"
BORDER = "一块的最后一个目标，是下一块的第一个输入：下一块从 start + context 开始，不是再往后一个。"
TOO_SHORT = "不到两个词元，就没有“下一个”可猜：返回空列表 []。"
LENGTH = "context 小于 1 没有意义：请 raise ValueError。"


def cut_blocks(tokens: list[int], context: int) -> list[list[list[int]]]:
    """[inputs, targets] of each block; every token but the first is a target exactly once."""
    if context < 1:
        raise ValueError(f"context must be at least 1, got {context}")
    return [
        [tokens[start : start + context][: len(tokens) - 1 - start], tokens[start + 1 :][:context]]
        for start in range(0, len(tokens) - 1, context)
    ]


def _cut(tokens: list[int], context: int, hint: str) -> Case:
    return Case((tokens, context), cut_blocks(tokens, context), hint=hint)


BLOCKS_PUBLIC = (
    _cut([10, 11, 12, 13], 3, SHIFT),
    _cut([10, 11, 12, 13, 14, 15, 16], 3, BORDER),
    _cut([10, 11, 12, 13, 14, 15], 3, TAIL),
    _cut([10, 11, 12, 13, 14], 4, SHIFT),
    _cut([10, 11], 8, TAIL),
    _cut([10], 8, TOO_SHORT),
    Case(([10, 11, 12], -1), Raises("ValueError"), hint=LENGTH),
)


def hidden_blocks_cases(random: Random) -> Sequence[Case]:
    """Streams that fill their blocks, lack one token, or have one too many."""
    cases = []
    for surplus in (-1, 0, 1, 2):
        for _ in range(2):
            context = random.randint(2, 9)
            length = context * random.randint(1, 6) + surplus
            tokens = [random.randrange(5000) for _ in range(length)]
            cases.append(_cut(tokens, context, BORDER if surplus == 1 else TAIL))
    cases.append(_cut([random.randrange(5000) for _ in range(random.randint(2, 9))], 1, SHIFT))
    few = [random.randrange(5000)] * random.randint(0, 1)
    cases.append(_cut(few, random.randint(1, 99), TOO_SHORT))
    # Not 0, which `range` refuses by itself.
    wrong = ([random.randrange(5000) for _ in range(5)], -random.randint(1, 5))
    cases.append(Case(wrong, Raises("ValueError"), hint=LENGTH))
    return cases


# ---- which of two tokenizers is better?

PER_CHARACTER = (
    "除以字数，不是词元数：词元少的一方每个词元背的字多，按词元平均就不公平了。"
    "两边是同一段文字，字数相同。"
)
BITS = "单位是比特：用 math.log2，或者 math.log 的结果除以 ln 2；别忘了负号。"
UNDERFLOW = "几千个概率连乘会变成 0.0（下溢）。先取对数，再相加。"
SMALLER = "比特越少越好：花得少的一方赢。"


def compare_on_same_text(
    first: list[float], second: list[float], characters: int
) -> dict[str, float | str]:
    """Bits per character of two tokenizers, from what a model gave each token of one text."""
    bits = [-math.fsum(map(math.log2, each)) / characters for each in (first, second)]
    return {
        "first": bits[0],
        "second": bits[1],
        "better": "first" if bits[0] < bits[1] else "second",
    }


def _compared(first: list[float], second: list[float], characters: int, hint: str) -> Case:
    arguments = (first, second, characters)
    return Case(arguments, compare_on_same_text(*arguments), 1e-9, hint)


COMPARE_PUBLIC = (
    _compared([0.5, 0.25], [0.125, 0.5], 2, BITS),
    # Four characters at 1/4 each, or two pairs of them at 1/8.
    _compared([0.25] * 4, [0.125] * 2, 4, PER_CHARACTER),
    _compared([0.1, 0.2, 0.3], [0.5], 3, SMALLER),
    _compared([0.5] * 3000, [0.125] * 1200, 3000, UNDERFLOW),
)


def hidden_compare_cases(random: Random) -> Sequence[Case]:
    """Each side wins in half of the cases, most of them against the mean of its tokens."""
    cases = []
    for number in range(random.randint(8, 10)):
        # Two texts are so long that the product of the probabilities is 0.
        characters = random.randint(1200, 1600) if number < 2 else random.randint(5, 60)
        better = random.uniform(2.0, 7.0)
        # The better side pays less for each character and more for each of its fewer tokens.
        few, many = max(1, round(characters * random.uniform(0.4, 0.7))), characters
        sides = [
            _probabilities(random, few, better * characters),
            _probabilities(random, many, (better + random.uniform(0.1, 0.5)) * characters),
        ]
        hint = UNDERFLOW if characters > 1000 else PER_CHARACTER
        cases.append(_compared(*(sides if number % 2 else sides[::-1]), characters, hint))
    return cases


def _probabilities(random: Random, tokens: int, bits: float) -> list[float]:
    """Probabilities that cost so many bits in all, unevenly shared."""
    weights = [random.uniform(0.2, 2.0) for _ in range(tokens)]
    return [round(2 ** (-bits * weight / sum(weights)), 12) or 1e-12 for weight in weights]


EXERCISES = (
    Exercise(
        name="04-longest-match",
        notebook="04_tokenizing",
        function="longest_match",
        title="从左到右，每次取最长的词",
        points=5,
        public_cases=MATCH_PUBLIC,
        hidden_cases=hidden_match_cases,
        reference=longest_match,
        hints=(ALONE, LONGEST, GREEDY, ALL_BACK),
        forbidden_imports=("novelkit", "jieba", "rjieba"),
    ),
    Exercise(
        name="04-byte-fallback",
        notebook="04_tokenizing",
        function="encode_with_bytes",
        title="一个字典加 256 个字节",
        points=5,
        public_cases=BYTES_PUBLIC,
        hidden_cases=hidden_bytes_cases,
        reference=encode_with_bytes,
        hints=(OFFSET, KNOWN_FIRST, THREE_BYTES, SPACES),
        forbidden_imports=("novelkit", "tokenizers", "transformers"),
    ),
    Exercise(
        name="04-cut-blocks",
        notebook="04_tokenizing",
        function="cut_blocks",
        title="切成块，一个词元也不丢",
        points=6,
        public_cases=BLOCKS_PUBLIC,
        hidden_cases=hidden_blocks_cases,
        reference=cut_blocks,
        hints=(SHIFT, BORDER, TAIL, TOO_SHORT, LENGTH),
        forbidden_imports=("novelkit",),
    ),
    Exercise(
        name="04-compare-tokenizers",
        notebook="04_tokenizing",
        function="compare_on_same_text",
        title="同一段文字上，哪个分词器好",
        points=6,
        public_cases=COMPARE_PUBLIC,
        hidden_cases=hidden_compare_cases,
        reference=compare_on_same_text,
        hints=(BITS, UNDERFLOW, PER_CHARACTER, SMALLER),
        forbidden_imports=("novelkit",),
    ),
)
