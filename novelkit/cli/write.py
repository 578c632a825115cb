"""`novelkit write MODEL --prompt TEXT`: a continuation, streamed to the terminal."""

import argparse
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from novelkit.bundled import model_folder
from novelkit.cli.output import Output
from novelkit.errors import InputError
from novelkit.layouts import knows_headers

if TYPE_CHECKING:
    from novelkit.sampling import Guide, SamplingConfig
    from novelkit.tokenizing.headers import Header
    from novelkit.writing import Candidate, WritingSession

# Option, type and help of every setting that `SamplingConfig` has under the same name.
_SETTINGS: tuple[tuple[str, type, str], ...] = (
    ("temperature", float, "温度：越低越稳，0 是每次取最可能的字"),
    ("top-k", int, "只在最可能的 k 个里选，0 不限"),
    ("top-p", float, "只在累计概率到 p 的里选，1 不限"),
    ("newline-top-p", float, "段落开头另用一个 top-p，0 是不另设"),
    ("min-p", float, "只留概率不低于最可能者 p 倍的，0 不限"),
    ("typical-p", float, "只留意外程度接近平均的，1 不限"),
    ("repetition-penalty", float, "写过的字变难（CTRL），1 不罚；超过 1.1 会少了的、了"),
    ("presence-penalty", float, "写过的字减去这么多，0 不罚"),
    ("frequency-penalty", float, "写过的字每出现一次减去这么多，0 不罚"),
    ("penalty-window", int, "惩罚往回看多少个词元"),
    ("no-repeat-ngram", int, "不许 n 个词元的一串出现两次，0 不限"),
    ("dry-multiplier", float, "绕圈子的惩罚（DRY），0 不罚"),
    ("dry-base", float, "绕得越长罚得越重，底数"),
    ("dry-allowed-length", int, "重复到多少字开始罚"),
    ("dry-breakers", str, "重复到这些字就算断开"),
    ("no-copy", int, "最多连续照抄训练文本多少字（要 --training-text），0 不限"),
    ("length", int, "续写多少字"),
    ("seed", int, "随机种子，同一个种子写出同样的字"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", type=model_folder, help="模型文件夹（训练文件夹里的 model），或自带模型的名字"
    )
    prompt = parser.add_mutually_exclusive_group()
    prompt.add_argument("--prompt", help="开头的文字")
    prompt.add_argument(
        "--prompt-file", metavar="FILE", help="开头在这个 UTF-8 文件里，- 是标准输入"
    )
    prompt.add_argument(
        "--replay", type=Path, metavar="FILE", help="照这份记录再写一遍，指出第一处不同"
    )
    _add_guide(parser.add_argument_group("一直看得见的话"))
    _add_settings(parser.add_argument_group("怎样选字"))
    output = parser.add_argument_group("写几份，怎样写，写到哪里")
    output.add_argument("--candidates", type=int, default=1, metavar="N", help="一次写几份")
    output.add_argument(
        "--precision",
        choices=("auto", "fp32", "bf16", "int8"),
        default="fp32",
        help="fp32 最准；int8 在 CPU 上快；auto 是写得一样准时用 int8",
    )
    output.add_argument("--training-text", type=Path, help="训练文本（DATA/train.txt）")
    output.add_argument("--record", type=Path, metavar="FILE", help="把这次续写记成 JSON，可以重放")


def _add_guide(group: Any) -> None:
    group.add_argument("--title", default="", help="题头：书名（要用题头训练过的模型，下同）")
    group.add_argument("--author", default="", help="题头：作者，例如 鲁迅")
    group.add_argument("--style", default="", help="题头：风格，例如 现代小说")
    group.add_argument("--chapter", default="", help="题头：章节的标题")
    group.add_argument("--names", nargs="+", default=[], metavar="NAME", help="题头：出场的人物")
    group.add_argument("--memory", default="", help="备忘：放在最前面，写多长都看得见")
    group.add_argument("--note", default="", help="作者按：放在最后一段之前，说往哪里写")


def _add_settings(group: Any) -> None:
    group.add_argument(
        "--preset",
        default="balanced",
        help="steady 稳妥；balanced 均衡；bold 奔放；model 原样；greedy 最可能；下面各项在它之上改",
    )
    for name, kind, explanation in _SETTINGS:
        group.add_argument(f"--{name}", type=kind, help=explanation)
    group.add_argument("--ban", nargs="+", metavar="PHRASE", help="不许出现的词语")
    group.add_argument(
        "--close-pairs", action=argparse.BooleanOptionalAction, help="引号、书名号、括号成对"
    )
    group.add_argument(
        "--rare-characters", action=argparse.BooleanOptionalAction, help="许不许写词表以外的字"
    )
    group.add_argument(
        "--stop-at", help="length 写够字数；sentence 到句末；paragraph 到段末；chapter 到章末为止"
    )


def run(options: argparse.Namespace) -> int:
    from novelkit.writing import load_record, open_session

    output = Output(options.json)
    record = load_record(options.replay) if options.replay else None
    # Before the model is opened: what is wrong here is seen at once.
    prompt = "" if record else _prompt(options)
    config, guide = _config(options), _guide(options)
    session = open_session(
        options.model,
        text=prompt,
        guide=guide,
        precision=record["machine"]["precision"] if record else options.precision,
        training=options.training_text,
    )
    if record:
        return _replay(output, session, record)
    return _write(output, session, config, options)


def _write(
    output: Output, session: "WritingSession", config: "SamplingConfig", options: argparse.Namespace
) -> int:
    began, code = time.monotonic(), 0
    pieces = session.propose(config, options.candidates, alternatives=0)
    alone = options.candidates == 1
    try:
        for tokens, (_, piece) in enumerate(pieces):
            if alone and tokens == 0:
                output.say(session.manuscript.text, end="")
            if alone:
                output.say(piece.text, end="")
    except KeyboardInterrupt:
        code = 130  # what was written stays
    finally:
        pieces.close()
    seconds = time.monotonic() - began
    if alone:
        output.say()
    else:
        for number, candidate in enumerate(session.candidates, 1):
            output.say(f"---- 第 {number} 份\n{candidate.text}")
    written = [_described(session, candidate) for candidate in session.candidates]
    tokens = sum(item["tokens"] for item in written)
    if options.record:
        if alone and session.candidates:
            session.accept(0)
        session.path = options.record
        session.save()
        output.say(f"记录：{options.record}")
    output.result(
        {
            "text": written[0]["text"] if written else "",
            "tokens": tokens,
            "seconds": seconds,
            "seed": config.seed,
            "precision": session.decoder.precision,
            "candidates": written,
        }
    )
    return code


def _described(session: "WritingSession", candidate: "Candidate") -> dict[str, Any]:
    return {
        "text": candidate.text,
        "tokens": len(candidate.pieces),
        "mean_log_probability": candidate.mean_log_probability,
        "repeated_share": candidate.repeated,
        "copied_share": session.copied_share(candidate.text),
    }


def _replay(output: Output, session: "WritingSession", record: dict[str, Any]) -> int:
    """Write a record again: 0 if it comes out the same, 1 with the first difference if not."""
    from novelkit.writing import replay

    found = replay(session, record)
    for name in found.other_machine:
        was, now = record["machine"].get(name), session.record["machine"][name]
        output.say(f"与记录时不同：{name} 那时是 {was}，现在是 {now}")
    output.result({**asdict(found), "same": found.difference is None})
    if found.difference is None:
        same_text = found.text == record["text"]
        output.say(f"{found.continuations} 次续写、{found.tokens} 个词元，与记录一个不差")
        return 0 if same_text else 1
    where = found.difference
    output.say(
        f"第 {where.action} 个动作、第 {where.candidate + 1} 份、第 {where.position + 1} 个词元"
        f"不同：记录是 {where.recorded}，这次是 {where.written}"
    )
    return 1


def _prompt(options: argparse.Namespace) -> str:
    if options.prompt_file:
        try:
            return _read_prompt(options.prompt_file).rstrip("\n")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{options.prompt_file} 不是 UTF-8 文本（{error.reason}）："
                "请先用 novelkit inspect --text 转换。"
            ) from error
    if options.prompt is None:
        raise InputError("没有开头：请用 --prompt 写几个字，或用 --prompt-file 给出文件。")
    return options.prompt


