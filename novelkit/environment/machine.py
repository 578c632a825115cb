"""Where the code runs (Colab, Drive) and the seeds of its random numbers."""

import random
import sys
from pathlib import Path

from novelkit.errors import InputError


def in_colab() -> bool:
    """True inside a Colab kernel (paths such as /content exist on other services too)."""
    return "google.colab" in sys.modules


def drive_folder() -> Path | None:
    """The mounted Google Drive, or None."""
    folder = Path("/content/drive/MyDrive")
    return folder if folder.is_dir() else None


def seed_everything(seed: int) -> None:
    """Seed `random`, and numpy and torch (all devices) where they are imported already.

    Raises InputError outside 0 <= seed < 2**32, the range that numpy accepts.
    """
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**32:
        raise InputError(f"随机种子 {seed!r} 不能用：请给 0 到 4294967295 之间的整数。")
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
