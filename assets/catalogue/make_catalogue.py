"""Make the catalogue: `python assets/catalogue/make_catalogue.py FACTS.tsv` (needs `opencc`).

FACTS.tsv has the columns id, title, author, author_death and language_script_note, as read in
Project Gutenberg's metadata. Written beside this script: `gutenberg.tsv`, one book a line with the
simplified and traditional forms of its names, and `variants.tsv`, by which a search takes 臺, 檯
and 台 for one character. The same facts always give the same bytes. OpenCC is needed only here.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parent
COLUMNS = (
    "id",
    "title",
    "title_simplified",
    "title_traditional",
    "other_titles",
    "author",
    "author_simplified",
    "author_traditional",
    "author_latin",
    "author_note",
    "author_death",
    "author_death_source",
    "script",
    "note",
)
# Names under which readers look for these books (general knowledge, not in the metadata).
OTHER_TITLES = {
    23910: "封神榜",
    23950: "三国演义",
    24042: "彷徨",
    24239: "醒世恒言",
    24264: "石头记",
    25376: "忠烈侠义传",
    26161: "醒世姻缘传",
    27582: "古今小说",
    51828: "聊斋",
    57248: "拍案惊奇",
}
NOBODY = {"not given", "Various", "Unknown", "Anonymous"}
# Without the compatibility ideographs, which Unicode normalisation takes care of.
CJK = (range(0x3400, 0xA000), range(0x20000, 0x2F800), range(0x30000, 0x32000))


def converters() -> tuple[Callable[[str], str], Callable[[str], str], Callable[[str], str]]:
    """To simplified, to traditional, and the one form that all variants of a character share."""
    from opencc import OpenCC

    simplify, traditional = OpenCC("t2s").convert, OpenCC("s2t").convert
    others = [OpenCC(name).convert for name in ("tw2t", "hk2t", "jp2t")]

    def fold(char: str) -> str:
        for _ in range(4):
            before = char
            for convert in (*others, simplify):
                char = convert(char)
            if char == before:
                break
        return char

    return simplify, traditional, fold


def split_author(author: str) -> tuple[str, str, str]:
    """Chinese name, Latin name and what the catalogue says besides: years of activity, degrees."""
    found = re.fullmatch(r"([^(]*)\((.*)\)", author)
    name, latin = (found[1].strip(), found[2].strip()) if found else ("", author.strip())
    parts = latin.split(", ")
    # "Wu, Jianren": family name and given name; whatever follows starts in lower case.
    known = [part for part in parts if not re.match(r"active|jin shi|ju ren|pseud", part)]
    latin, rest = ", ".join(known), ", ".join(part for part in parts if part not in known)
    return name, "" if latin in NOBODY else latin, rest


def split_death(death: str) -> tuple[str, str]:
    """The year as it is given ("1763", "about 1400") and where it comes from."""
    if death == "not in the catalogue":
        return "", ""
    year, note, _ = death.partition(" (general reference")
    return year, "general reference" if note else "Project Gutenberg"


def split_note(note: str) -> tuple[str, str]:
    """The script (traditional, simplified, mixed) and the remarks that a reader should see."""
    language, script, *remarks = note.split("; ")
    if language != "zh":
        raise ValueError(f"not a Chinese book: {note}")
    kind = "mixed" if "variant/simplified" in script else script.split()[0]
    return kind, "; ".join(remarks)


def make_rows(
    facts: Iterable[dict[str, str]],
    simplify: Callable[[str], str],
    traditional: Callable[[str], str],
) -> list[dict[str, str]]:
    """One row a book, in the order of the ids."""
    rows = []
    for fact in sorted(facts, key=lambda fact: int(fact["id"])):
        name, latin, remark = split_author(fact["author"])
        year, source = split_death(fact["author_death"])
        script, note = split_note(fact["language_script_note"])
        values = (
            fact["id"],
            fact["title"],
            simplify(fact["title"]),
            traditional(fact["title"]),
            OTHER_TITLES.get(int(fact["id"]), ""),
            name,
            simplify(name),
            traditional(name),
            latin,
            remark,
            year,
            source,
            script,
            note,
        )
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows


def make_variants(rows: list[dict[str, str]], fold: Callable[[str], str]) -> dict[str, str]:
    """The form that stands for all -> the others, for the characters of titles and authors."""
    names = "".join(row[column] for row in rows for column in COLUMNS[1:8])
    # OpenCC takes words into account (鍾馗, but 鍾): what stands for one another in a name is one.
    pairs = [
        (fold(other), fold(simplified))
        for row in rows
        for name in ("title", "author")
        for form in ("", "_traditional")
        for other, simplified in zip(row[name + form], row[name + "_simplified"], strict=True)
    ]
    merged = {other: simplified for other, simplified in pairs if other != simplified}
    wanted = {merged.get(fold(char), fold(char)) for char in names}
    variants: dict[str, str] = {}
    for code in (code for part in CJK for code in part):
        folded = fold(chr(code))
        folded = merged.get(folded, folded)
        if folded in wanted and folded != chr(code):
            variants[folded] = variants.get(folded, "") + chr(code)
    return dict(sorted(variants.items()))


def main(facts: Path, out: Path = HERE) -> None:
    """Write both tables to `out`."""
    simplify, traditional, fold = converters()
    with facts.open(encoding="utf-8", newline="") as file:
        rows = make_rows(csv.DictReader(file, delimiter="\t"), simplify, traditional)
    lines = ["\t".join(COLUMNS), *("\t".join(row.values()) for row in rows)]
    (out / "gutenberg.tsv").write_bytes(("\n".join(lines) + "\n").encode("utf-8"))
    pairs = [f"{folded}\t{others}" for folded, others in make_variants(rows, fold).items()]
    lines = ["character\tvariants", *pairs]
    (out / "variants.tsv").write_bytes(("\n".join(lines) + "\n").encode("utf-8"))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
