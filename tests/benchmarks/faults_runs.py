"""Runs with and without a fault: what they are called, how they are made, what damage was done."""

import json
import time
import zlib
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from faults_catalogue import FAULTS
from faults_setup import FaultySetup
from faults_texts import CORPORA, read_corpus, train_tokenizer
from safetensors.torch import load_file, save_file

from novelkit import layouts
from novelkit.diagnosis.probes import probe
from novelkit.diagnosis.setup import CPU
from novelkit.model import ModelConfig
from novelkit.scores import measure_anchors, running_median
from novelkit.training.config import TrainConfig
from novelkit.training.data import evaluate
from novelkit.training.history import HistoryWriter, Record, read_history

TRUTH_FILE = "truth.json"
PROBES_FILE = "probes.json"
WEIGHTS_FILE = "model.safetensors"
HEALTHY = "healthy"
EVALUATIONS = 14  # in a run


@dataclass(frozen=True)
class Size:
    """A model and how it is trained; the parts of the harness share none."""

    n_embd: int
    n_layer: int
    n_head: int
    n_ctx: int
    batch_size: int
    optimizer: str
    learning_rate: float
    steps: int


SIZES = {
    "develop": {
        "1": Size(48, 2, 2, 32, 8, "adamw", 3e-3, 700),
        "2": Size(40, 1, 2, 48, 6, "muon", 1e-2, 600),
    },
    "validate": {
        "3": Size(56, 1, 2, 40, 8, "adamw", 2.2e-3, 800),
        "4": Size(36, 2, 3, 24, 12, "muon", 7e-3, 640),
    },
    "report": {
        "5": Size(44, 1, 2, 36, 10, "adamw", 2.6e-3, 680),
        "6": Size(60, 1, 3, 28, 9, "muon", 5e-3, 560),
    },
}
SEEDS = {"develop": range(2), "validate": range(100, 105), "report": range(200, 205)}
HEALTHY_SEEDS = {"develop": range(15), "validate": range(100, 150), "report": range(200, 250)}


@dataclass(frozen=True)
class Plan:
    """One run: where it belongs, its seed, its fault (by number of severity), if any."""

    part: str
    corpus: str
    size: str
    seed: int
    cause: str = HEALTHY
    severity: int = 0

    @property
    def name(self) -> str:
        return f"{self.cause}-{self.severity}-{self.corpus}{self.size}-{self.seed}"

    @property
    def pair(self) -> "Plan":
        return replace(self, cause=HEALTHY, severity=0)

    @property
    def knobs(self) -> dict[str, Any]:
        if self.cause == HEALTHY:
            return {}
        return getattr(FAULTS[self.cause], self.part)[self.severity]


def all_plans(part: str, corpora: list[str], seeds: int = 0) -> list[Plan]:
    """Healthy runs first: the others are measured against them. `seeds` moves all seeds."""
    cells = [(corpus, size) for corpus in corpora for size in SIZES[part]]
    healthy = [
        Plan(part, corpus, size, seed + seeds)
        for seed in HEALTHY_SEEDS[part]
        for corpus, size in cells
    ]
    faulty = [
        Plan(part, corpus, size, seed + seeds, cause, severity)
        for seed in SEEDS[part]
        for severity in range(3)
        for cause in FAULTS
        for corpus, size in cells
    ]
    return healthy + faulty


def variety(plan: Plan) -> dict[str, Any]:
    """How a healthy run of this cell and seed differs from others; the same for all its faults."""
    name = f"{plan.corpus}{plan.size}-{plan.seed}"
    random = np.random.default_rng(zlib.crc32(name.encode()))
    sessions = random.choice([0, 0, 1, 2])
    return {
        "schedule": str(random.choice(["wsd", "cosine", "constant"])),
        "dropout": float(random.choice([0.0, 0.0, 0.1])),
        "rate": float(random.choice([0.6, 1.0, 1.4])),
        "warmup": float(random.choice([0.05, 0.1, 0.2])),
        # A smaller corpus is seen several times: the sawtooth of epochs, not yet overfitting.
        "share": float(random.choice([1.0, 1.0, 0.5])),
        "resumes": sorted(random.uniform(0.15, 0.85, sessions).tolist()),
        "scaler": bool(random.random() < 0.3),
    }


