"""`novelkit train DATA --out RUN`: train a model, or go on with one."""

import argparse
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from novelkit.cli.output import Output, check_writable
from novelkit.errors import InputError

if TYPE_CHECKING:
    from novelkit.model import LanguageModel
    from novelkit.training import TrainConfig, TrainResult

# The sample text of each evaluation, in characters: long enough to see what it has learned.
SAMPLE_PROMPT, SAMPLE_CHARACTERS = 16, 40
SIZES = ("n_layer", "n_head", "n_embd", "n_ctx", "dropout")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, help="prepare 做好的数据文件夹")
    parser.add_argument("--out", type=Path, required=True, help="训练文件夹")
    parser.add_argument("--resume", action="store_true", help="从最新的完整检查点继续")
    parser.add_argument("--max-steps", type=int, help="总步数")
    parser.add_argument("--minutes", type=float, help="训练多少分钟（快到时自动降学习率收尾）")
    _add_model(parser.add_argument_group("模型"))
    _add_settings(parser.add_argument_group("训练设置（不写就用默认值）"))
    _add_machine(parser.add_argument_group("机器"))


def _add_model(group: Any) -> None:
    start = group.add_mutually_exclusive_group()
    start.add_argument("--preset", help="模型大小：tiny、small、base（默认 tiny）")
    start.add_argument(
        "--from",
        dest="start_from",
        metavar="MODEL",
        help="从这个模型开始微调：文件夹，或 hub 上的名字",
    )
    group.add_argument("--n-layer", type=int, help="层数")
    group.add_argument("--n-head", type=int, help="注意力头数")
    group.add_argument("--n-embd", type=int, help="宽度")
    group.add_argument("--n-ctx", type=int, help="上下文长度（词元）")
    group.add_argument("--dropout", type=float, help="随机丢弃的比例，压住过拟合")
    group.add_argument(
        "--lora", type=int, metavar="RANK", help="微调时只训练这个秩的 LoRA（需要 peft）"
    )


def _add_settings(group: Any) -> None:
    group.add_argument("--seed", type=int, help="随机种子（默认 0）")
    group.add_argument("--batch-size", type=int, help="每步学多少段文字")
    group.add_argument("--accumulation", type=int, help="每步分几次过显存，累积梯度后再更新")
    group.add_argument("--optimizer", help="muon（默认）、adamw、sgd、lamb、adafactor")
    group.add_argument(
        "--learning-rate", type=float, help="学习率（默认按优化器；--from 时是它的八分之一）"
    )
    group.add_argument("--adamw-factor", type=float, help="用 muon 时，词向量等学得快多少倍")
    group.add_argument("--schedule", help="学习率的走法：wsd（默认）、cosine、linear、constant")
    group.add_argument("--warmup-steps", type=int, help="学习率升到顶用多少步")
    group.add_argument("--weight-decay", type=float, help="权重衰减（L2），压住过拟合")
    group.add_argument("--l1-penalty", type=float, help="L1 惩罚")
    group.add_argument("--gradient-clip", type=float, help="梯度超过这个长度就缩短")
    group.add_argument("--label-smoothing", type=float, help="标签平滑")
    group.add_argument("--ema-decay", type=float, help="对权重取滑动平均，0 不用")
    group.add_argument("--evaluate-every", type=int, help="每多少步验证一次")
    group.add_argument("--patience", type=int, help="连续多少次验证没有进步就停，0 不停")
    group.add_argument("--checkpoint-minutes", type=float, help="每多少分钟存一次检查点")


def _add_machine(group: Any) -> None:
    group.add_argument("--device", help="cuda、mps 或 cpu（默认自动选）")
    group.add_argument("--dtype", help="float32、float16 或 bfloat16（默认按机器选）")
    group.add_argument(
        "--compile",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="用 torch.compile 编译模型（默认：训练够长、实测更快才用）",
    )
    group.add_argument("--mirror", type=Path, help="把检查点再抄一份到这里，例如 Google Drive")


