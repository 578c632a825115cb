"""Stage 05: what a model costs, against what PyTorch counts, keeps and allocates."""

import weakref
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from novelkit.errors import InputError
from novelkit.model import GPT2, PRESETS, ModelConfig, preset
from novelkit.model.sizes import (
    OPTIMIZERS,
    MemorySettings,
    activation_bytes,
    count_parameters,
    describe_sizes,
    flops_per_token,
    optimizer_bytes,
    propose_micro_batch,
    show_bytes,
    size_report,
    training_memory,
)

torch.set_num_threads(1)
SIZE = ModelConfig(vocab_size=500, n_ctx=64, n_layer=3, n_head=4, n_embd=96, dropout=0.0)
GIB = 2**30


def loss_of(model: GPT2, micro_batch: int, dtype: str) -> torch.Tensor:
    """A training loss as the loop computes it."""
    shape = (micro_batch, model.config.n_ctx)
    ids = torch.randint(0, model.config.vocab_size, shape, generator=torch.manual_seed(1))
    with torch.autocast("cpu", dtype=getattr(torch, dtype), enabled=dtype != "float32"):
        return model.loss(ids, ids)


def kept_for_backward(config: ModelConfig, micro_batch: int, dtype: str) -> int:
    """Bytes of all storages that the forward pass saves, weights not counted."""
    model = GPT2(config).train()
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, tuple[int, torch.Tensor]] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            # The tensor itself too: its address must not be given to another one.
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss_of(model, micro_batch, dtype)
    return sum(size for size, _ in kept.values())


class Allocations(TorchDispatchMode):
    """The most bytes that a model and what is made inside of the block held at one time."""

    def __init__(self, model: GPT2) -> None:
        super().__init__()
        self.now = self.most = 0
        self._known: set[int] = set()
        for parameter in model.parameters():
            self._watch(parameter.untyped_storage())

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self._watch(tensor.untyped_storage())
        return result

    def _watch(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        self.now += size
        self.most = max(self.most, self.now)

        def gone() -> None:
            self._known.discard(key)
            self.now -= size

        weakref.finalize(storage, gone)


variants = pytest.mark.parametrize(
    ("dropout", "dtype"),
    [(0.0, "float32"), (0.1, "float32"), (0.0, "bfloat16"), (0.1, "bfloat16")],
)
sizes = st.builds(
    lambda vocab, ctx, layers, heads, width, dropout: ModelConfig(
        vocab, ctx, layers, heads, heads * width, dropout
    ),
    st.integers(2, 300),
    st.integers(2, 48),
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(1, 16),
    st.sampled_from((0.0, 0.2)),
)


@settings(max_examples=40, deadline=None)
@given(config=sizes)
def test_the_parts_are_the_parameters_of_the_model(config):
    with torch.device("meta"):
        model = GPT2(config)
    parts = count_parameters(config)
    assert parts.total == model.count_parameters()
    named = dict(model.named_parameters())
    assert parts.attention == sum(p.numel() for name, p in named.items() if ".attention." in name)
    assert parts.norms == sum(p.numel() for name, p in named.items() if "norm" in name)
    mlp = sum(p.numel() for name, p in named.items() if ".expand." in name or ".contract." in name)
    assert parts.mlp == mlp


@pytest.mark.parametrize("context", [64, 16])
def test_the_operations_are_those_that_torch_counts(context):
    model, ids = GPT2(SIZE), torch.zeros(2, context, dtype=torch.long)
    # The kernel of the CPU is not in PyTorch's table; the written-out one does the same products.
    with (
        torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH),
        FlopCounterMode(display=False) as counter,
    ):
        model.loss(ids, ids).backward()
    assert counter.get_total_flops() == pytest.approx(
        ids.numel() * flops_per_token(SIZE, context), rel=0.02
    )


@variants
@pytest.mark.parametrize(
    "config",
    [
        SIZE,
        replace(SIZE, n_layer=6, vocab_size=50),
        replace(SIZE, n_ctx=200, n_embd=32),
        preset("tiny", 3000),
    ],
    ids=["small", "deep", "long", "tiny"],
)
def test_the_activations_are_what_the_forward_pass_keeps(config, dropout, dtype):
    config = replace(config, dropout=dropout)
    kept = kept_for_backward(config, 4, dtype)
    estimate = activation_bytes(config, 4, MemorySettings(dtype=dtype))
    assert estimate == pytest.approx(kept, rel=0.01)


