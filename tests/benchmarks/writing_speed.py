"""How soon and how fast `novelkit write` writes, as a process of its own, imports included.

    python tests/benchmarks/writing_speed.py novel-small --length 300 --times 3

The first text is the first character on standard output after the prompt, counted from the start of
the process; characters a second are those of the whole continuation by the time that the command
itself took for it, after everything was loaded. Markdown on standard output.
"""

import argparse
import json
import subprocess
import sys
import time

import numpy as np
from scores_books import table

PROMPT = "却说那日天色将晚，"


def command(model: str, length: int, seed: int) -> list[str]:
    words = ["write", model, "--prompt", PROMPT, "--length", str(length), "--seed", str(seed)]
    return [sys.executable, "-m", "novelkit", *words]


def first_text(model: str, length: int, seed: int) -> float:
    """Seconds from the start of the process to the first new character."""
    began = time.perf_counter()
    process = subprocess.Popen(command(model, length, seed), stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.read(len(PROMPT.encode("utf-8")) + 1)
    seconds = time.perf_counter() - began
    process.stdout.read()
    if process.wait():
        sys.exit("novelkit write failed")
    return seconds


def characters_a_second(model: str, length: int, seed: int) -> float:
    words = [*command(model, length, seed), "--json"]
    done = subprocess.run(words, capture_output=True, check=True)
    result = json.loads(done.stdout)
    return len(result["text"]) / result["seconds"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--length", type=int, default=300, help="characters")
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()
    seeds = range(options.times)
    measured = {
        "seconds to the first text": first_text,
        "characters a second": characters_a_second,
    }
    table("measured", "median", "least", "most")
    for name, measure in measured.items():
        values = [measure(options.model, options.length, seed) for seed in seeds]
        print(f"| {name} | {np.median(values):.2f} | {min(values):.2f} | {max(values):.2f} |")


if __name__ == "__main__":
    main()
