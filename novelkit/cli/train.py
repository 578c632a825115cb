"""`novelkit train DATA --out RUN`: train a GPT-2, or go on with one."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from novelkit.cli.output import Output, check_writable
from novelkit.errors import InputError

if TYPE_CHECKING:
    from novelkit.training import TrainResult


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, help="prepare 做好的数据文件夹")
    parser.add_argument("--out", type=Path, required=True, help="训练文件夹")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--preset", default="tiny", help="模型大小：tiny、small、base（默认 tiny）")
    start.add_argument("--from", dest="start_from", type=Path, help="从这个模型文件夹开始微调")
    parser.add_argument("--max-steps", type=int, help="总步数")
    parser.add_argument("--minutes", type=float, help="训练多少分钟（快到时自动降学习率收尾）")
    parser.add_argument("--seed", type=int, default=0, help="随机种子")
    parser.add_argument("--learning-rate", type=float, help="学习率")
    parser.add_argument("--batch-size", type=int, help="每步学多少段文字")
    parser.add_argument("--weight-decay", type=float, help="权重衰减，压住过拟合")
    parser.add_argument("--dropout", type=float, help="随机丢弃的比例，压住过拟合（配 --preset）")
    parser.add_argument("--resume", action="store_true", help="从最新的完整检查点继续")


def run(options: argparse.Namespace) -> int:
    from novelkit.layouts import DATA_FILE, read_header
    from novelkit.model import preset
    from novelkit.training import Budget, TrainConfig

    output = Output(options.json)
    vocabulary = read_header(options.data / DATA_FILE, "novelkit-data")["vocabulary"]
    check_writable(options.out)
    changes = _given(options, "dropout")
    if options.start_from and changes:
        raise InputError("--dropout 不能和 --from 一起用：微调沿用原模型的 dropout。")
    model = options.start_from or preset(options.preset, vocabulary, **changes)
    result = train_with_bar(
        output,
        data=options.data,
        out=options.out,
        model=model,
        config=TrainConfig(
            **_given(options, "seed", "learning_rate", "batch_size", "weight_decay")
        ),
        budget=Budget(options.max_steps, options.minutes),
        resume=options.resume,
    )
    scores = result.scores
    output.result(
        {
            "steps": result.steps,
            "loss": result.loss,
            "validation_loss": scores.validation_loss,
            "bits_per_character": scores.validation_bits_per_character,
            "test_loss": scores.test_loss,
            "test_bits_per_character": scores.test_bits_per_character,
            "best_step": result.best_step,
            "stopped": result.stopped,
            "resumed_from": result.resumed_from,
            "skipped": list(result.skipped),
            "seconds": result.seconds,
            "model": result.model,
        }
    )
    return 130 if result.stopped == "interrupted" else 0


def _given(options: argparse.Namespace, *names: str) -> dict[str, Any]:
    """The options that were typed; what was not keeps the library's default."""
    values = {name: getattr(options, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


STOPPED = {
    "finished": "训练完成",
    "no improvement": "验证损失不再下降，提前停止",
    "interrupted": "已中断，检查点已存好，可以接着训练",
    "nothing to do": "这次训练早已完成，没有要做的（想再训练，请加大步数或时间）",
}


def train_with_bar(output: Output, **arguments: Any) -> "TrainResult":
    """`training.train` with a progress bar and a summary; arguments and result are its own."""
    from novelkit.training import train

    minutes = arguments["budget"].minutes
    shown = {"损失": "—", "验证": "—"}
    with output.bar("训练", unit="步") as bar:

        def on_step(record: dict[str, Any], last_step: int | None) -> None:
            if bar.total is None and bar.n == 0:
                bar.initial = bar.n = record["step"] - 1  # the speed is that of this session
            bar.total = last_step
            if "validation_loss" in record:
                shown["验证"] = f"{record['validation_loss']:.3f}"
            speed = f"{record['tokens_per_second']:,}"
            shown.update({"损失": f"{record['loss']:.3f}", "词元／秒": speed})
            bar.set_postfix(shown, refresh=False)
            bar.update(record["step"] - bar.n)

        if minutes:
            output.say(f"训练 {minutes:g} 分钟。")
        result = train(**arguments, on_step=on_step, on_score=_scoring_bar(output, bar))
    for line in result.skipped:
        output.say(line)
    if result.resumed_from is not None:
        output.say(f"从第 {result.resumed_from} 步的检查点继续。")
    best = f"最好的是第 {result.best_step} 步" if result.best_step else "还没有验证过"
    output.say(f"{STOPPED[result.stopped]}：共 {result.steps} 步，{best}")
    scores = result.scores
    output.say(
        f"留出的章节：验证 {scores.validation_bits_per_character:.2f}、"
        f"测试 {scores.test_bits_per_character:.2f} 比特／字；模型在 {result.model}"
    )
    return result


def _scoring_bar(output: Output, before: tqdm) -> Callable[[int, int], None]:
    """A callback that puts a bar in the place of `before` once the scoring begins."""
    bars: list[tqdm] = []

    def on_score(done: int, total: int) -> None:
        if not bars:
            before.close()
            bars.append(output.bar("给留出的章节打分", total, unit="块"))
        bars[0].update(done - bars[0].n)
        if done == total:
            bars[0].close()

    return on_score
