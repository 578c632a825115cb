"""Where the repository lives is one setting: `[project.urls] Repository` in pyproject.toml.

Every Colab badge (README.md, README.zh.md, notebooks) and the two constants of every notebook's
setup cell are derived from it and from the release tag ("v" and the version, or `[tool.novelkit]
tag` where a fork follows a branch). `rewrite` changes them all, and `disagreements` lists what does
not agree, for a test. Does not cover: git remotes, other links.
"""

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from novelkit import __version__, layouts
from novelkit.errors import InputError

READMES = ("README.md", "README.zh.md")
HOST = "https://github.com/"
COLAB = "https://colab.research.google.com/github/"
# GitHub's own rules: letters, digits, hyphens (and dots, underscores in the repository's name).
OWNER_REPO = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")
TAG = re.compile(r"(?![./-])[A-Za-z0-9_./-]+(?<![./])")
# A tag may contain slashes, so it reaches as far as "/notebooks/".
BADGE = re.compile(
    re.escape(COLAB) + r"[^/\s]+/[^/\s]+/blob/[^\s)\"']+?(?P<file>/notebooks/[^\s/)\"']+\.ipynb)"
)
CONSTANT = re.compile(r'^(?P<name>REPOSITORY|TAG) = "(?P<value>[^"\n]*)"', re.MULTILINE)
SETTING = re.compile(r'^(?P<head>Repository\s*=\s*)"[^"\n]*"', re.MULTILINE)
TAG_SETTING = re.compile(r'\n\[tool\.novelkit\]\ntag = "[^"\n]*"\n')


@dataclass(frozen=True)
class Links:
    """The setting: `owner_repo` as on GitHub, and the release tag that Colab opens."""

    owner_repo: str
    tag: str

    def badge_target(self, file: str) -> str:
        """The Colab address of `file`, a path within the repository that starts with "/"."""
        return f"{COLAB}{self.owner_repo}/blob/{self.tag}{file}"


