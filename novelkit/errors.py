"""The two ways in which novelkit gives up, so that a caller can tell them apart.

Messages are one line of Chinese, since students read them: what was found, why it matters, what to
do next. The command line turns `InputError` into exit code 2 and `WorkError` into exit code 1.
"""


class InputError(ValueError):
    """What the user gave cannot be used: a file, a folder, a setting."""


class WorkError(RuntimeError):
    """The input was fine and the work failed: NaN, disk full, a network that gave up."""
