"""novelkit: from a raw Chinese novel to a GPT-2 that continues it.

One module a stage, in the order of the notebooks: `environment`, `download`, `encoding`,
`cleaning`, `tokenizing`, `model`, `training` (with `checkpoint`), `diagnosis`, `sampling`.
Import the stage that you need; `import novelkit` itself imports none of them, nor torch. Import it
before torch: it asks waiting threads not to spin, which OpenMP reads as torch is first imported.
"""

import os

# torch's threads spin while they wait for each other. Where several groups of them share two cores
# (a notebook that has trained in several ways), or other programs do, a step took ten times as
# long; on a quiet machine it makes no difference to training. Writing is a hundred small operations
# a token, and waking a thread for each took a third of the time: some microseconds of spinning.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ["OMP_WAIT_POLICY"] = "passive"
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

__version__ = "0.1.0"
