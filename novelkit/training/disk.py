"""A disk that is full or gone, as the one line that a user can act on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from novelkit.checkpoint import cause, remedy
from novelkit.errors import WorkError


@contextmanager
def writing_to(run: Path) -> Iterator[None]:
    """Turn a failed write inside into a `WorkError`; safetensors reports one as its own error."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise WorkError(
            f"{run} 里写不下文件（{cause(error)}）：训练已停，之前的检查点完好。"
            f"{remedy(error)}，再用 --resume 继续。"
        ) from error
