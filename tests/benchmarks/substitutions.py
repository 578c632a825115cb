"""How many replaced characters a text shows by itself (`novelkit.scores.substituted_share`).

    python tests/benchmarks/substitutions.py TEXTS [--characters 48000]

TEXTS is a folder of novels, NAME.txt each. Of every novel the second quarter's beginning is taken,
as it is and with a share of its characters replaced by others of its own, all kinds alike.
"""

import argparse
import math
from pathlib import Path

import numpy as np
from faults_report import table
from faults_texts import spoil

from novelkit.scores import substituted_share

SHARES = (0.0, 0.01, 0.03, 0.1, 0.2, 0.3)
QUANTILES = (0.0, 0.5, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("texts", type=Path)
    parser.add_argument("--characters", type=int, default=48_000)
    options = parser.parse_args()
    novels = []
    for path in sorted(options.texts.glob("*.txt")):
        text = path.read_text(encoding="utf-8")
        novels.append(text[len(text) // 4 :][: options.characters])
    print(f"{len(novels)} novels, {options.characters:,} characters of each:\n")
    rows = []
    for share in SHARES:
        found = [substituted_share(spoil(text, "substituted", share, seed=1)) for text in novels]
        known = [value for value in found if not math.isnan(value)]
        shares = (f"{value:.1%}" for value in np.quantile(known, QUANTILES))
        rows.append([f"{share:.0%}", *shares, str(len(found) - len(known))])
    print(table(["replaced", "least", "median", "most", "cannot tell"], rows))


if __name__ == "__main__":
    main()
