"""`novelkit demo`: the whole journey on the bundled novel, in minutes, on a CPU.

Where the repository brings a trained model it begins from that and makes it learn this novel; else,
and with `--scratch`, it trains a small one from nothing. Run again, it redoes only what changed and
goes on with the training instead of starting again.
"""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from novelkit import layouts
from novelkit.bundled import NOVEL, bundled_model
from novelkit.cli.diagnose import print_diagnosis, save_plot
from novelkit.cli.output import Output
from novelkit.cli.prepare import prepare, read_bytes
from novelkit.cli.train import train_with_bar
from novelkit.errors import InputError
from novelkit.pipeline import Settings

# From nothing a small model needs more steps, and each takes less time than one of a bundled one.
STEPS, FINE_TUNING_STEPS = 200, 100
PROMPT_CHARACTERS = 60
CONTINUATION_CHARACTERS = 200
# Shorter shared passages are shown as well, so that "nothing was copied" can be believed.
SHOWN_PASSAGE = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--novel", type=Path, default=NOVEL, help="换成你自己的小说文件")
    parser.add_argument("--out", type=Path, default=Path("demo"), help="结果放在哪个文件夹")
    parser.add_argument(
        "--steps",
        type=int,
        help=f"这一次训练多少步（默认：从头训练 {STEPS}，微调 {FINE_TUNING_STEPS}）",
    )
    parser.add_argument("--scratch", action="store_true", help="不用自带的模型，从头训练一个小的")
    parser.add_argument("--seed", type=int, default=0, help="随机种子")


def run(options: argparse.Namespace) -> int:
    output = Output(options.json)
    began = time.monotonic()
    base = None if options.scratch else bundled_model()
    with _stage(output, "1/7 机器"):
        compute = _choose_compute(output)
    with _stage(output, "2/7 原始文件与编码"):
        raw, text = _show_encoding(output, options.novel, options.out)
    with _stage(output, "3/7 清洗、分章、词表、数据"):
        data = options.out / "data"
        header, base = _prepare(output, raw, data, base)
        _show_cleaning(output, data)
    with _stage(output, "4/7 微调自带的模型" if base else "4/7 训练"):
        before = _score(output, data, base) if base else None
        result = _train(output, data, options, compute, base)
    if result.stopped == "interrupted":
        return 130
    with _stage(output, "5/7 读损失曲线"):
        plot = options.out / "loss.png"
        save_plot(result.run, plot, f"《{header['novels'][0]['title']}》")
        diagnosis = print_diagnosis(output, result.run)
    with _stage(output, "6/7 和只统计字频的模型比一比"):
        scores = _compare(output, data, before, result.scores.test_bits_per_character)
    with _stage(output, "7/7 续写一个留出的章节"):
        continuation = options.out / "continuation.txt"
        written = _continue(output, data, result.model, continuation, options.seed)
    novel = next((data / layouts.NOVELS_FOLDER).glob("*.jsonl"))
    paths = {
        "text": text,
        "chapters": novel,
        "tokenizer": data / "tokenizer.json",
        "data": data,
        "run": result.run,
        "model": result.model,
        "plot": plot,
        "continuation": continuation,
    }
    _show_paths(output, paths, time.monotonic() - began)
    output.result({"paths": paths, "steps": result.steps, **scores, **diagnosis, **written})
    return 0


@contextmanager
def _stage(output: Output, title: str) -> Iterator[None]:
    output.say(f"\n【{title}】")
    began = time.monotonic()
    yield
    output.say(f"  （{time.monotonic() - began:.1f} 秒）")


def _choose_compute(output: Output) -> Any:
    from novelkit.environment import choose_compute

    compute = choose_compute(measure=True)
    output.say(f"  {compute.reason}")
    return compute


def _show_encoding(output: Output, novel: Path, out: Path) -> tuple[Path, Path]:
    """Copy the raw file, say what it is encoded in, and keep its plain text; returns both."""
    from novelkit import encoding
    from novelkit.download import download

    # Looked at first: a file that is no text leaves nothing behind.
    content = read_bytes(novel)
    detection = encoding.detect(content)
    raw = download(novel, out / "raw").path
    output.say(f"  {raw.name}：{len(content):,} 字节，编码 {detection.encoding}")
    for line in detection.evidence:
        output.say(f"    {line}")
    text = out / "text.txt"
    layouts.write_text(text, encoding.decode(content, detection))
    output.say(f"    若当成 UTF-8 硬读，开头会是：{content[:48].decode('utf-8', 'replace')!r}")
    return raw, text