@cache
def corpus_texts(texts: Path, part: str, corpus: str) -> dict[str, str]:
    """The splits of a corpus of the harness."""
    return read_corpus(texts, CORPORA[part][corpus])


@cache
def corpus_anchors(texts: Path, part: str, corpus: str) -> dict[str, float]:
    found = corpus_texts(texts, part, corpus)
    return measure_anchors(found["train"], found["validation"]).as_dict()


def make_setup(plan: Plan, texts: Path, weights: Path | None = None) -> FaultySetup:
    """The training of a run, with its fault."""
    size, kind = SIZES[plan.part][plan.size], variety(plan)
    found = dict(corpus_texts(texts, plan.part, plan.corpus))
    if kind["share"] < 1:
        train = found["train"].split("\n")
        # Every second paragraph: of all books, not of the first ones.
        found["train"] = "\n".join(train[:: round(1 / kind["share"])])
    tokenizer = train_tokenizer(found["train"])
    config = TrainConfig(
        seed=plan.seed,
        batch_size=size.batch_size,
        optimizer=size.optimizer,
        learning_rate=size.learning_rate * kind["rate"],
        schedule=kind["schedule"],
        warmup_steps=max(1, round(kind["warmup"] * size.steps)),
        evaluate_every=max(1, size.steps // EVALUATIONS),
        evaluation_blocks=64,
    )
    model = ModelConfig(
        vocab_size=len(tokenizer),
        n_ctx=size.n_ctx,
        n_layer=size.n_layer,
        n_head=size.n_head,
        n_embd=size.n_embd,
        dropout=kind["dropout"],
    )
    resumes = tuple(round(at * size.steps) for at in plan.knobs.get("at", kind["resumes"]))
    return FaultySetup(
        model_config=model,
        config=config,
        tokenizer=tokenizer,
        texts=found,
        steps=size.steps,
        compute=replace(CPU, use_grad_scaler=kind["scaler"]),
        weights=load_file(weights) if weights else None,
        knobs=plan.knobs,
        resumes=resumes,
    )


def make_run(plan: Plan, texts: Path, out: Path) -> None:
    """Train, and write history, weights, the anchors of the run's own texts and its losses."""
    folder = out / plan.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / layouts.HISTORY_FILE).unlink(missing_ok=True)
    setup = make_setup(plan, texts)
    learner = setup.new_learner()
    history, session = HistoryWriter(folder), 1
    for step in range(1, setup.steps + 1):
        if step - 1 in setup.resumes:
            session += 1
            learner = setup.reopen(learner)
        record = setup.update(learner, setup.batch(step, session), step)
        if step % setup.config.evaluate_every == 0 or step == setup.steps:
            record["validation_loss"] = setup.validation_loss(learner)
        history.append(_without_nan({"step": step, **record, "session": session}))
    history.close()
    save_file(learner.model.state_dict(), folder / WEIGHTS_FILE)
    layouts.write_json(folder / layouts.RUN_FILE, _ledger(setup, plan, texts))
    truth = {"plan": asdict(plan), "variety": variety(plan), **_losses(setup, learner, plan, texts)}
    layouts.write_json(folder / TRUTH_FILE, truth)


def _without_nan(record: Record) -> Record:
    """As JSON can hold it: no number is null."""
    bad = {k for k, v in record.items() if isinstance(v, float) and not np.isfinite(v)}
    return {key: None if key in bad else value for key, value in record.items()}


def _ledger(setup: FaultySetup, plan: Plan, texts: Path) -> dict[str, Any]:
    """What the doctor may see of the settings: nothing in which a fault could show."""
    if setup.knobs.keys() & {"noise", "characters", "leak"}:
        anchors = measure_anchors(setup.texts["train"], setup.texts["validation"]).as_dict()
    else:
        anchors = corpus_anchors(texts, plan.part, plan.corpus)
    ratios = {
        name: len(setup.tokens(name)) / len(setup.texts[name]) for name in ("train", "validation")
    }
    data = {"anchors": anchors, "tokens_per_character": ratios}
    return {"format": "novelkit-run", "version": layouts.VERSION, "data": data}


