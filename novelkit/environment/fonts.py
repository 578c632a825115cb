"""Find a font file that really has the glyphs of simplified Chinese.

Asks the font itself, because a family's name proves nothing: versions differ between systems, and
a Japanese or traditional font lacks part of the simplified characters. Does not cover setting the
font for a plot (`plots/fonts.py`) nor installing one.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import util
from pathlib import Path

# Simplified forms that traditional and Japanese fonts lack, and the punctuation of a label.
SAMPLE = "简体损失困惑变换训练词频图这说读门东车龙，。：；（）《》“”…—"
# Data packages on PyPI with a simplified Chinese font under the SIL Open Font License: the module
# that holds it and the file in it. The first is the one to install: 17 MB, against 85 MB.
BUNDLED = (
    ("pylopdf_fonts_zh_cn", "NotoSansSC-Regular.otf"),
    ("mplfonts", "fonts/NotoSansCJKsc-Regular.otf"),
)
FONT_PACKAGE = "pylopdf-fonts-zh-cn"
# Looked at first, best first; any other installed font that passes the test serves as well.
PREFERRED = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Microsoft YaHei",
    "PingFang SC",
    "Hiragino Sans GB",
    "WenQuanYi Micro Hei",
    "SimHei",
)


@dataclass(frozen=True)
class FontFile:
    """A font that passed the test: its family as matplotlib names it, and where the file is."""

    family: str
    path: Path


def find_chinese_font() -> FontFile | None:
    """The best installed font with all of `SAMPLE`, else a bundled one, else None.

    None as well where matplotlib is missing.
    """
    if util.find_spec("matplotlib") is None:
        return None
    return next((font for font in _candidates() if has_glyphs(font.path)), None)


@functools.lru_cache(maxsize=256)
def has_glyphs(path: Path, sample: str = SAMPLE) -> bool:
    """Whether the font file draws every character of `sample`, each with a glyph of its own."""
    from matplotlib.ft2font import FT2Font

    try:
        font = FT2Font(str(path))
        glyphs = [font.get_char_index(ord(char)) for char in set(sample)]
    except (OSError, RuntimeError):
        return False
    # matplotlib's own "Last Resort" font answers for every character with one box a block.
    return 0 not in glyphs and len(set(glyphs)) > len(glyphs) // 2


def _candidates() -> Iterator[FontFile]:
    from matplotlib.font_manager import fontManager

    # A regular weight before a bold or light one of the same family.
    installed = sorted(
        {(font.name, font.fname) for font in fontManager.ttflist if font.style == "normal"},
        key=lambda pair: (_rank(pair[0]), "regular" not in pair[1].lower(), pair),
    )
    yield from (FontFile(name, Path(file)) for name, file in installed)
    yield from bundled_fonts()


def _rank(family: str) -> int:
    return PREFERRED.index(family) if family in PREFERRED else len(PREFERRED)


def bundled_fonts() -> Iterator[FontFile]:
    """The fonts of the data packages that are installed, found without importing the packages."""
    from matplotlib.ft2font import FT2Font

    for module, file in BUNDLED:
        spec = util.find_spec(module)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            path = Path(folder) / file
            if path.is_file():
                yield FontFile(FT2Font(str(path)).family_name, path)
