"""What the repository brings along beside the package: a novel, the catalogue, a trained model.

They are read from where they lie in a checkout. A package that was installed alone has none of
them, so whoever uses one must say what to do without.
"""

from pathlib import Path

ASSETS = Path(__file__).resolve().parents[1] / "assets"
NOVEL = ASSETS / "novel" / "raw.txt"
MODELS = ASSETS / "models"
# The small model that the demonstration, the desk and the lessons start from.
MODEL_NAME = "novel-small"


def bundled_model(name: str = MODEL_NAME) -> Path | None:
    """The folder of a bundled model, None where it is not there."""
    folder = MODELS / name
    return folder if (folder / "config.json").is_file() else None


def model_folder(name: str | Path) -> Path:
    """The path itself, or the bundled model that is called so where there is no such path."""
    path = Path(name)
    if path.exists() or len(path.parts) != 1:
        return path
    return bundled_model(path.name) or path