@torch.no_grad()
def _losses(setup: FaultySetup, learner: Any, plan: Plan, texts: Path) -> dict[str, float | None]:
    """Losses in nats per character, by the library's own evaluation on the undamaged texts."""
    clean = corpus_texts(texts, plan.part, plan.corpus)

    def loss(text: str, tokenizer: Any) -> float:
        ids = tokenizer.encode(text)
        found = evaluate(learner.model, ids, 96)
        return found * len(ids) / len(text)

    found = {"test": loss(clean["test"], setup.tokenizer)}
    if "vocabulary" in setup.knobs:
        setup.weights = learner.model.state_dict()
        sampler = setup.sampler()
        assert sampler is not None
        train = setup.texts["train"][:12_000]
        found["sampler"] = loss(train, sampler[1]) - loss(train, setup.tokenizer)
    # JSON has no NaN; `damage` takes null for it.
    return {name: value if np.isfinite(value) else None for name, value in found.items()}


def probe_run(plan: Plan, texts: Path, out: Path, only: list[str] | None = None) -> None:
    """Ask all probes about a run's training, or some again, and write what they found."""
    folder = out / plan.name
    # No limit: on a machine with other work a probe that is left out would tell nothing of the
    # doctor. The seconds of the CPU are what it costs.
    began = time.process_time()
    weights = folder / WEIGHTS_FILE
    setup = make_setup(plan, texts, weights if weights.exists() else None)
    found = probe(setup, only, seconds=float("inf"))
    seconds = time.process_time() - began
    signs = {name: value if np.isfinite(value) else None for name, value in found.signs.items()}
    answers = {"signs": signs, "cpu_seconds": round(seconds, 2), "failed": found.failed}
    if only:
        before = json.loads((folder / PROBES_FILE).read_text(encoding="utf-8"))
        answers = before | {"signs": before["signs"] | signs}
    layouts.write_json(folder / PROBES_FILE, answers)


def read_truth(folder: Path) -> dict[str, Any]:
    return json.loads((folder / TRUTH_FILE).read_text(encoding="utf-8"))


def damage(plan: Plan, out: Path) -> dict[str, float]:
    """The measures of `faults_catalogue.MEASURES` for one run; a test loss of NaN is infinite."""
    folder, pair = out / plan.name, out / plan.pair.name
    truth, healthy = read_truth(folder), read_truth(pair)
    test, pair_test = _finite(truth["test"]), _finite(healthy["test"])
    found = {"held_out": test - pair_test}
    mine, theirs = _curve(folder), _curve(pair)
    found["misread"] = (test - mine["reported"]) - (pair_test - theirs["reported"])
    found["sampler"] = truth.get("sampler", 0.0)
    found["swing"] = mine["swing"] / theirs["swing"]
    starts = np.flatnonzero(np.diff(mine["session"])) + 1
    if len(starts):
        after = mine["loss"] - theirs["loss"]
        found["setback"] = float(np.mean(after[starts[0] :]))
        found["jump"] = max(float(np.mean(after[at : at + 20])) for at in starts)
    return found


def _finite(value: float | None) -> float:
    return np.inf if value is None or not np.isfinite(value) else value


def _curve(folder: Path) -> dict[str, Any]:
    history = read_history(folder)
    ratios = json.loads((folder / layouts.RUN_FILE).read_text(encoding="utf-8"))["data"][
        "tokens_per_character"
    ]
    loss = np.array([record["loss"] for record in history], dtype=float) * ratios["train"]
    reported = [r["validation_loss"] for r in history if "validation_loss" in r][-1]
    known = loss[np.isfinite(loss)]
    around = (known - running_median(known))[len(known) // 4 :]
    return {
        "loss": loss,
        "session": np.array([record["session"] for record in history]),
        "reported": np.nan if reported is None else reported * ratios["validation"],
        "swing": float(1.4826 * np.median(np.abs(around))) if len(around) else np.nan,
    }


def is_faulty(plan: Plan, out: Path) -> bool:
    """Whether the fault of a run did enough damage to be one."""
    found = damage(plan, out)
    wanted = FAULTS[plan.cause].damage
    return any(found.get(name, -np.inf) >= threshold for name, threshold in wanted)
