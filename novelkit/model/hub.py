"""A model's name or folder to a folder on this machine, through the cache of `huggingface_hub`.

`HF_HOME`, `HF_ENDPOINT`, `HF_HUB_OFFLINE` and a token mean what they mean everywhere else. Only
what training needs is fetched: configuration, tokenizer and one set of weights, safetensors where
there are any. Code that a model brings along is neither fetched nor run.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from novelkit.bundled import model_folder
from novelkit.errors import InputError, WorkError
from novelkit.model.weights import INDEX_ENDING, OLD_WEIGHTS, WEIGHTS
from novelkit.tokenizing.foreign import FILES

_SMALL = ("config.json", "generation_config.json", *FILES)
_SAFE = ("model*.safetensors", f"{WEIGHTS}{INDEX_ENDING}")
_OLD = ("pytorch_model*.bin", f"{OLD_WEIGHTS}{INDEX_ENDING}")
# One name or two, and after an @ a branch, a tag or a commit.
_NAME = re.compile(r"[\w][\w.-]*(/[\w][\w.-]*)?(@[\w./-]+)?", re.ASCII)


@dataclass(frozen=True)
class Source:
    """Where a model lies on this machine, and what it is called elsewhere."""

    folder: Path
    name: str
    # The commit that was fetched, so that a run can say what it began from; "" for a folder.
    revision: str = ""


def find_model(name: str | Path, progress_bar: type | None = None) -> Source:
    """The folder of a model: on this machine, bundled, or on the Hub (`name` or `name@revision`).

    `progress_bar` is a class like `tqdm.tqdm`, and None is silence. Raises `InputError` for a model
    that is not there, `WorkError` for a network that gave up.
    """
    folder = model_folder(name)
    if folder.is_dir():
        return Source(folder, str(name))
    found = _NAME.fullmatch(str(name))
    if not found or str(name).startswith(".") or Path(name).exists():
        raise InputError(
            f"没有 {name} 这个模型文件夹：请检查路径，"
            "或给出 Hugging Face 上的名字，如 uer/gpt2-chinese-cluecorpussmall。"
        )
    repository, _, revision = str(name).partition("@")
    folder = _fetch(repository, revision or None, progress_bar or _silent_bar())
    return Source(folder, repository, folder.name)


def _fetch(repository: str, revision: str | None, bar: type) -> Path:
    """A snapshot with its weights; the pickled ones only where there are no others."""
    folder = _snapshot(repository, revision, [*_SMALL, *_SAFE], bar)
    if any(folder.glob("model*.safetensors")):
        return folder
    return _snapshot(repository, folder.name, [*_SMALL, *_OLD], bar)


def _snapshot(repository: str, revision: str | None, patterns: list[str], bar: type) -> Path:
    from huggingface_hub import constants, errors, snapshot_download

    try:
        return Path(
            snapshot_download(
                repository, revision=revision, allow_patterns=patterns, tqdm_class=bar
            )
        )
    except errors.GatedRepoError as error:
        raise InputError(
            f"{repository} 要先在它的网页上申请：同意条款后设环境变量 HF_TOKEN，再运行一次。"
        ) from error
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        raise InputError(
            f"没有 {repository} 这个文件夹，{constants.ENDPOINT} 上也没有这个模型"
            "（或者它不公开）：请检查名字，私有的模型要设 HF_TOKEN。"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise InputError(
            f"{repository} 没有 {revision} 这个版本：请检查 @ 后面的分支、标签或提交号。"
        ) from error
    except errors.LocalEntryNotFoundError as error:
        if constants.HF_HUB_OFFLINE:
            raise InputError(
                f"现在是离线（HF_HUB_OFFLINE=1），缓存 {constants.HF_HUB_CACHE} 里没有完整的"
                f" {repository}：请联网下载一次，或给出已有的模型文件夹。"
            ) from error
        raise _network_gave_up(repository, error) from error
    # OSError is a full disk or an HTTP error; the HTTP library behind it has its own classes.
    except Exception as error:
        raise _network_gave_up(repository, error) from error


def _network_gave_up(repository: str, error: Exception) -> WorkError:
    from huggingface_hub import constants

    reason = " ".join(str(error).split())[:200]
    return WorkError(
        f"没能从 {constants.ENDPOINT} 取到 {repository}（{reason}）：请检查网络和磁盘，再运行一次"
        "会接着下载；连不上时可设环境变量 HF_ENDPOINT=https://hf-mirror.com 换镜像，"
        "或用别的办法下载后给出文件夹。"
    )


def _silent_bar() -> type:
    """A progress bar that shows nothing: the library itself does not print."""
    from tqdm import tqdm

    class SilentBar(tqdm):
        def __init__(self, *arguments: Any, **settings: Any) -> None:
            super().__init__(*arguments, **{**settings, "disable": True})

    return SilentBar
