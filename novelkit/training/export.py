"""The model folder of a run: best weights, tokenizer and scores, as other tools open them."""

from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file

from novelkit import checkpoint, layouts
from novelkit.model import GPT2, save_model
from novelkit.tokenizing.characters import load_tokenizer
from novelkit.training.data import TrainingData, evaluate
from novelkit.training.disk import writing_to


@dataclass(frozen=True)
class Scores:
    """Losses in nats per token and bits per character on whole splits."""

    validation_loss: float
    validation_bits_per_character: float
    test_loss: float
    test_bits_per_character: float


def export_model(run: Path, data: TrainingData, model: GPT2, best_step: int | None) -> Scores:
    """Write RUN/model from the best weights, and score them on the whole held-out splits.

    Changes the weights of `model` to the best ones.
    """
    if best_step is not None:
        best = checkpoint.checkpoint_path(run / layouts.BEST_FOLDER, best_step)
        model.load_state_dict(load_file(best / "model.safetensors"))
    losses = {name: evaluate(model, data.tokens(name)) for name in ("validation", "test")}
    scores = Scores(
        validation_loss=losses["validation"],
        validation_bits_per_character=data.bits_per_character("validation", losses["validation"]),
        test_loss=losses["test"],
        test_bits_per_character=data.bits_per_character("test", losses["test"]),
    )
    folder = run / layouts.MODEL_FOLDER
    tokenizer = load_tokenizer(data.folder)
    special = {"bos_token_id": tokenizer.book, "eos_token_id": tokenizer.end_of_text}
    with writing_to(run):
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
                "scores": vars(scores),
            },
        )
    return scores
