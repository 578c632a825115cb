"""Scripts that lie beside what they made, outside of the package, as modules."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ASSETS = Path(__file__).resolve().parents[1] / "assets"


def script(path: str) -> ModuleType:
    """The script `assets/PATH` as a module."""
    place = ASSETS / path
    spec = importlib.util.spec_from_file_location(place.stem, place)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    # dataclasses look their module up by name while the class is made.
    sys.modules[place.stem] = module
    spec.loader.exec_module(module)
    return module