def _prepare(
    output: Output, raw: Path, data: Path, base: Path | None
) -> tuple[dict[str, Any], Path | None]:
    """The data of the novel, and the model to start from where the novel is long enough for it."""
    if base is None:
        return prepare([raw], data, Settings(tokenizer="char"), output), None
    header = prepare([raw], data, Settings(model=base), output)
    from novelkit.model import read_config

    context = read_config(base)["n_positions"]
    shortest = min(split["tokens"] for split in header["splits"].values())
    if shortest > context:
        return header, base
    output.say(
        f"  留出的一部分只有 {shortest} 个词元，装不满自带模型的上下文（{context}）："
        "这本书太短，改为从头训练一个小的。"
    )
    return _prepare(output, raw, data, None)


def _show_cleaning(output: Output, data: Path) -> None:
    import json

    report = next((data / layouts.NOVELS_FOLDER).glob("*.report.json"))
    cleaning = json.loads(report.read_text(encoding="utf-8"))["cleaning"]
    for rule in cleaning["rules"]:
        if rule["changes"]:
            output.say(
                f"    {rule['title']}：改动 {rule['changes']} 处，"
                f"去掉 {rule['removed_characters']:,} 个字符"
            )


def _score(output: Output, data: Path, base: Path) -> float:
    """Bits per character of the bundled model on the test chapter, before it has learned a word."""
    from novelkit.training.data import TrainingData, evaluate

    opened = TrainingData.read(data)
    model = opened.start_from(base).model.eval()
    loss = evaluate(model, opened.tokens("test"), headers=opened.headers("test"))
    bits = opened.bits_per_character("test", loss)
    output.say(f"  自带的模型没读过这本书，留出的章节上是 {bits:.2f} 比特／字")
    return bits


def _train(
    output: Output, data: Path, options: argparse.Namespace, compute: Any, base: Path | None
) -> Any:
    """Begin the run, or go on with it for as many steps again."""
    from novelkit.model import preset
    from novelkit.tokenizing import load_tokenizer
    from novelkit.training import Budget

    run = options.out / "run"
    config = learning_settings(options.seed, from_nothing=base is None)
    steps = _set_aside_other_run(output, run, data, config.as_dict())
    if steps:
        output.say(f"  上次训练到第 {steps} 步，接着训练，不从头开始。")
    usual = FINE_TUNING_STEPS if base else STEPS
    more = usual if options.steps is None else options.steps
    budget = Budget(max_steps=_unfinished_end(run) or steps + more)
    model = base or preset("tiny", len(load_tokenizer(data)))
    return train_with_bar(
        output,
        data=data,
        out=run,
        model=model,
        config=config,
        budget=budget,
        resume=True,
        compute=compute,
    )


def learning_settings(seed: int, from_nothing: bool) -> Any:
    """A novel of forty thousand characters is read many times over: at the rates of a larger corpus
    the model would know it by heart before it has learned from it."""
    from novelkit.training import TrainConfig

    common: dict[str, Any] = {"seed": seed, "evaluate_every": 20, "checkpoint_steps": 50}
    if from_nothing:
        return TrainConfig(learning_rate=1e-3, adamw_factor=1.0, **common)
    return TrainConfig.fine_tuning(batch_size=4, **common)


def _set_aside_other_run(output: Output, run: Path, data: Path, config: dict[str, Any]) -> int:
    """Steps of the run that can go on here, 0 if there is none; another novel's is renamed."""
    from novelkit.training import read_history
    from novelkit.training.data import TrainingData
    from novelkit.training.ledger import Ledger

    if not (run / layouts.RUN_FILE).exists():
        return 0
    ledger = Ledger.read(run)
    if ledger.data == TrainingData.read(data).identity and ledger.config == config:
        try:
            return read_history(run)[-1]["step"]
        except (InputError, IndexError):
            return 0
    number = 1
    while (old := run.with_name(f"{run.name}.{number}")).exists():
        number += 1
    run.rename(old)
    output.say(f"  小说或设置变了，旧的训练移到 {old}，重新开始。")
    return 0