def run(options: argparse.Namespace) -> int:
    from novelkit.environment import choose_compute
    from novelkit.training import Budget

    output = Output(options.json)
    check_writable(options.out)
    chosen = options.device or options.dtype
    result = train_with_bar(
        output,
        data=options.data,
        out=options.out,
        model=_model(options),
        config=_config(options),
        budget=Budget(options.max_steps, options.minutes),
        resume=options.resume,
        compute=choose_compute(options.device, options.dtype, measure=True) if chosen else None,
        compiles=options.compile,
        mirror=options.mirror,
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


def _model(options: argparse.Namespace) -> Any:
    """The size or the folder to start from; what a resumed run was told need not be repeated."""
    from novelkit.layouts import DATA_FILE, read_header
    from novelkit.model import ModelConfig, preset

    changes = _given(options, *SIZES)
    if options.start_from or _first_model(options):
        return _start(options, changes)
    if options.lora:
        raise InputError("--lora 只在微调时有用：请用 --from 给出从哪个模型开始。")
    vocabulary = read_header(options.data / DATA_FILE, "novelkit-data")["vocabulary"]
    told = _told(options).get("model")
    if told and options.preset is None:
        known = {field.name: told[field.name] for field in fields(ModelConfig)}
        return ModelConfig(**{**known, "vocab_size": vocabulary, **changes})
    return preset(options.preset or "tiny", vocabulary, **changes)


def _first_model(options: argparse.Namespace) -> dict[str, Any] | None:
    """The model that a resumed run began from."""
    decisions = _told(options).get("decisions", [])
    return next((item["value"] for item in decisions if item["kind"] == "start"), None)


def _start(options: argparse.Namespace, changes: dict[str, Any]) -> Any:
    """The model of `--from`, made to read the data; of a resumed run, in the way it began."""
    from novelkit.environment import seed_everything
    from novelkit.model import LoraSettings
    from novelkit.training.data import TrainingData

    if set(changes) - {"n_ctx"}:
        raise InputError(
            "--n-layer、--n-head、--n-embd、--dropout 不能和 --from 一起用：微调沿用原模型的大小。"
        )
    first = _first_model(options) or {}
    name, seed = options.start_from or first["name"], _config(options).seed
    lora = LoraSettings(**first["lora"]) if first.get("lora") else None
    if options.lora:
        lora = LoraSettings(rank=options.lora, alpha=2 * options.lora)
    seed_everything(seed)  # which draws the adapters
    context = options.n_ctx or first.get("n_ctx")
    return TrainingData.read(options.data).start_from(name, n_ctx=context, lora=lora, seed=seed)


def _config(options: argparse.Namespace) -> "TrainConfig":
    from novelkit.training import TrainConfig

    names = [field.name for field in fields(TrainConfig)]
    typed = _given(options, *(name for name in names if hasattr(options, name)))
    told = _told(options).get("config")
    if told:
        return TrainConfig(**{**{name: told[name] for name in names if name in told}, **typed})
    return TrainConfig.fine_tuning(**typed) if options.start_from else TrainConfig(**typed)


def _told(options: argparse.Namespace) -> dict[str, Any]:
    """The ledger of the run that is resumed; nothing for a new one."""
    from novelkit.layouts import RUN_FILE, read_header

    path = options.out / RUN_FILE
    return read_header(path, "novelkit-run") if options.resume and path.is_file() else {}


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


def _sampler(data: Path) -> Callable[["LanguageModel"], str]:
    """Writes on from the first words of the validation text, always with the same dice."""
    from novelkit.sampling import SamplingConfig, generate
    from novelkit.tokenizing import load_tokenizer

    tokenizer = load_tokenizer(data)
    with (data / "validation.txt").open(encoding="utf-8") as file:
        prompt = file.read(2 * SAMPLE_PROMPT).strip()[:SAMPLE_PROMPT]
    config = SamplingConfig(length=SAMPLE_CHARACTERS)

    def sample(model: "LanguageModel") -> str:
        return prompt + "".join(piece.text for piece in generate(model, tokenizer, prompt, config))

    return sample


def train_with_bar(output: Output, **arguments: Any) -> "TrainResult":
    """`training.train` with a progress bar and a summary; arguments and result are its own."""
    from novelkit.training import TrainingBar, train

    minutes = arguments["budget"].minutes
    if minutes:
        output.say(f"训练 {minutes:g} 分钟。")
    with TrainingBar(delay=2, disable=output.silent) as bar:
        result = train(
            **arguments,
            on_step=bar.on_step,
            on_score=bar.on_score,
            on_notice=bar.on_notice,
            sample=_sampler(arguments["data"]),
        )
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
