"""Stage 05: half the bytes on disk, and everything computed as before."""

import json
import zlib
from pathlib import Path

import pytest
import torch
from helpers_models import random_gpt2, save_llama
from safetensors.torch import load_file, save_file

from novelkit.errors import InputError
from novelkit.model import load_model, open_model, pack_half, save_model

torch.set_num_threads(1)
TEXT = "天亮以前，渡口上只有一盏灯还亮着。老船夫把缆绳绕了三圈，才慢慢直起腰来。" * 4


@pytest.fixture
def folder(tmp_path) -> Path:
    """A GPT-2 folder with a file that is none of the model's."""
    model = random_gpt2(300)
    save_model(model, tmp_path / "model")
    (tmp_path / "model" / "README.md").write_text("卡片", encoding="utf-8")
    return tmp_path / "model"


def packed(folder: Path) -> Path:
    target = folder.with_name("half")
    pack_half(folder, target)
    return target


def test_the_file_is_half_as_large_and_says_nearly_the_same(folder):
    half, ids = packed(folder), torch.arange(20)[None]
    assert (half / "README.md").read_text(encoding="utf-8") == "卡片"
    sizes = [(each / "model.safetensors").stat().st_size for each in (half, folder)]
    assert sizes[0] == pytest.approx(sizes[1] / 2, rel=0.1)
    assert {tensor.dtype for tensor in load_file(half / "model.safetensors").values()} == {
        torch.float16
    }
    before, after = load_model(folder), load_model(half)
    assert {parameter.dtype for parameter in after.parameters()} == {torch.float32}
    with torch.no_grad():
        assert torch.allclose(before(ids), after(ids), atol=0.02 * before(ids).abs().max())
    weights = zip(before.state_dict().values(), after.state_dict().values(), strict=True)
    assert all(torch.allclose(new, old, rtol=2**-11, atol=2**-24) for old, new in weights)


def test_fewer_bits_pack_smaller_and_move_no_weight_far(folder):
    weights = load_file(folder / "model.safetensors")
    # What rounds up into the next power of two, what is tiny, and both zeros.
    odd = torch.tensor([1.999, -1.999, 3e-7, -3e-7, 0.0, -0.0, 65000.0, 1e-30])
    save_file({**weights, "odd": odd}, folder / "model.safetensors", {"format": "pt"})
    target = folder.with_name("few")
    pack_half(folder, target, significand=6)
    packed_file = (target / "model.safetensors").read_bytes()
    assert len(zlib.compress(packed_file)) < 0.85 * len(
        zlib.compress((packed(folder) / "model.safetensors").read_bytes())
    )
    few = load_file(target / "model.safetensors")
    for name, tensor in {**weights, "odd": odd}.items():
        assert few[name].dtype == torch.float16
        assert not (few[name].contiguous().view(torch.int16) & 0b1111).any(), name
        error = (few[name].float() - tensor).abs()
        assert (error <= tensor.abs() * 2**-6.9 + 2**-20).all(), name
    assert few["odd"][:2].tolist() == [2.0, -2.0]


def test_a_weight_that_rounding_takes_beyond_float16_is_refused(folder):
    weights = load_file(folder / "model.safetensors")
    save_file({**weights, "odd": torch.tensor([65504.0])}, folder / "model.safetensors")
    with pytest.raises(InputError, match="odd"):
        pack_half(folder, folder.with_name("few"), significand=6)
    pack_half(folder, folder.with_name("half"))


def test_transformers_computes_in_float32(folder):
    from transformers import AutoModelForCausalLM

    half = packed(folder)
    theirs = AutoModelForCausalLM.from_pretrained(half)
    # In float16 a CPU is many times slower, and some of its kernels do not exist.
    assert {parameter.dtype for parameter in theirs.parameters()} == {torch.float32}
    ids = torch.arange(20)[None]
    with torch.no_grad():
        assert torch.allclose(theirs.eval()(ids).logits, load_model(half)(ids), atol=1e-4)


def test_a_model_of_another_architecture_is_packed_too(tmp_path):
    from transformers import AutoModelForCausalLM

    source = save_llama(tmp_path / "llama", TEXT, tied=True)
    target = tmp_path / "half"
    pack_half(source, target)
    theirs = AutoModelForCausalLM.from_pretrained(target)
    assert {parameter.dtype for parameter in theirs.parameters()} == {torch.float32}
    ids = torch.arange(20)[None]
    with torch.no_grad():
        before, after = (open_model(each).model(ids) for each in (source, target))
    assert torch.allclose(before, after, atol=0.02 * before.abs().max())


def test_the_hash_is_that_of_the_packed_weights(folder):
    layout = {"format": "novelkit-model", "version": 1, "novels": [], "scores": {}}
    path = folder / "novelkit.json"
    path.write_text(json.dumps({**layout, "weights_sha256": "x"}), encoding="utf-8")
    half = packed(folder)
    load_model(half)
    weights = half / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(InputError, match="已损坏"):
        load_model(half)


def test_what_float16_cannot_hold_is_refused_and_nothing_written(folder, tmp_path):
    model = load_model(folder)
    with torch.no_grad():
        model.norm.weight[0] = 1e5
    save_model(model, tmp_path / "large")
    with pytest.raises(InputError, match="65504"):
        pack_half(tmp_path / "large", tmp_path / "half")
    assert not (tmp_path / "half").exists()


def test_files_of_others_are_not_overwritten(folder, tmp_path):
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "mine.txt").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match="换一个文件夹"):
        pack_half(folder, tmp_path / "half")