def _unfinished_end(run: Path) -> int | None:
    """The last step of a cycle that was interrupted, None if there is nothing to finish."""
    from novelkit.training.ledger import Ledger

    if not (run / layouts.RUN_FILE).exists():
        return None
    ledger = Ledger.read(run)
    cycle = ledger.decided("cycle")
    interrupted = ledger.sessions and ledger.sessions[-1]["ended"] in (None, "interrupted")
    return cycle["value"]["end"] if cycle and interrupted else None


def _compare(
    output: Output, data: Path, before: float | None, after: float
) -> dict[str, float | None]:
    """Bits per character on the test chapter, which chose nothing, against counted characters."""
    import math

    from novelkit import scores

    texts = [(data / f"{name}.txt").read_text(encoding="utf-8") for name in ("train", "test")]
    anchors = scores.measure_anchors(*texts).as_dict()
    bits = {name: value / math.log(2) for name, value in anchors.items()}
    rows = {scores.ANCHOR_NAMES[name][0]: bits[name] for name in ("uniform", "unigram", "trigram")}
    if before is not None:
        rows["自带的模型，微调以前"] = before
    rows["这个 GPT-2" if before is None else "微调以后"] = after
    for name, value in rows.items():
        output.say(f"  {'█' * round(value * 3)} {value:.2f} 比特／字  {name}")
    return {
        "bits_per_character": after,
        "bits_per_character_before": before,
        "unigram": bits["unigram"],
        "trigram": bits["trigram"],
    }


def _continue(output: Output, data: Path, model: Path, target: Path, seed: int) -> dict[str, Any]:
    """Stream a continuation of the test chapter's beginning and say how much of it is copied."""
    from novelkit.copying import find_copies
    from novelkit.model import open_model
    from novelkit.sampling import Guide, generate, preset_config
    from novelkit.tokenizing import Header, load_tokenizer

    held_out = (data / "test.txt").read_text(encoding="utf-8")
    prompt = _opening(held_out)
    header = Header(held_out.split("\n")[0]) if layouts.knows_headers(model) else None
    config = preset_config("balanced", length=CONTINUATION_CHARACTERS, seed=seed)
    output.say(f"  开头（模型训练时没见过）：\n{prompt}\n  续写：\n", end="")
    text, tokenizer = "", load_tokenizer(model)
    for piece in generate(open_model(model).model, tokenizer, prompt, config, Guide(header)):
        text += piece.text
        output.say(piece.text, end="")
    output.say()
    training = (data / "train.txt").read_text(encoding="utf-8")
    copies = find_copies(text, training)
    longest = find_copies(text, training, SHOWN_PASSAGE).longest
    verdict = "大段照抄训练文本：这是背诵，不是续写" if copies.share > 0.2 else "不是照抄"
    output.say(f"  {verdict}：{copies.share:.0%} 的字与训练文本连续 {copies.at_least} 字以上相同")
    if longest:
        output.say(f"  最长的相同段落 {longest.end - longest.start} 字：{longest.text!r}")
    layouts.write_text(target, f"{prompt}{text}\n")
    return {"prompt": prompt, "text": text, "copied_share": copies.share}


def _opening(chapter: str) -> str:
    """The first whole sentences of a held-out text, about `PROMPT_CHARACTERS` long."""
    # The first line is the book's title, which the model knows.
    text = chapter.split("\n", 1)[1]
    end = next(
        (i + 1 for i, c in enumerate(text) if i >= PROMPT_CHARACTERS and c in "。！？”\n"),
        len(text),
    )
    return text[:end]


def _show_paths(output: Output, paths: dict[str, Path], seconds: float) -> None:
    names = {
        "text": "解码后的文字",
        "chapters": "分章的 JSONL",
        "tokenizer": "词表",
        "data": "训练数据",
        "run": "训练文件夹",
        "model": "模型",
        "plot": "损失曲线",
        "continuation": "续写",
    }
    output.say(f"\n全程 {seconds:.0f} 秒。做出来的东西：")
    for key, path in paths.items():
        output.say(f"  {names[key]}：{path}")
    output.say("再运行一次，会接着训练；只有变了的部分才重做。")
