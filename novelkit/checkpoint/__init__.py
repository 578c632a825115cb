"""Checkpoints that survive a kill, a full disk and a cloud folder that loses what it is given.

`folders` writes checkpoints on the local disk, whole or not at all. `mirror` copies finished ones
to a folder that may be Google Drive, `bundles` reads what arrived there, and `restoring` takes up
a run from it on an empty machine. `reasons` says in the user's words why a disk refused, `files`
has the single steps on files. Nothing here knows what the files mean, and nothing imports torch.
"""

from novelkit import layouts as layouts
from novelkit.checkpoint.bundles import Bundle, broken_runs, mirrored_runs
from novelkit.checkpoint.folders import (
    MANIFEST,
    checkpoint_path,
    checkpoint_step,
    damage,
    delete,
    keep_newest,
    list_checkpoints,
    newest_valid,
    write_checkpoint,
)
from novelkit.checkpoint.mirror import Mirror
from novelkit.checkpoint.reasons import cause, remedy
from novelkit.checkpoint.restoring import Choice, choose, restore, run_files

__all__ = [
    "MANIFEST",
    "Bundle",
    "Choice",
    "Mirror",
    "broken_runs",
    "cause",
    "checkpoint_path",
    "checkpoint_step",
    "choose",
    "damage",
    "delete",
    "keep_newest",
    "list_checkpoints",
    "mirrored_runs",
    "newest_valid",
    "remedy",
    "restore",
    "run_files",
    "write_checkpoint",
]
