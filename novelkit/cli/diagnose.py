"""`novelkit diagnose RUN`: what the loss curve says, and what it cannot say."""

import argparse
from pathlib import Path
from typing import Any

from novelkit.cli.output import Output
from novelkit.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="训练文件夹")
    parser.add_argument("--plot", type=Path, help="把损失曲线画成 PNG")


def run(options: argparse.Namespace) -> int:
    output = Output(options.json)
    found = print_diagnosis(output, options.run)
    if options.plot:
        save_plot(options.run, options.plot)
        output.say(f"曲线图：{options.plot}")
    output.result({**found, "plot": options.plot})
    return 0


def print_diagnosis(output: Output, run: Path) -> dict[str, Any]:
    """Say what the run's curve tells; returns the findings for `--json`."""
    from novelkit.diagnosis import diagnose

    diagnosis = diagnose(run)
    for finding in diagnosis.findings:
        output.say(f"  ● {finding.title}（{finding.cause}，把握 {finding.confidence:.0%}）")
        for line in finding.evidence:
            output.say(f"      证据：{line}")
        output.say(f"      下一步：{finding.next_experiment}")
    for line in diagnosis.unchecked:
        output.say(f"  ○ 没有查：{line}")
    return diagnosis.as_dict()


def save_plot(run: Path, target: Path, title: str = "") -> None:
    """Draw the run's losses into a PNG; raises `InputError` for a run without a step."""
    from novelkit.layouts import RUN_FILE, read_header, replacing
    from novelkit.plots.training import plot_loss
    from novelkit.training import read_history

    ledger = read_header(run / RUN_FILE, "novelkit-run")
    history = read_history(run)
    if not history:
        raise InputError(f"{run} 里还没有一步训练，画不出曲线：请先训练。")
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as temporary:
        figure = plot_loss(history, ledger["data"], title or run.name)
        figure.savefig(temporary, dpi=150, format="png")
