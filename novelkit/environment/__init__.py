"""Stage 00: the machine -> what it can do, and why.

`compute` chooses the device and the number format, `fonts` looks for a font that can draw Chinese,
`machine` knows Colab, Drive and random seeds, and `checks` puts it all in one table. Nothing here
installs a package or mounts Drive (that needs a browser). A foundation: it uses no other stage,
and imports torch and matplotlib only inside functions.
"""

from novelkit.environment.checks import (
    MINIMUM_PYTHON,
    MINIMUM_VERSIONS,
    Check,
    EnvironmentReport,
    display_width,
    report,
)
from novelkit.environment.compute import (
    Compute,
    choose_compute,
    cpu_cores,
    measure_bfloat16_speedup,
)
from novelkit.environment.fonts import FontFile, find_chinese_font, has_glyphs
from novelkit.environment.machine import drive_folder, in_colab, seed_everything

__all__ = [
    "MINIMUM_PYTHON",
    "MINIMUM_VERSIONS",
    "Check",
    "Compute",
    "EnvironmentReport",
    "FontFile",
    "choose_compute",
    "cpu_cores",
    "display_width",
    "drive_folder",
    "find_chinese_font",
    "has_glyphs",
    "in_colab",
    "measure_bfloat16_speedup",
    "report",
    "seed_everything",
]
