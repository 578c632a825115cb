"""What a GPT-2 of a given size costs: parameters, floating-point operations, memory of training.

Pure functions of a `ModelConfig`, written out as formulas; the tests compare them with what
PyTorch counts and allocates. Letters: L layers, C = n_embd, V = vocab_size, H heads, N = B T tokens
of a micro-batch, s bytes of a number in the precision of the matrix products.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from novelkit.errors import InputError
from novelkit.model.gpt2 import ModelConfig
from novelkit.model.kernels import ROWS_TOGETHER

FLOAT = 4  # bytes of a float32: weights, gradients and optimizer state
# What may be planned for: allocators lose some memory in gaps, and the estimate is one.
USABLE = 0.8

_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
# float32 numbers of state that an optimizer keeps for each number that it moves.
_STATE = {"adamw": 2, "lamb": 2, "sgd": 1}
OPTIMIZERS = (*_STATE, "muon", "adafactor")


@dataclass(frozen=True)
class Parameters:
    """Numbers in the parts of a model."""

    token_embedding: int  # V C, once more as the head without costing anything
    position_embedding: int  # n_ctx C
    attention: int  # L (4 C^2 + 4 C)
    mlp: int  # L (8 C^2 + 5 C)
    norms: int  # (2 L + 1) 2 C

    @property
    def total(self) -> int:
        return sum(asdict(self).values())


@dataclass(frozen=True)
class TrainingMemory:
    """Bytes by what they are for, at the fullest moment of a step."""

    weights: int
    gradients: int
    optimizer: int
    activations: int  # kept from the forward pass for the backward pass
    logits: int  # besides those, while the loss is differentiated

    @property
    def total(self) -> int:
        return sum(asdict(self).values())


@dataclass(frozen=True)
class MemorySettings:
    """What decides the memory besides the size of the model."""

    # Precision of the matrix products; weights stay in float32 (mixed precision).
    dtype: str = "float32"
    optimizer: str = "muon"
    device: str = "cpu"
    # A moving average of the weights is one more copy of them.
    average: bool = False

    def __post_init__(self) -> None:
        for name, known in (("dtype", tuple(_BYTES)), ("optimizer", OPTIMIZERS)):
            if getattr(self, name) not in known:
                raise InputError(
                    f"{name} 是 {getattr(self, name)}，这里只会估算 {'、'.join(known)}："
                    "请改成其中之一。"
                )


def count_parameters(config: ModelConfig) -> Parameters:
    """The numbers of a model by part; their sum is `GPT2.count_parameters`."""
    layers, channels = config.n_layer, config.n_embd
    return Parameters(
        token_embedding=config.vocab_size * channels,
        position_embedding=config.n_ctx * channels,
        attention=layers * (4 * channels**2 + 4 * channels),
        mlp=layers * (8 * channels**2 + 5 * channels),
        norms=(2 * layers + 1) * 2 * channels,
    )


def flops_per_token(config: ModelConfig, context: int | None = None) -> int:
    """Floating-point operations that training spends on a token: 6 M + 12 L C T.

    M = 12 L C^2 + V C are the weights in matrix products (Kaplan et al. 2020, arXiv:2001.08361: 2
    operations forward, 4 backward); attention over T tokens adds the rest (Chowdhery et al. 2022,
    arXiv:2204.02311, appendix B), the causal half that a good kernel leaves out included.
    """
    layers, channels = config.n_layer, config.n_embd
    matrices = 12 * layers * channels**2 + config.vocab_size * channels
    return 6 * matrices + 12 * layers * channels * (context or config.n_ctx)


def training_memory(
    config: ModelConfig, micro_batch: int, settings: MemorySettings | None = None
) -> TrainingMemory:
    """Bytes that a training step of `micro_batch` full blocks needs."""
    settings = settings or MemorySettings()
    weights = FLOAT * count_parameters(config).total
    tokens = micro_batch * config.n_ctx
    return TrainingMemory(
        weights=weights * (2 if settings.average else 1),
        gradients=weights,
        optimizer=optimizer_bytes(config, settings.optimizer),
        activations=activation_bytes(config, micro_batch, settings),
        logits=_logit_bytes(config, tokens, settings),
    )


def _logit_bytes(config: ModelConfig, tokens: int, settings: MemorySettings) -> int:
    """The gradients of the log-probabilities and of the logits, both float32.

    A CPU takes them some rows at a time (`kernels.head_losses`), and has then the head's gradient
    twice: what has been added up, and that of these rows.
    """
    if settings.device != "cpu" or tokens <= ROWS_TOGETHER:
        return 2 * FLOAT * tokens * config.vocab_size
    rows = 2 * FLOAT * ROWS_TOGETHER * config.vocab_size
    return rows + _BYTES[settings.dtype] * config.vocab_size * config.n_embd


def optimizer_bytes(config: ModelConfig, optimizer: str) -> int:
    """State in float32: AdamW and LAMB two numbers a weight, SGD with momentum one.

    Muon keeps one for the matrices of the blocks (12 L C^2) and leaves the rest to AdamW. Adafactor
    keeps a row and a column a matrix and one number for each entry of a vector.
    """
    parameters, channels = count_parameters(config), config.n_embd
    if optimizer == "muon":
        hidden = 12 * config.n_layer * channels**2
        return FLOAT * (hidden + 2 * (parameters.total - hidden))
    if optimizer == "adafactor":
        shapes = _matrices(config)
        vectors = parameters.total - sum(rows * columns for rows, columns in shapes)
        return FLOAT * (sum(rows + columns for rows, columns in shapes) + vectors)
    return FLOAT * _STATE[optimizer] * parameters.total


def activation_bytes(config: ModelConfig, micro_batch: int, settings: MemorySettings) -> int:
    """Bytes that the forward pass keeps for the backward pass.

    As Korthikanti et al. 2022 (arXiv:2205.05198) count them, with a residual stream in float32, as
    mixed precision has it. A layer keeps what its two norms read (2 N C float32) and what its
    matrix products and GELU read: two normalised copies, query, key, value, the mixed values, and
    the MLP before and after GELU (2 + 3 + 1 + 4 + 4 = 14 N C, s bytes each).
    """
    size = _BYTES[settings.dtype]
    layers, channels = config.n_layer, config.n_embd
    tokens = micro_batch * config.n_ctx
    stream = (2 * layers + 1) * tokens * channels * FLOAT
    products = (14 * layers + 1) * tokens * channels * size
    norms = (2 * layers + 1) * 2 * tokens * FLOAT  # mean and spread of each
    attention = layers * config.n_head * tokens * _bytes_a_row(config, settings)
    # Mixed precision keeps its low-precision copy of each matrix, the head included.
    copies = (12 * layers * channels + config.vocab_size) * channels * size if size < FLOAT else 0
    probabilities = FLOAT * tokens * config.vocab_size
    dropout = _dropout_bytes(config, micro_batch, settings) if config.dropout else 0
    return stream + products + norms + attention + copies + probabilities + dropout


def _bytes_a_row(config: ModelConfig, settings: MemorySettings) -> int:
    """What attention keeps of the row of weights of one head and token.

    One kernel keeps a single number. Where a CPU takes three products instead (`kernels.mix`), the
    row stays, and with dropout its mask and the product of both.
    """
    size = _BYTES[settings.dtype]
    if settings.device != "cpu" or not (config.dropout or size < FLOAT):
        return FLOAT
    return config.n_ctx * size * (3 if config.dropout else 1)


def _dropout_bytes(config: ModelConfig, micro_batch: int, settings: MemorySettings) -> int:
    """The masks of dropout outside of attention: a CPU stores them as what they fall on.

    A GPU draws a mask of one byte a number.
    """
    size, layers = _BYTES[settings.dtype], config.n_layer
    numbers = micro_batch * config.n_ctx * config.n_embd
    if settings.device != "cpu":
        return (2 * layers + 1) * numbers
    return 2 * layers * numbers * size + numbers * FLOAT


def propose_micro_batch(
    config: ModelConfig,
    batch_size: int,
    memory_bytes: int,
    settings: MemorySettings | None = None,
) -> int:
    """The largest divisor of `batch_size` whose step fits in four fifths of `memory_bytes`.

    Raises `InputError` if not even one block does.
    """
    usable = USABLE * memory_bytes
    for blocks in sorted(_divisors(batch_size), reverse=True):
        if training_memory(config, blocks, settings).total <= usable:
            return blocks
    needed = training_memory(config, 1, settings).total
    raise InputError(
        f"内存有 {show_bytes(memory_bytes)}，训练这个模型至少要 {show_bytes(needed / USABLE)}"
        "（一次一段）：请换小一号的模型，减小 n_ctx，或用 bfloat16／float16。"
    )


def size_report(
    config: ModelConfig,
    batch_size: int = 16,
    memory_bytes: int | None = None,
    settings: MemorySettings | None = None,
) -> dict[str, Any]:
    """All of the above as plain values; the micro-batch is the batch where no memory is given."""
    settings = settings or MemorySettings()
    micro_batch = batch_size
    if memory_bytes is not None:
        micro_batch = propose_micro_batch(config, batch_size, memory_bytes, settings)
    parameters, flops = count_parameters(config), flops_per_token(config)
    memory = training_memory(config, micro_batch, settings)
    return {
        "parameters": {**asdict(parameters), "total": parameters.total},
        "context": config.n_ctx,
        "flops_per_token": flops,
        "tokens_per_step": batch_size * config.n_ctx,
        "flops_per_step": flops * batch_size * config.n_ctx,
        "micro_batch": micro_batch,
        "memory": {**asdict(memory), "total": memory.total},
        "memory_available": memory_bytes,
        **asdict(settings),
    }


def describe_sizes(report: dict[str, Any]) -> str:
    """What `size_report` found, in one Chinese paragraph."""
    parameters, memory = report["parameters"], report["memory"]
    total = parameters["total"]
    embeddings = parameters["token_embedding"] + parameters["position_embedding"]
    both = memory["weights"] + memory["gradients"]
    kept = memory["activations"] + memory["logits"]
    text = (
        f"模型有 {total:,} 个参数：词和位置的向量占 {embeddings / total:.0%}，"
        f"注意力 {parameters['attention'] / total:.0%}，MLP {parameters['mlp'] / total:.0%}。"
        f"每步 {report['tokens_per_step']:,} 个词元，"
        f"约 {show_count(report['flops_per_step'])}次浮点运算。"
        f"一次过 {report['micro_batch']} 段（每段 {report['context']} 个词元，"
        f"{report['dtype']}，{report['optimizer']}），约需内存 {show_bytes(memory['total'])}："
        f"权重和梯度 {show_bytes(both)}、优化器 {show_bytes(memory['optimizer'])}、"
        f"中间结果 {show_bytes(kept)}。"
    )
    if report["memory_available"] is not None:
        text += f"可用 {show_bytes(report['memory_available'])}，只打算用到 {USABLE:.0%}。"
    return text


def show_bytes(count: float) -> str:
    """Bytes for people: 1.5 GiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            break
        count /= 1024
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"


def show_count(count: float) -> str:
    """A large number for people: 2.4 万亿."""
    for size, unit in ((1e12, "万亿"), (1e8, "亿"), (1e4, "万")):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count:,.0f} "


def _divisors(number: int) -> Iterable[int]:
    return (part for part in range(1, number + 1) if number % part == 0)


def _matrices(config: ModelConfig) -> list[tuple[int, int]]:
    """The shapes of everything that has two dimensions."""
    channels = config.n_embd
    block = [(3, 1), (1, 1), (4, 1), (1, 4)]
    blocks = [(rows * channels, columns * channels) for rows, columns in block] * config.n_layer
    return [(config.vocab_size, channels), (config.n_ctx, channels), *blocks]
