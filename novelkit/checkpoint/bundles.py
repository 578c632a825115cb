"""Reading a mirror: copies of runs in a folder that may be Google Drive, each proved or refused.

MIRROR/RUN_ID/step-00000500-TIME-TOKEN/ is laid out as a run folder, so that it can also be copied
back by hand; its `mirror.json`, written last, has the size and sha256 of every file. Files on
Drive may arrive late, out of order, cut or never: a copy counts only when all of it is there.
"""

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

from novelkit.checkpoint.files import Fingerprint, fingerprint, uploading, write_new
from novelkit.checkpoint.reasons import cause

MIRROR_MANIFEST = "mirror.json"
_FORMAT, _VERSION = "novelkit-mirror", 1
_TIME = "%Y%m%dT%H%M%S%f"
_NAME = re.compile(r"step-(\d{8,})-(\d{8}T\d{12})-[0-9a-f]{8}")
# What is incomplete for longer than this will not be completed by a machine that still works.
_STALE = timedelta(hours=1)


class Damaged(Exception):
    """What is wrong with a copy, as one Chinese line, and what a user can do about it."""

    def __init__(self, problem: str, remedy: str = "请检查磁盘，网盘可以重新挂载") -> None:
        super().__init__(problem)
        self.remedy = remedy


@dataclass(frozen=True)
class Bundle:
    """A copy of a run as it was after `step` steps; `files` are named by relative path."""

    path: Path
    run_id: str
    step: int
    stored: str  # UTC, sorts by time
    files: Mapping[str, Fingerprint]

    @property
    def order(self) -> tuple[int, str]:
        """The most training first; of two copies of one step, the later."""
        return self.step, self.stored

    @property
    def uploading(self) -> bool:
        """Whether Drive says that a part of it exists only on this machine so far."""
        names = [*self.files, MIRROR_MANIFEST]
        return any(uploading(self.path / name) for name in names)


def new_name(step: int) -> str:
    """A name that no other attempt ever had: Drive may hold two files of one name."""
    return f"step-{step:08d}-{datetime.now(UTC).strftime(_TIME)}-{secrets.token_hex(4)}"


def place(path: Path) -> tuple[int, str]:
    """`Bundle.order`, as the folder's name has it."""
    found = _NAME.fullmatch(path.name)
    assert found, path
    return int(found[1]), found[2]


def is_stale(path: Path) -> bool:
    """Whether a copy was begun so long ago that nobody is still writing it."""
    try:
        begun = datetime.strptime(place(path)[1], _TIME).replace(tzinfo=UTC)
    except ValueError:  # no date: not ours, and not ours to delete
        return False
    return datetime.now(UTC) - begun > _STALE


def list_bundles(home: Path) -> list[Path]:
    """All copies of a run, whole or not, the most training first; raises `OSError`."""
    if not home.exists():
        return []
    found = [path for path in home.iterdir() if _NAME.fullmatch(path.name) and path.is_dir()]
    return sorted(found, key=place, reverse=True)


def write_manifest(path: Path, run_id: str, files: Mapping[str, Fingerprint]) -> None:
    """Vouch for a copy whose files are all written and read back."""
    step, stored = place(path)
    head = {"format": _FORMAT, "version": _VERSION, "run_id": run_id, "step": step}
    manifest = head | {"stored": stored, "files": dict(files)}
    text = json.dumps(manifest, ensure_ascii=False, indent=2) + "\n"
    write_new(path / MIRROR_MANIFEST, text.encode())


