"""`novelkit write MODEL --prompt TEXT`: a continuation, streamed to the terminal."""

import argparse
import time
from pathlib import Path

from novelkit.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help="模型文件夹（训练文件夹里的 model）")
    parser.add_argument("--prompt", required=True, help="开头的文字")
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
    tokenizer = load_tokenizer(options.model)
    pieces = generate(open_model(options.model).model, tokenizer, options.prompt, config)
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
