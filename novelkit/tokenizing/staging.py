"""The DATA folder while it is written: what is refused leaves nothing, what is killed is redone.

A book after another goes to a folder of its own inside of DATA, so that all that can refuse the
input comes before the first change of what stood there. Then DATA is marked as being at work
(`begin_data`), and only the header, written last, ends that.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from novelkit import layouts


@contextmanager
def staging(out: Path) -> Iterator[Path]:
    """A folder for parts within `out`; afterwards it is gone, and `out` too if it was made for it.

    What stands in `out` besides stays.
    """
    made = [path for path in (out, *out.parents) if not path.exists()]
    parts = out / layouts.PARTS_FOLDER
    # A killed predecessor's: no other program gives this name.
    shutil.rmtree(parts, ignore_errors=True)
    try:
        (parts / layouts.NOVELS_FOLDER).mkdir(parents=True)
        yield parts
    finally:
        shutil.rmtree(parts, ignore_errors=True)
        with suppress(OSError):  # the work was done: the folders are in use
            for path in made:
                path.rmdir()


def begin_data(out: Path, novels: Sequence[str]) -> None:
    """Mark `out` as a DATA folder at work, and drop the header of what stood there.

    `novels` are the files of novels/ that are ours: whoever finishes the work after a kill may
    delete them, and no others.
    """
    # First the mark: without it and without a header the folder would seem somebody else's.
    layouts.write_json(out / layouts.PREPARING_FILE, {"novels": sorted(novels)})
    # An older header would vouch for arrays that are about to change.
    (out / layouts.DATA_FILE).unlink(missing_ok=True)