def read_bundle(path: Path, run_id: str) -> Bundle:
    """What a copy says of itself, all files present in their sizes, hashes not yet checked.

    Raises `Damaged` for what is certain, `OSError` where the folder could not be read.
    """
    try:
        manifest = json.loads((path / MIRROR_MANIFEST).read_text(encoding="utf-8"))
        version, stored = (manifest["format"], manifest["version"]), manifest["stored"]
        files = {name: dict(known) for name, known in manifest["files"].items()}
        if not files or any(known.keys() != {"bytes", "sha256"} for known in files.values()):
            raise ValueError
        owner, step = manifest["run_id"], manifest["step"]
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Damaged(
            f"镜像 {path.name} 没有完整的 {MIRROR_MANIFEST}：没传完就中断了，还没传到，或文件损坏"
        ) from error
    if version != (_FORMAT, _VERSION):
        raise Damaged(f"镜像 {path.name} 的格式是 {version[0]} {version[1]}，这个程序不认识")
    if owner != run_id or (step, stored) != place(path):
        raise Damaged(f"镜像 {path.name} 写的是训练 {owner} 的第 {step} 步：放错了地方，或文件损坏")
    bundle = Bundle(path, run_id, step, stored, files)
    for name, known in files.items():
        if not is_inside(name):
            raise Damaged(f"镜像 {path.name} 里有不能用的文件名 {name}：文件损坏")
        _check_size(bundle, name, known)
    return bundle


def _check_size(bundle: Bundle, name: str, known: Fingerprint) -> None:
    try:
        size = (bundle.path / name).stat().st_size
    except (FileNotFoundError, NotADirectoryError) as error:
        raise Damaged(f"镜像 {bundle.path.name} 缺少 {name}：没有传到，或被删掉了") from error
    if size != known["bytes"]:
        raise Damaged(
            f"镜像 {bundle.path.name} 里的 {name} 是 {size} 字节，应为 {known['bytes']}："
            "没有传完，或文件损坏"
        )


def verify(bundle: Bundle) -> None:
    """Read every file; raises `Damaged` if one is not what was stored, `OSError`."""
    for name, known in bundle.files.items():
        if fingerprint(bundle.path / name, uncached=True) != known:
            raise Damaged(f"镜像 {bundle.path.name} 里的 {name} 与记录的 sha256 不符：文件损坏")


def newest_valid(home: Path, run_id: str, above: int = -1) -> tuple[Bundle | None, list[str]]:
    """The whole copy with the most training beyond step `above`, and what was skipped and why."""
    skipped: list[str] = []
    try:
        paths = [path for path in list_bundles(home) if place(path)[0] > above]
    except OSError as error:
        return None, [f"镜像 {home} 读不了（{cause(error)}）"]
    for path in paths:
        try:
            bundle = read_bundle(path, run_id)
            verify(bundle)
            return bundle, skipped
        except Damaged as error:
            skipped.append(str(error))
        except OSError as error:
            skipped.append(f"镜像 {path.name} 读不了（{cause(error)}）")
    return None, skipped


def mirrored_runs(folder: Path) -> list[Bundle]:
    """The copy with the most training of every run in a mirror, the run stored last first.

    Hashes are not checked: it serves to find out which runs there are. Raises `OSError`.
    """
    found = [_best_looking(home)[0] for home in _homes(folder)]
    whole = [bundle for bundle in found if bundle]
    return sorted(whole, key=lambda bundle: bundle.stored, reverse=True)


def broken_runs(folder: Path) -> list[str]:
    """What is wrong with runs of which no copy looks whole, in Chinese lines; raises `OSError`.

    To begin again in spite of them would be to lose a run that may only be late.
    """
    found = [_best_looking(home) for home in _homes(folder)]
    return [line for bundle, lines in found if bundle is None for line in lines]


def _homes(folder: Path) -> list[Path]:
    return [home for home in sorted(folder.iterdir()) if home.is_dir()]


def _best_looking(home: Path) -> tuple[Bundle | None, list[str]]:
    """The first copy whose files are all there in their sizes, or else why there is none."""
    problems = []
    for path in list_bundles(home):
        try:
            return read_bundle(path, home.name), []
        except Damaged as error:
            problems.append(str(error))
        except OSError as error:
            problems.append(f"镜像 {path.name} 读不了（{cause(error)}）")
    return None, problems


def is_inside(name: str) -> bool:
    """Whether a name is a plain relative path that stays inside its folder on any system."""
    path = PurePosixPath(name)
    plain = name == str(path) and not path.is_absolute() and ".." not in path.parts
    return plain and name not in ("", ".", MIRROR_MANIFEST) and not set(name) & set("\\:\0")
