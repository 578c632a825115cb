"""Chinese labels in figures: a font that has the glyphs, or English labels, never boxes.

`use_chinese_font()` once before plotting; `label(chinese, english)` for every text of a figure.
The search itself is `novelkit.environment.find_chinese_font`. Does not cover installing a font.
"""

from pathlib import Path

from novelkit.environment import find_chinese_font, has_glyphs

# A text of a figure, or a pair of a Chinese and an English one.
Text = str | tuple[str, str]
# Put behind the Chinese font for what it lacks, for example mathematical symbols.
FALLBACK = "DejaVu Sans"
# Where Unicode's East Asian blocks begin (CJK Radicals Supplement).
FIRST_CJK = "\u2e80"


def use_chinese_font() -> str | None:
    """Set matplotlib's font to one with simplified Chinese and return its family, else None.

    Also sets `axes.unicode_minus` to False, since Chinese fonts may lack U+2212. Without such a
    font the settings stay as they are.
    """
    import matplotlib
    from matplotlib.font_manager import fontManager

    font = find_chinese_font()
    if font is None:
        return None
    if all(Path(entry.fname) != font.path for entry in fontManager.ttflist):
        # Only for this process: matplotlib's own folder and its cache stay untouched.
        fontManager.addfont(font.path)
    matplotlib.rcParams["font.family"] = [font.family, FALLBACK]
    matplotlib.rcParams["axes.unicode_minus"] = False
    return font.family


def label(chinese: str, english: str) -> str:
    """The Chinese text where the current font can draw it, else the English one."""
    return chinese if _current_font_draws(chinese) else english


def text_of(name: Text) -> str:
    """One text for a name that has one, or a Chinese and an English one."""
    return label(name, name) if isinstance(name, str) else label(*name)


def _current_font_draws(text: str) -> bool:
    import matplotlib
    from matplotlib.font_manager import FontProperties, findfont

    family = matplotlib.rcParams["font.family"][0]
    try:
        file = findfont(FontProperties(family=[family]), fallback_to_default=False)
    except ValueError:
        return False
    # Latin letters and symbols are left to the fallback font.
    chinese = "".join(char for char in text if char >= FIRST_CJK)
    return not chinese or has_glyphs(Path(file), chinese)
