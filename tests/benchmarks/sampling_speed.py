"""How fast the sampler writes, beside `model.generate` of transformers and a loop without a cache.

    python tests/benchmarks/sampling_speed.py --sizes small base --rounds 5

Every contender writes as many new tokens after the same prompt, with random weights of the size, a
vocabulary of single characters (so a token is a character), temperature 0.8 and top-k 50. They take
turns; the table holds medians of tokens a second and, round by round, the ratio to `generate` of
transformers in fp32 with its default cache. Then: the time to the first token, and eight candidates
beside one. Markdown on standard output.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scores_books import table

from novelkit.model import GPT2, ModelConfig, save_model
from novelkit.sampling import SamplingConfig, generate, generate_candidates, make_decoder
from novelkit.tokenizing import CharTokenizer

SIZES = {
    "small": {"vocab_size": 4688, "n_ctx": 512, "n_layer": 6, "n_head": 6, "n_embd": 384},
    "base": {"vocab_size": 21128, "n_ctx": 1024, "n_layer": 12, "n_head": 12, "n_embd": 768},
}
REFERENCE = "transformers generate, fp32"
PROMPT_TOKENS = 8


class Contest:
    """Functions that write `length` tokens, and what one round of each took."""

    def __init__(self, size: str, length: int) -> None:
        torch.manual_seed(0)
        self.length = length
        self.model = GPT2(ModelConfig(**SIZES[size], dropout=0.0)).eval()
        self.tokenizer = _tokenizer(SIZES[size]["vocab_size"])
        self.prompt = self.tokenizer.decode(range(1000, 1000 + PROMPT_TOKENS))
        with tempfile.TemporaryDirectory() as folder:
            save_model(self.model, Path(folder))
            from transformers import AutoModelForCausalLM

            self.theirs = AutoModelForCausalLM.from_pretrained(folder).eval()
        self.decoders = {name: make_decoder(self.model, name) for name in ("fp32", "bf16", "int8")}

    def contenders(self, without_cache: bool) -> dict[str, Callable[[int], int]]:
        """Each writes with a seed and returns how many tokens it wrote."""
        found: dict[str, Callable[[int], int]] = {REFERENCE: self.transformers}
        for name in self.decoders:
            found[f"novelkit, {name}"] = lambda seed, name=name: self.novelkit(name, seed)
        if without_cache:
            found["a loop without a cache, fp32"] = self.without_cache
        return found

    def transformers(self, seed: int) -> int:
        torch.manual_seed(seed)
        ids = torch.tensor([self.tokenizer.encode(self.prompt).tolist()])
        written = self.theirs.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=True,
            temperature=0.8,
            top_k=50,
            top_p=1.0,
            max_new_tokens=self.length,
            eos_token_id=None,
            pad_token_id=0,
        )
        return written.size(1) - ids.size(1)

    def novelkit(self, precision: str, seed: int, length: int = 0) -> int:
        config = SamplingConfig(length=length or self.length, seed=seed)
        decoder = self.decoders[precision]
        return sum(1 for _ in generate(decoder, self.tokenizer, self.prompt, config))

    @torch.inference_mode()
    def without_cache(self, seed: int) -> int:
        """As the published loops for Chinese GPT-2 go: the whole text again for every token."""
        torch.manual_seed(seed)
        ids = torch.tensor([self.tokenizer.encode(self.prompt).tolist()])
        for _ in range(self.length):
            logits = self.theirs(input_ids=ids, use_cache=False).logits[0, -1] / 0.8
            logits[logits < logits.topk(50).values[-1]] = -float("inf")
            ids = torch.cat([ids, torch.multinomial(logits.softmax(-1), 1)[None]], dim=1)
        return self.length

    def candidates(self, precision: str, count: int, seed: int) -> int:
        config = SamplingConfig(length=self.length, seed=seed)
        pieces = generate_candidates(
            self.decoders[precision], self.tokenizer, self.prompt, config, count=count
        )
        return sum(1 for _ in pieces)


def _tokenizer(vocabulary: int) -> CharTokenizer:
    """A tokenizer of so many ids, whose characters are the first ones of Unicode's hanzi."""
    few = CharTokenizer.train("一")
    return CharTokenizer.train("".join(chr(0x4E00 + i) for i in range(vocabulary - len(few) + 1)))


def speed(write: Callable[[int], int], seed: int) -> float:
    """Tokens a second of one round."""
    began = time.perf_counter()
    written = write(seed)
    return written / (time.perf_counter() - began)


def show_contest(contest: Contest, size: str, rounds: int, without_cache: bool) -> None:
    contenders = contest.contenders(without_cache)
    speeds: dict[str, list[float]] = {name: [] for name in contenders}
    for write in contenders.values():
        write(0)
    for seed in range(rounds):
        for name, write in contenders.items():
            speeds[name].append(speed(write, seed))
    table("size", "contender", "tokens a second", "ratio", "least", "most")
    for name, values in speeds.items():
        ratios = np.array(values) / np.array(speeds[REFERENCE])
        print(
            f"| {size} | {name} | {np.median(values):.0f} | {np.median(ratios):.2f} | "
            f"{ratios.min():.2f} | {ratios.max():.2f} |"
        )


def show_first_token(contest: Contest, size: str, characters: int, rounds: int) -> None:
    """Milliseconds to the first piece after a prompt of so many characters."""
    prompt = contest.tokenizer.decode(range(1000, 1000 + characters))
    table("size", "precision", f"ms to the first token after {characters} characters")
    for precision, decoder in contest.decoders.items():
        times = []
        for seed in range(rounds + 1):
            began = time.perf_counter()
            next(generate(decoder, contest.tokenizer, prompt, SamplingConfig(seed=seed)))
            times.append(1000 * (time.perf_counter() - began))
        print(f"| {size} | {precision} | {np.median(times[1:]):.0f} |")


def show_candidates(contest: Contest, size: str, count: int, rounds: int) -> None:
    table("size", "precision", "one, tokens a second", f"{count} together", "ratio")
    for precision in contest.decoders:
        one, many = [], []
        for seed in range(rounds):
            one.append(speed(lambda seed: contest.novelkit(precision, seed), seed))  # noqa: B023
            many.append(speed(lambda seed: contest.candidates(precision, count, seed), seed))  # noqa: B023
        ratio = np.median(np.array(many) / np.array(one))
        print(
            f"| {size} | {precision} | {np.median(one):.0f} | {np.median(many):.0f} | {ratio:.2f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--length", type=int, default=200, help="new tokens")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--candidates", type=int, default=8)
    parser.add_argument("--without-cache", action="store_true")
    options = parser.parse_args()
    waiting = {name: os.environ.get(name) for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {waiting}\n")
    for size in options.sizes:
        contest = Contest(size, options.length)
        show_contest(contest, size, options.rounds, options.without_cache)
        show_first_token(contest, size, 256, options.rounds)
        show_candidates(contest, size, options.candidates, options.rounds)


if __name__ == "__main__":
    main()
