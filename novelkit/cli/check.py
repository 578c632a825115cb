"""`novelkit check`: what this machine can do, and why."""

import argparse

from novelkit.cli.output import Output
from novelkit.environment import report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--measure", action="store_true", help="实测 CPU 上 bfloat16 是否更快（约 1 秒）"
    )


def run(options: argparse.Namespace) -> int:
    output = Output(options.json)
    found = report(measure=options.measure)
    output.say(found.as_table())
    output.result(found.as_dict())
    return 0 if found.passed else 1