def read_setting(root: Path) -> Links:
    """The repository named by pyproject.toml in `root`, and the tag: of this version by default.

    Raises InputError where the setting is missing or no GitHub address.
    """
    file = Path(root) / "pyproject.toml"
    try:
        return _setting_in(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{root} 里没有 pyproject.toml：请给出仓库的根文件夹。") from error
    except (KeyError, TypeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{file} 里读不到 [project.urls] Repository：请补上这一行。") from error


def _setting_in(pyproject: str) -> Links:
    table = tomllib.loads(pyproject)
    address = table["project"]["urls"]["Repository"]
    tag = table.get("tool", {}).get("novelkit", {}).get("tag", "v" + __version__)
    return Links(_checked_repository(str(address).removeprefix(HOST)), _checked_tag(str(tag)))


def rewrite(root: Path, repository: str, tag: str | None = None) -> list[Path]:
    """Make the setting, every badge and every setup cell name `repository` ("OWNER/REPO").

    `tag` defaults to that of this version. Returns the files that changed; a second run returns
    none. Raises InputError for a malformed repository or tag before anything is written.
    """
    root = Path(root)
    read_setting(root)
    links = Links(_checked_repository(repository), _checked_tag(tag or "v" + __version__))
    pending = {}
    for file, text in _texts(root):
        new = _rewritten(file, text, links)
        if new != text:
            pending[file] = new
    for file, text in pending.items():
        layouts.write_text(file, text)
    return list(pending)


def disagreements(root: Path) -> list[str]:
    """Every badge or setup constant that differs from the setting, one Chinese line each."""
    root = Path(root)
    links = read_setting(root)
    lines = []
    for file, text in _texts(root):
        place = file.relative_to(root).as_posix()
        own = None
        if file.suffix == ".ipynb":
            cells = _notebook(file, text)["cells"]
            own, text = f"/notebooks/{file.name}", "\n".join(map(_source, cells))
            setup = "\n".join(_source(cell) for cell in cells if _is_setup(cell))
            lines += [f"{place}：{line}" for line in _wrong_constants(setup, links)]
        lines += [f"{place}：{line}" for line in _wrong_badges(text, own, links)]
    return lines


def _wrong_constants(setup: str, links: Links) -> Iterator[str]:
    wanted = {"REPOSITORY": links.owner_repo, "TAG": links.tag}
    for found in CONSTANT.finditer(setup):
        if found["value"] != wanted[found["name"]]:
            yield f"{found['name']} 是 {found['value']!r}，应是 {wanted[found['name']]!r}。"


def _wrong_badges(text: str, own: str | None, links: Links) -> Iterator[str]:
    for number, badge in enumerate(BADGE.finditer(text)):
        target = links.badge_target(badge["file"])
        if badge.group() != target:
            yield f"徽章指向 {badge.group()}，应是 {target}。"
        # The first opens the notebook itself; later ones may lead to other notebooks.
        if own is not None and number == 0 and badge["file"] != own:
            yield f"徽章打开的是 {badge['file'][1:]}，不是它自己。"


def _checked_repository(repository: str) -> str:
    if OWNER_REPO.fullmatch(repository) and not repository.endswith(".git"):
        return repository
    raise InputError(
        f"仓库名 {repository!r} 不对：请写成 OWNER/REPO，例如 novelkit/novelkit，不带网址和 .git。"
    )


def _checked_tag(tag: str) -> str:
    if TAG.fullmatch(tag) and ".." not in tag:
        return tag
    raise InputError(f"标签 {tag!r} 不对：只能用字母、数字和 . _ - /，例如 v{__version__}。")


def _texts(root: Path) -> Iterator[tuple[Path, str]]:
    """The files that may hold links, with their text; missing ones are passed over."""
    notebooks = sorted((root / "notebooks").glob("*.ipynb"))
    for file in (root / "pyproject.toml", *(root / name for name in READMES), *notebooks):
        if file.is_file():
            yield file, file.read_text(encoding="utf-8")


def _rewritten(file: Path, text: str, links: Links) -> str:
    if file.name == "pyproject.toml":
        return _rewritten_setting(file, text, links)
    if file.suffix == ".ipynb":
        return _rewritten_notebook(file, text, links)
    return _replace_links(text, links)


def _rewritten_setting(file: Path, text: str, links: Links) -> str:
    """Only the lines of the setting change, so that the comments of the file stay."""
    text = SETTING.sub(rf'\g<head>"{HOST}{links.owner_repo}"', text, count=1)
    text = TAG_SETTING.sub("", text)
    if links.tag != "v" + __version__:
        text += f'\n[tool.novelkit]\ntag = "{links.tag}"\n'
    try:
        understood = _setting_in(text) == links
    except tomllib.TOMLDecodeError:
        understood = False
    if understood:
        return text
    raise InputError(f"{file} 的写法认不出来：请手工改 Repository 和 [tool.novelkit] tag。")


def _replace_links(text: str, links: Links) -> str:
    return BADGE.sub(lambda badge: links.badge_target(badge["file"]), text)


def _replace_constants(text: str, links: Links) -> str:
    wanted = {"REPOSITORY": links.owner_repo, "TAG": links.tag}
    return CONSTANT.sub(lambda found: f'{found["name"]} = "{wanted[found["name"]]}"', text)


def _notebook(file: Path, text: str) -> dict[str, Any]:
    try:
        notebook = json.loads(text)
        notebook["cells"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file} 不是完好的 notebook：请从仓库重新取一份。") from error
    return notebook


def _source(cell: dict[str, Any]) -> str:
    # nbformat allows a list of lines in place of one string.
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)


def _is_setup(cell: dict[str, Any]) -> bool:
    """Both constants in one code cell; a lone `TAG = "..."` may be a student's own."""
    names = {found["name"] for found in CONSTANT.finditer(_source(cell))}
    return cell.get("cell_type") == "code" and names == {"REPOSITORY", "TAG"}


def _rewritten_notebook(file: Path, text: str, links: Links) -> str:
    """The notebook with its links replaced; one without any change keeps every byte."""
    notebook = _notebook(file, text)
    changed = False
    for cell in notebook["cells"]:
        old = _source(cell)
        new = _replace_links(old, links)
        if _is_setup(cell):
            new = _replace_constants(new, links)
        if new != old:
            as_lines = isinstance(cell["source"], list)
            cell["source"] = new.splitlines(keepends=True) if as_lines else new
            changed = True
    return json.dumps(notebook, ensure_ascii=False, indent=1) + "\n" if changed else text
