"""The recipes that the recipe benchmark knows by name."""

from dataclasses import replace
from typing import Any

from recipe_trials import Recipe

from novelkit.training import TrainConfig

# nanoGPT's recipe for a small character model (config/train_shakespeare_char.py), at our batch and
# dropout; its learning rate is tuned with as many trials as ours.
NANOGPT = Recipe(
    "nanogpt",
    optimizer="adamw",
    learning_rate=1e-3,
    beta2=0.99,
    schedule="cosine",
    warmup_share=0.05,
    warmup_steps=0,
)
# The same by PyTorch's own kernels, and with the dropout of nanoGPT's file.
PLAIN = NANOGPT.but("nanogpt-plain", own_kernels=False)
PLAIN_FASTER = PLAIN.but("nanogpt-plain-lr0.0014", learning_rate=1.4e-3)
VERBATIM = NANOGPT.but("nanogpt-verbatim", own_kernels=False, dropout=0.2)
# What transformers.Trainer does if it is told nothing; a rate for fine-tuning.
TRAINER = Recipe(
    "trainer",
    optimizer="adamw",
    learning_rate=5e-5,
    weight_decay=0.0,
    beta2=0.999,
    schedule="linear",
    warmup_steps=0,
    dropout=0.1,
)
OURS = Recipe("novelkit", library=TrainConfig())
# The plain form of what TrainConfig can say; the candidates change one thing each.
MUON = Recipe("muon")
TWO_RATES = MUON.but("muon-emb1e-2", embedding_rate=1e-2)
LINEAR = TWO_RATES.but("muon-emb1e-2+linear0.4", linear_cooldown=True, cooldown=0.4)
BETA = LINEAR.but("muon-emb1e-2+linear0.4+beta0.99", beta2=0.99)
QKV = BETA.but(f"{BETA.name}+qkv", split="qkv")
MOMENTUM = QKV.but(f"{QKV.name}+m0.9", momentum=0.9)

# What the other optimizers of `novelkit train` were given their rates by.
RATES = {
    "adamw": (1e-3, 2e-3, 3e-3),
    "sgd": (0.03, 0.1, 0.3, 1.0),
    "lamb": (3e-3, 1e-2, 3e-2, 1e-1),
    "adafactor": (3e-3, 1e-2, 3e-2, 1e-1),
}
OTHERS = [
    Recipe(f"{name}-lr{rate:g}", library=TrainConfig(optimizer=name, learning_rate=rate))
    for name, rates in RATES.items()
    for rate in rates
]


def _variants(base: Recipe, changes: dict[str, dict[str, Any]]) -> list[Recipe]:
    return [base.but(f"{base.name}+{name}", **change) for name, change in changes.items()]


_SINGLE = {
    "lr1.5e-3": {"learning_rate": 1.5e-3},
    "lr2.5e-3": {"learning_rate": 2.5e-3},
    "lr4e-3": {"learning_rate": 4e-3},
    "lr6e-3": {"learning_rate": 6e-3},
    "lr4e-3-emb1.2e-2": {"learning_rate": 4e-3, "embedding_rate": 1.2e-2},
    "lr4e-3-emb1.4e-2": {"learning_rate": 4e-3, "embedding_rate": 1.4e-2},
    "lr5e-3-emb1.5e-2": {"learning_rate": 5e-3, "embedding_rate": 1.5e-2},
    "m0.85": {"momentum": 0.85},
    "m0.9": {"momentum": 0.9},
    "qkv": {"split": "qkv"},
    "heads": {"split": "heads"},
    "rows": {"neuron_norm": True},
    "warmup": {"momentum_warmup": 100},
    "wd0": {"weight_decay": 0.0},
    "wd0.5": {"weight_decay": 0.5},
    "embwd0": {"embedding_decay": 0.0},
    "linear0.3": {"linear_cooldown": True, "cooldown": 0.3},
    "linear0.5": {"linear_cooldown": True, "cooldown": 0.5},
    "linear0.7": {"linear_cooldown": True, "cooldown": 0.7},
    "sqrt0.5": {"cooldown": 0.5},
    "batch8": {"batch_size": 8},
    "batch32": {"batch_size": 32},
    "zero": {"zero_outputs": True},
    "emb0.05": {"embedding_std": 0.05},
    "emb0.01": {"embedding_std": 0.01},
    "beta0.99": {"beta2": 0.99},
    "beta0.995": {"beta2": 0.995},
    "beta0.8": {"beta1": 0.8},
    "smooth": {"label_smoothing": 0.05},
    "ema": {"ema": 0.99},
    "dropout": {"dropout": 0.1},
    "embrate3e-2": {"embedding_rate": 3e-2},
}

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        NANOGPT,
        *(
            NANOGPT.but(f"nanogpt-lr{rate:g}", learning_rate=rate)
            for rate in (5e-4, 7e-4, 1.4e-3, 2e-3, 3e-3)
        ),
        PLAIN,
        PLAIN_FASTER,
        VERBATIM,
        TRAINER,
        OURS,
        *OTHERS,
        MUON,
        TWO_RATES,
        LINEAR,
        *_variants(MUON, _SINGLE),
        *_variants(TWO_RATES, _SINGLE),
        *_variants(LINEAR, _SINGLE),
        *_variants(BETA, _SINGLE),
        *_variants(QKV, _SINGLE),
        *_variants(MOMENTUM, _SINGLE),
    )
}


def ablations(config: TrainConfig) -> dict[str, Recipe]:
    """Our recipe, and our recipe with one component taken out or put back to the usual."""
    without = {
        "the recipe": {},
        "AdamW for all": {"optimizer": "adamw", "learning_rate": None},
        "cosine instead of wsd": {"schedule": "cosine"},
        "no cooldown": {"schedule": "constant"},
        "no warm-up": {"warmup_steps": 0},
        "no weight decay": {"weight_decay": 0.0},
        "no clipping": {"gradient_clip": 1e9},
        "AdamW's β2 0.95": {"beta2": 0.95},
        "momentum 0.95": {"beta1": 0.95},
        "half the learning rate": {"learning_rate": config.peak_rate / 2},
        "twice the learning rate": {"learning_rate": config.peak_rate * 2},
    }
    recipes = {
        name: Recipe(name, library=replace(config, **change)) for name, change in without.items()
    }
    recipes["dropout 0.1"] = Recipe("dropout 0.1", library=config, dropout=0.1)
    return recipes