def _read_prompt(name: str) -> str:
    """A file, or standard input, as UTF-8 whatever the console's encoding is."""
    if name != "-":
        return Path(name).read_text(encoding="utf-8-sig")
    content = getattr(sys.stdin, "buffer", None)
    return content.read().decode("utf-8-sig") if content else sys.stdin.read()


def _config(options: argparse.Namespace) -> "SamplingConfig":
    from novelkit.sampling import preset_config

    names = [name.replace("-", "_") for name, _, _ in _SETTINGS]
    names += ["close_pairs", "rare_characters", "stop_at"]
    given = {name: getattr(options, name) for name in names}
    given["banned_phrases"] = tuple(options.ban) if options.ban else None
    chosen = {name: value for name, value in given.items() if value is not None}
    return preset_config(options.preset, **chosen)


def _guide(options: argparse.Namespace) -> "Guide":
    from novelkit.sampling import Guide

    return Guide(_header(options), options.memory, options.note)


def _header(options: argparse.Namespace) -> "Header | None":
    """The header that was typed; raises `InputError` for a model that never saw one."""
    from novelkit.tokenizing.headers import Header, split_names

    names = split_names(" ".join(options.names))
    header = Header(options.title, options.author, options.style, options.chapter, names)
    if header and not knows_headers(options.model):
        raise InputError(
            f"{options.model} 没有用题头训练过，看不懂书名、作者、风格、章节和人物："
            "请去掉这些选项，或用 prepare --headers 的数据训练一个。"
        )
    return header or None