@variants
@pytest.mark.parametrize("micro_batch", [1, 4])
def test_the_total_is_what_a_step_allocates(dropout, dtype, micro_batch):
    config = replace(preset("tiny", 3000), dropout=dropout)
    model = GPT2(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    with Allocations(model) as allocations:
        for _ in range(2):
            loss_of(model, micro_batch, dtype).backward()
            # Twice without a step in between, as micro-batches pass: gradients stay.
            loss_of(model, micro_batch, dtype).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=False)
    memory = training_memory(config, micro_batch, MemorySettings(dtype, "adamw"))
    assert memory.total == pytest.approx(allocations.most, rel=0.05)


def state_bytes(optimizers: dict[str, torch.optim.Optimizer]) -> int:
    states = [state for item in optimizers.values() for state in item.state.values()]
    tensors = [value for state in states for value in state.values() if torch.is_tensor(value)]
    return sum(tensor.nbytes for tensor in tensors)


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name != "lamb"])
def test_the_optimizer_state_is_what_the_optimizers_of_the_loop_keep(name):
    from novelkit.training import TrainConfig
    from novelkit.training.optimizers import build_optimizers

    model = GPT2(SIZE)
    optimizers = build_optimizers(model, TrainConfig(optimizer=name))
    loss_of(model, 1, "float32").backward()
    for optimizer in optimizers.values():
        optimizer.step()
    assert optimizer_bytes(SIZE, name) == pytest.approx(state_bytes(optimizers), rel=0.01)


def test_a_gpu_keeps_a_byte_a_mask_and_no_attention_weights():
    config, settings = replace(SIZE, dropout=0.1), MemorySettings("float16", device="cuda")
    without = activation_bytes(SIZE, 2, settings)
    masks = (2 * SIZE.n_layer + 1) * 2 * SIZE.n_ctx * SIZE.n_embd
    assert activation_bytes(config, 2, settings) - without == masks
    assert activation_bytes(config, 2, replace(settings, device="cpu")) - without > 2 * masks


def test_one_more_copy_for_a_moving_average():
    plain, average = (
        training_memory(SIZE, 1, MemorySettings(average=item)).total for item in (False, True)
    )
    assert average - plain == 4 * GPT2(SIZE).count_parameters()


@settings(max_examples=60, deadline=None)
@given(config=sizes, batch_size=st.integers(1, 96), share=st.floats(0.5, 40))
def test_the_proposal_is_the_largest_divisor_that_fits(config, batch_size, share):
    memory = int(share * training_memory(config, 1).total)
    fits = [
        blocks
        for blocks in range(1, batch_size + 1)
        if batch_size % blocks == 0 and training_memory(config, blocks).total <= 0.8 * memory
    ]
    if fits:
        assert propose_micro_batch(config, batch_size, memory) == max(fits)
    else:
        with pytest.raises(InputError, match="内存"):
            propose_micro_batch(config, batch_size, memory)


def test_the_presets_fit_where_they_are_said_to():
    """A T4 has 14.6 GiB; the base preset is for the same card in half precision."""
    half = MemorySettings("float16", device="cuda")
    small, base = (preset(name, 6000) for name in ("small", "base"))
    assert propose_micro_batch(small, 32, int(14.6 * GIB), half) == 32
    assert 1 <= propose_micro_batch(base, 32, int(14.6 * GIB), half) < 32
    assert propose_micro_batch(preset("tiny", 6000), 16, 12 * GIB) == 16


@pytest.mark.parametrize("name", PRESETS)
def test_the_report_adds_up_and_reads_as_one_line(name):
    config = preset(name, 6000)
    report = size_report(config, 32, 14 * GIB, MemorySettings("float16", device="cuda"))
    memory, parameters = report["memory"], report["parameters"]
    assert memory["total"] == sum(value for key, value in memory.items() if key != "total")
    assert parameters["total"] == count_parameters(config).total
    assert report["flops_per_step"] == 32 * config.n_ctx * flops_per_token(config)
    assert 32 % report["micro_batch"] == 0 and memory["total"] <= 0.8 * 14 * GIB
    text = describe_sizes(report)
    assert "\n" not in text and f"{parameters['total']:,}" in text
    assert show_bytes(memory["total"]) in text and "14.0 GiB" in text
    assert "可用" not in describe_sizes(size_report(config))


def test_what_cannot_be_estimated_is_refused():
    with pytest.raises(InputError, match="float32"):
        MemorySettings(dtype="int8")
    with pytest.raises(InputError, match="adamw"):
        MemorySettings(optimizer="lion")


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 * 2**40, "5120.0 GiB")]
)
def test_bytes_for_people(count, shown):
    assert show_bytes(count) == shown
