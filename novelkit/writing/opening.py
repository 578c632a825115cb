"""A session, or the desk that shows one, from a model folder."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from novelkit.bundled import MODEL_NAME, model_folder
from novelkit.copying import FILTER_FILE, NgramFilter, SuffixArray
from novelkit.errors import InputError
from novelkit.layouts import knows_headers
from novelkit.model import open_model
from novelkit.sampling import Guide, choose_decoder, make_decoder
from novelkit.tokenizing import load_tokenizer
from novelkit.writing import record as records
from novelkit.writing.replaying import refuse_other_model, take_up
from novelkit.writing.session import WritingSession

if TYPE_CHECKING:
    from novelkit.writing.writing_desk import WritingDesk

MANUSCRIPT_FILE = "稿子.novelkit.json"
_WITHOUT_WIDGETS = (
    "这里没有 ipywidgets，写作台显示不出来。同样的事可以这样做：\n"
    "  for _ in session.propose(SamplingConfig(), 3): pass\n"
    "  print(session.candidates[0].text); session.accept(0); session.undo()"
)


def open_session(
    folder: str | Path,
    *,
    text: str = "",
    guide: Guide | None = None,
    precision: str = "fp32",
    training: Path | None = None,
    path: Path | None = None,
    again: bool = True,
) -> WritingSession:
    """A session with the model of a folder (or a bundled one by its name).

    `precision` may be "auto" (`choose_decoder`). `training` is the model's training text, for
    `SamplingConfig.no_copy`. `path` keeps the session; one that is there already goes on, unless
    `again` is False. Raises `InputError` for a folder without a model or a tokenizer, and for a
    record of another model.
    """
    folder = model_folder(folder)
    model, tokenizer = open_model(folder).model, load_tokenizer(folder)
    decoder = (
        choose_decoder(model, tokenizer).decoder
        if precision == "auto"
        else make_decoder(model, precision)
    )
    has_filter = (folder / FILTER_FILE).is_file()
    session = WritingSession(
        decoder,
        tokenizer,
        text=text,
        guide=guide,
        model=records.describe_model(folder),
        copies=NgramFilter.load(folder / FILTER_FILE) if has_filter else None,
        training=SuffixArray.build(_read_text(training)) if training else None,
        path=path,
        knows_headers=knows_headers(folder),
    )
    if path and path.is_file() and again:
        record = records.load_record(path)
        refuse_other_model(session, record)
        take_up(session, record)
    return session


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InputError(f"没有找到 {path}：请检查训练文本的路径。") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} 不是 UTF-8 文本（{error.reason}）：请先用 novelkit inspect --text 转换。"
        ) from error


def desk(
    model: str | Path | WritingSession = MODEL_NAME,
    text: str = "",
    *,
    path: str | Path | None = MANUSCRIPT_FILE,
    precision: str = "auto",
    training: str | Path | None = None,
    candidates: int = 3,
) -> "WritingDesk | WritingSession":
    """A writing desk for a model folder, a bundled model by its name, or a session.

    `path` is the file that keeps the manuscript: one that is there already goes on, and `text` is
    not needed. `training` is the model's training text, by which copying can be forbidden. Without
    ipywidgets it warns and returns the session, which does all that the desk does. Raises
    `InputError` for a folder without a model, and for a manuscript of another model.
    """
    session = model
    if not isinstance(session, WritingSession):
        session = open_session(
            session,
            text=text,
            precision=precision,
            training=Path(training) if training else None,
            path=Path(path) if path else None,
        )
    try:
        from novelkit.writing.writing_desk import WritingDesk
    except ImportError:
        warnings.warn(_WITHOUT_WIDGETS, stacklevel=2)
        return session
    return WritingDesk(session, candidates)
