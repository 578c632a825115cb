"""`novelkit write MODEL --prompt TEXT`: a continuation, streamed to the terminal."""

import argparse
import time
from typing import TYPE_CHECKING

from novelkit.bundled import model_folder
from novelkit.cli.output import Output
from novelkit.errors import InputError
from novelkit.layouts import knows_headers

if TYPE_CHECKING:
    from novelkit.tokenizing.headers import Header


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", type=model_folder, help="模型文件夹（训练文件夹里的 model），或自带模型的名字"
    )
    parser.add_argument("--prompt", required=True, help="开头的文字")
    header = parser.add_argument_group("题头：告诉模型写的是什么（要用题头训练过的模型）")
    header.add_argument("--title", default="", help="书名")
    header.add_argument("--author", default="", help="作者，例如 鲁迅")
    header.add_argument("--style", default="", help="风格，例如 现代小说")
    header.add_argument("--chapter", default="", help="章节的标题")
    header.add_argument("--names", nargs="+", default=[], metavar="NAME", help="出场的人物")
    parser.add_argument("--length", type=int, default=200, help="续写多少字")
    parser.add_argument("--temperature", type=float, default=0.8, help="温度，0 是每次取最可能的字")
    parser.add_argument("--top-k", type=int, default=50, help="只在最可能的 k 个字里选，0 不限")
    parser.add_argument("--top-p", type=float, default=1.0, help="只在累计概率到 p 的字里选")
    parser.add_argument("--seed", type=int, default=0, help="随机种子，同一个种子写出同样的字")


def run(options: argparse.Namespace) -> int:
    from novelkit.model import open_model
    from novelkit.sampling import SamplingConfig, generate
    from novelkit.tokenizing import load_tokenizer

    output = Output(options.json)
    config = SamplingConfig(
        temperature=options.temperature,
        top_k=options.top_k,
        top_p=options.top_p,
        length=options.length,
        seed=options.seed,
    )
    header = _header(options)
    tokenizer = load_tokenizer(options.model)
    model = open_model(options.model).model
    pieces = generate(model, tokenizer, options.prompt, config, header)
    began = time.monotonic()
    text, tokens, code = "", 0, 0
    try:
        for tokens, piece in enumerate(pieces, 1):
            if tokens == 1:
                output.say(options.prompt, end="")
            text += piece.text
            output.say(piece.text, end="")
    except KeyboardInterrupt:
        code = 130  # what was written stays
    output.say()
    seconds = time.monotonic() - began
    output.result({"text": text, "tokens": tokens, "seconds": seconds, "seed": options.seed})
    return code


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
