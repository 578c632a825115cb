"""`novelkit diagnose RUN`: what the loss curve says, what the probes find, what neither can say."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from novelkit.cli.output import Output
from novelkit.errors import InputError

WORDS = {
    "zh": ("把握", "证据", "怎么治", "下一步", "附注", "没有查"),
    "en": ("confidence", "evidence", "cures", "next", "remark", "not checked"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run",
        type=Path,
        help="训练文件夹；也可以是 transformers 的输出文件夹、CSV、JSONL 或 TensorBoard 的记录",
    )
    parser.add_argument(
        "--data",
        type=Path,
        help="训练时的数据文件夹：给出它，就在 CPU 上用一分钟以内做几个小实验（探针）",
    )
    parser.add_argument("--plot", type=Path, help="把曲线和证据画成 PNG")
    parser.add_argument("--language", choices=["zh", "en"], default="zh", help="诊断用的语言")


def run(options: argparse.Namespace) -> int:
    output = Output(options.json)
    found = print_diagnosis(output, options.run, options.data, options.language, options.plot)
    if options.plot:
        output.say(f"曲线图：{options.plot}")
    output.result({**found, "plot": options.plot})
    return 0


def print_diagnosis(
    output: Output,
    run: Path,
    data: Path | None = None,
    language: str = "zh",
    plot: Path | None = None,
) -> dict[str, Any]:
    """Say what a run's curve tells, and its probes where `data` is given; returns it for JSON."""
    from novelkit.diagnosis import RunSetup, diagnose_history, preflight, probe, read_log

    history, header = read_log(run)
    probed, checks = None, []
    if data:
        setup = RunSetup(run, data)
        checks = preflight(setup)
        _say_checks(output, checks, language)
        output.say("探针：把训练拆开，逐件试一试……" if language == "zh" else "Probes ...")
        probed = probe(setup)
    diagnosis = diagnose_history(history, header, probed, language)
    sure, evidence, cures, following, remark, unchecked = WORDS[language]
    for finding in diagnosis.findings:
        output.say(f"  ● {finding.title}（{finding.cause}，{sure} {finding.confidence:.0%}）")
        for line in finding.evidence:
            output.say(f"      {evidence}：{line}")
        for line in finding.cures:
            output.say(f"      {cures}：{line}")
        output.say(f"      {following}：{finding.next_experiment}")
    for line in diagnosis.remarks:
        output.say(f"  · {remark}：{line}")
    for line in diagnosis.unchecked:
        output.say(f"  ○ {unchecked}：{line}")
    if plot:
        save_diagnosis(history, header, diagnosis, plot, run.name)
    return {**diagnosis.as_dict(), "preflight": [asdict(check) for check in checks]}


def _say_checks(output: Output, checks: list, language: str) -> None:
    for check in checks:
        mark = "✓" if check.passed else "✗"
        output.say(f"  {mark} {check.text[language == 'en']}")


def save_diagnosis(
    history: list, header: dict[str, Any], diagnosis: Any, target: Path, title: str
) -> None:
    """Draw the curve and the evidence into a PNG; raises `InputError` for a run without a step."""
    from novelkit.diagnosis.curve import Curve
    from novelkit.plots.diagnosis import plot_diagnosis

    if not history:
        raise InputError("还没有一步训练，画不出曲线：请先训练。")
    _save(plot_diagnosis(Curve.of(history, header), diagnosis, title), target)


def save_plot(run: Path, target: Path, title: str = "") -> None:
    """Draw the run's losses into a PNG; raises `InputError` for a run without a step."""
    from novelkit.layouts import RUN_FILE, read_header
    from novelkit.plots.training import plot_loss
    from novelkit.training import read_history

    ledger = read_header(run / RUN_FILE, "novelkit-run")
    history = read_history(run)
    if not history:
        raise InputError(f"{run} 里还没有一步训练，画不出曲线：请先训练。")
    _save(plot_loss(history, ledger["data"], title or run.name), target)


def _save(figure: Any, target: Path) -> None:
    from novelkit.layouts import replacing

    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as temporary:
        figure.savefig(temporary, dpi=150, format="png")
