"""The training of a RUN folder, with its DATA, as `TrainingSetup`: what the probes try."""

from pathlib import Path

import numpy as np

from novelkit import layouts
from novelkit.diagnosis.setup import CPU, TrainingSetup
from novelkit.errors import InputError
from novelkit.model import GPT2, LanguageModel, ModelConfig, open_model
from novelkit.scores import read_evenly
from novelkit.tokenizing import Tokenizer, load_tokenizer
from novelkit.training.batches import BatchStream
from novelkit.training.config import TrainConfig
from novelkit.training.data import TrainingData
from novelkit.training.history import read_history

# More of a text tells the probes nothing new.
MOST_CHARACTERS = 3_000_000


class RunSetup(TrainingSetup):
    """A run as its ledger describes it: settings, data, resumes, and the model that it exported."""

    def __init__(self, run: Path | str, data: Path | str) -> None:
        """Raises `InputError` for a run without a model, of other data, or not of our GPT-2."""
        run, self._data = Path(run), TrainingData.read(data)
        ledger = layouts.read_header(run / layouts.RUN_FILE, "novelkit-run")
        if ledger["data"]["train"] != self._data.identity["train"]:
            raise InputError(f"{run} 不是用 {data} 训练的：请给出训练时的 DATA，才能用探针。")
        sizes = {name: ledger["model"].get(name) for name in ModelConfig.__dataclass_fields__}
        if None in sizes.values():
            raise InputError(f"{run} 里不是本工具的 GPT-2：探针还不会拆开别的结构，只读曲线。")
        self._model_folder = run / layouts.MODEL_FOLDER
        history = read_history(run)
        sessions = [record.get("session", 1) for record in history]
        ends = np.flatnonzero(np.diff(sessions)).tolist()
        super().__init__(
            model_config=ModelConfig(**sizes),
            config=TrainConfig(**ledger["config"]),
            tokenizer=load_tokenizer(self._data.folder),
            texts={
                name: read_evenly(self._data.folder / f"{name}.txt", MOST_CHARACTERS)
                for name in ("train", "validation")
            },
            steps=len(history),
            compute=CPU,
            weights=self._exported_weights(),
            resumes=tuple(history[at]["step"] for at in ends),
        )

    def _exported_weights(self) -> dict | None:
        if not (self._model_folder / layouts.MODEL_FILE).is_file():
            return None
        model = open_model(self._model_folder).model
        return model.state_dict() if isinstance(model, GPT2) else None

    def tokens(self, split: str) -> np.ndarray:
        """The ids that the run was trained on, mapped into memory."""
        return self._data.tokens(split)

    def batch_stream(self) -> BatchStream:
        context, headers = self.model_config.n_ctx, self._data.headers("train")
        size, seed = self.config.batch_size, self.config.seed
        return BatchStream(self.tokens("train"), context, size, seed, headers)

    def sampler(self) -> tuple[LanguageModel, Tokenizer] | None:
        """What `novelkit write` opens."""
        if self.weights is None:
            return None
        return open_model(self._model_folder).model, load_tokenizer(self._model_folder)
