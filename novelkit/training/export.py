"""The model folder of a run: best weights, tokenizer and scores, as other tools open them."""

from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file

from novelkit import checkpoint, layouts
from novelkit.copying import FILTER_FILE, NgramFilter
from novelkit.model import LanguageModel, save_model, weights_sha256
from novelkit.tokenizing.blocks import Blocks
from novelkit.tokenizing.loading import load_tokenizer
from novelkit.training.card import model_card
from novelkit.training.data import Progress, TrainingData, evaluate
from novelkit.training.disk import writing_to
from novelkit.training.history import read_history
from novelkit.training.run import Run


@dataclass(frozen=True)
class Scores:
    """Losses in nats per token and bits per character on whole splits."""

    validation_loss: float
    validation_bits_per_character: float
    test_loss: float
    test_bits_per_character: float


def export_model(run: Run, progress: Progress | None = None) -> Scores:
    """Write RUN/model from the best weights, and score them on the whole held-out splits.

    Changes the weights of the run's model to the best ones; `progress(done, total)` counts blocks.
    """
    out, data, best_step = run.out, run.data, run.state.best_step
    model = run.learner.evaluated
    if best_step is not None:
        best = checkpoint.checkpoint_path(out / layouts.BEST_FOLDER, best_step)
        model.load_state_dict(load_file(best / "model.safetensors"))
    losses = _held_out_losses(data, model, progress)
    scores = Scores(
        validation_loss=losses["validation"],
        validation_bits_per_character=data.bits_per_character("validation", losses["validation"]),
        test_loss=losses["test"],
        test_bits_per_character=data.bits_per_character("test", losses["test"]),
    )
    folder = out / layouts.MODEL_FOLDER
    tokenizer = load_tokenizer(data.folder)
    special = {"bos_token_id": tokenizer.book, "eos_token_id": tokenizer.end_of_text}
    with writing_to(out):
        # It vouches for the weights, so it goes before they change and comes after them.
        (folder / layouts.MODEL_FILE).unlink(missing_ok=True)
        save_model(model, folder, special)
        tokenizer.save(folder)
        layouts.write_json(
            folder / layouts.MODEL_FILE,
            {
                "format": "novelkit-model",
                "version": layouts.VERSION,
                "novels": [novel["title"] for novel in data.header["novels"]],
                "anchors": data.header["anchors"],
                "step": best_step,
                "headers": "headers" in data.header,
                "weights_sha256": weights_sha256(folder),
                "tokenizer_sha256": data.header["tokenizer_sha256"],
                "scores": vars(scores),
            },
        )
        card = model_card(
            "、".join(f"《{novel['title']}》" for novel in data.header["novels"][:3]),
            data.header,
            layouts.read_header(out / layouts.RUN_FILE, "novelkit-run"),
            read_history(out),
            vars(scores),
            best_step,
        )
        layouts.write_text(folder / layouts.CARD_FILE, card)
        _write_filter(run, folder)
    return scores


def _write_filter(run: Run, folder: Path) -> None:
    """Let copying be checked wherever the model goes, without the training text."""
    training = run.data.folder / "train.txt"
    if training.is_file():
        NgramFilter.build(training).save(folder / FILTER_FILE)
        return
    # A DATA folder may travel to another machine with its ids alone.
    (folder / FILTER_FILE).unlink(missing_ok=True)
    if run.hooks.on_notice:
        run.hooks.on_notice(
            f"没有 {training}，做不了查重的索引 {FILTER_FILE}："
            "把它拿到有训练文字的机器上再补（copying.NgramFilter），否则查不出照抄。"
        )


def _held_out_losses(
    data: TrainingData, model: LanguageModel, progress: Progress | None
) -> dict[str, float]:
    """Nats per token on validation and test, with one count of blocks over both."""
    splits = {name: data.tokens(name) for name in ("validation", "test")}
    blocks = {name: len(Blocks(tokens, model.config.n_ctx)) for name, tokens in splits.items()}
    losses, before = {}, 0
    for name, tokens in splits.items():

        def count(done: int, _: int, before: int = before) -> None:
            if progress:
                progress(before + done, sum(blocks.values()))

        losses[name] = evaluate(model, tokens, progress=count, headers=data.headers(name))
        before += blocks[name]
    return losses
