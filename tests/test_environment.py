"""The machine's report: the choice by capability on faked devices, the checks, the fonts."""

import json
import random
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
import torch
from packaging.requirements import Requirement

from novelkit import environment
from novelkit.environment import (
    MINIMUM_PYTHON,
    MINIMUM_VERSIONS,
    Check,
    Compute,
    EnvironmentReport,
    checks,
    choose_compute,
    compute,
    display_width,
    fonts,
    seed_everything,
)
from novelkit.errors import InputError
from novelkit.plots.fonts import label, use_chinese_font

ROOT = Path(__file__).resolve().parents[1]
# Colab's image of August 2026, for the packages of the core; safetensors and requests are those
# of its freeze list of June 2026, beautifulsoup4 and lxml those of an earlier image of that year.
COLAB_2026_08 = {
    "torch": "2.11.0+cu128",
    "transformers": "5.15.0",
    "datasets": "4.0.0",
    "accelerate": "1.14.0",
    "tokenizers": "0.22.2",
    "safetensors": "0.7.0",
    "numpy": "2.1.3",
    "matplotlib": "3.10.0",
    "jieba": "0.42.1",
    "chardet": "5.2.0",
    "ipywidgets": "7.7.1",
    "tqdm": "4.67.3",
    "requests": "2.32.4",
    "beautifulsoup4": "4.13.5",
    "lxml": "6.0.2",
}


def requirements() -> list[Requirement]:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def fake_cuda(monkeypatch, name: str, capability: tuple[int, int], gib: float) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device=0: name)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=0: capability)
    properties = SimpleNamespace(total_memory=int(gib * 2**30))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device=0: properties)
    # What a T4 really answers, through emulation.
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_, **__: True)


@pytest.fixture
def only_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


# ---- requirements.txt


@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_colab_satisfies_every_lower_bound(requirement):
    assert requirement.specifier.contains(COLAB_2026_08[requirement.name], prereleases=True)


def test_requirements_are_lower_bounds_only_and_equal_to_the_table():
    bounds = {}
    for requirement in requirements():
        (specifier,) = requirement.specifier
        assert specifier.operator == ">="
        bounds[requirement.name] = specifier.version
    assert bounds == MINIMUM_VERSIONS


def test_minimum_python_is_that_of_the_project():
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    wanted = ".".join(map(str, MINIMUM_PYTHON))
    assert f'requires-python = ">={wanted}"' in pyproject


# ---- the choice of device and dtype


def test_t4_gets_float16_with_scaler_although_bf16_is_said_to_be_supported(monkeypatch):
    fake_cuda(monkeypatch, "Tesla T4", (7, 5), 14.56)
    chosen = choose_compute()
    assert (chosen.device, chosen.dtype, chosen.use_grad_scaler) == ("cuda", "float16", True)
    assert "Tesla T4" in chosen.reason and "7.5" in chosen.reason and "14.6 GiB" in chosen.reason


@pytest.mark.parametrize("capability", [(8, 0), (8, 9), (9, 0), (12, 0)])
def test_ampere_and_later_get_bfloat16_without_scaler(monkeypatch, capability):
    fake_cuda(monkeypatch, "NVIDIA A100", capability, 40)
    chosen = choose_compute()
    assert (chosen.device, chosen.dtype, chosen.use_grad_scaler) == ("cuda", "bfloat16", False)


def test_mps_gets_float32(monkeypatch, only_cpu):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    chosen = choose_compute()
    assert (chosen.device, chosen.dtype, chosen.use_grad_scaler) == ("mps", "float32", False)


@pytest.mark.parametrize(
    ("feature", "measure", "speedup", "dtype", "said"),
    [
        (None, True, 9.0, "float32", "没有发现 bfloat16 指令"),
        ("amx_bf16", False, 9.0, "float32", "没有实测"),
        ("amx_bf16", True, 1.19, "float32", "1.19 倍，不到"),
        ("avx512_bf16", True, 1.2, "bfloat16", "1.20 倍，达到"),
    ],
)
def test_cpu_takes_bfloat16_only_when_measured_faster(
    monkeypatch, only_cpu, feature, measure, speedup, dtype, said
):
    monkeypatch.setattr(compute, "_cpu_bfloat16_feature", lambda: feature)
    monkeypatch.setattr(compute, "measure_bfloat16_speedup", lambda: speedup)
    chosen = choose_compute(measure=measure)
    assert (chosen.device, chosen.dtype) == ("cpu", dtype)
    assert said in chosen.reason and not chosen.use_grad_scaler


def test_what_the_caller_names_is_obeyed_with_a_warning(monkeypatch):
    fake_cuda(monkeypatch, "Tesla T4", (7, 5), 14.56)
    chosen = choose_compute(dtype="bfloat16")
    assert chosen.dtype == "bfloat16" and "模拟" in chosen.reason
    assert choose_compute(device="cuda", dtype="float16").use_grad_scaler
    assert choose_compute(device="cpu").device == "cpu"
    assert choose_compute(device="cpu", dtype="float32").dtype == "float32"


@pytest.mark.parametrize(
    ("device", "dtype", "said"),
    [
        ("cuda", None, "只有 cpu"),
        ("gpu", None, "不认识的设备"),
        ("cpu", "float16", "不能用"),
        (None, "int8", "不能用"),
    ],
)
def test_impossible_choices_are_refused(only_cpu, device, dtype, said):
    with pytest.raises(InputError, match=said):
        choose_compute(device, dtype)


def test_cpu_feature_is_read_from_cpuinfo(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("model name : X\nflags : fpu avx512_bf16 amx_tile\n", encoding="utf-8")
    assert compute._cpu_bfloat16_feature(cpuinfo) == "avx512_bf16"
    cpuinfo.write_text("flags : fpu avx512f avx512_bf16x\n", encoding="utf-8")
    assert compute._cpu_bfloat16_feature(cpuinfo) is None
    assert compute._cpu_bfloat16_feature(tmp_path / "missing") is None


def test_measurement_gives_a_ratio_and_leaves_random_numbers_alone():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    speedup = environment.measure_bfloat16_speedup(seconds=0.05)
    assert 0 < speedup < 1000
    assert torch.equal(torch.rand(4), expected)


# ---- the report


def test_report_covers_everything_and_serialises():
    found = environment.report()
    names = [check.name for check in found.checks]
    assert names[: 1 + len(MINIMUM_VERSIONS)] == ["Python", *MINIMUM_VERSIONS]
    assert {"计算设备", "CPU 核数", "内存", "磁盘", "中文字体", "Colab", "随机种子"} <= set(names)
    assert {check.status for check in found.checks} <= {"OK", "WARN", "FAIL"}
    assert json.loads(json.dumps(found.as_dict()))["compute"] == found.as_dict()["compute"]
    assert all(check.advice for check in found.checks if check.status != "OK")


def test_table_is_aligned_with_full_width_characters():
    found = EnvironmentReport(
        (Check("内存", "OK", "@8"), Check("numpy", "FAIL", "@1.2", "@升级"), Check("é", "OK", "@")),
        Compute("cpu", "float32", False, ""),
        colab=False,
    )
    lines = found.as_table().splitlines()
    assert {display_width(line[: line.index("@")]) for line in lines} == {4 + 2 + 5 + 2}
    assert len(lines) == 4 and not found.passed


@pytest.mark.parametrize(
    ("text", "columns"), [("abc", 3), ("中文", 4), ("ａ，", 4), ("e\u0301", 1), ("", 0)]
)
def test_display_width(text, columns):
    assert display_width(text) == columns


@pytest.mark.parametrize(
    ("version", "numbers"),
    [("2.11.0+cu128", (2, 11, 0)), ("3", (3,)), ("5.0.0rc1", (5, 0, 0)), ("unknown", ())],
)
def test_release_numbers(version, numbers):
    assert checks.release(version) == numbers


def test_missing_and_old_packages_fail_with_what_to_run(monkeypatch):
    def version(name):
        if name == "jieba":
            raise checks.metadata.PackageNotFoundError(name)
        return {"numpy": "1.26.4", "torch": "2.10.0"}.get(name, "99")

    monkeypatch.setattr(checks.metadata, "version", version)
    found = {check.name: check for check in environment.report().checks}
    assert found["jieba"].status == "FAIL" and 'pip install "jieba>=0.42"' in found["jieba"].advice
    assert found["numpy"].status == "FAIL" and "版本太旧" in found["numpy"].advice
    # As text "2.10" would sort before "2.6".
    assert found["torch"].status == "OK"


def test_report_survives_a_torch_that_does_not_load(monkeypatch):
    def broken(**_):
        raise OSError("DLL load failed")

    monkeypatch.setattr(checks, "choose_compute", broken)
    found = environment.report()
    assert not found.passed and found.compute.device == "cpu"
    assert any(check.name == "计算设备" and check.status == "FAIL" for check in found.checks)


def test_colab_without_drive_is_warned(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", SimpleNamespace())
    monkeypatch.setattr(checks, "drive_folder", lambda: None)
    found = environment.report()
    assert found.colab
    drive = next(check for check in found.checks if check.name == "Google Drive")
    assert drive.status == "WARN" and "Drive" in drive.advice


def test_little_disk_and_memory_are_reported(monkeypatch):
    usage = SimpleNamespace(free=100 * 2**20)
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda _: usage)
    psutil = SimpleNamespace(virtual_memory=lambda: SimpleNamespace(available=2**29, total=2**31))
    monkeypatch.setitem(sys.modules, "psutil", psutil)
    found = {check.name: check for check in environment.report().checks}
    assert found["磁盘"].status == "FAIL" and "0.1 GiB" in found["磁盘"].found
    assert found["内存"].status == "WARN" and "0.5 GiB" in found["内存"].found


# ---- seeds


def draws() -> tuple[float, float, float]:
    return random.random(), float(np.random.random()), torch.rand(1).item()


def test_seed_everything_repeats_all_three_sources():
    seed_everything(7)
    first = draws()
    seed_everything(7)
    assert draws() == first
    seed_everything(8)
    assert all(one != other for one, other in zip(draws(), first, strict=True))


@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, True, "7"])
def test_bad_seeds_are_refused(seed):
    with pytest.raises(InputError, match="随机种子"):
        seed_everything(seed)


def test_report_leaves_the_reader_s_random_numbers_alone():
    seed_everything(5)
    expected = draws()
    seed_everything(5)
    environment.report()
    assert draws() == expected


def test_broken_seeding_is_noticed(monkeypatch):
    monkeypatch.setattr(checks, "seed_everything", lambda seed: random.seed(seed))
    found = next(check for check in environment.report().checks if check.name == "随机种子")
    assert found.status == "FAIL" and "torch" in found.found and "random、" not in found.found


# ---- fonts


@pytest.fixture
def plain_settings():
    # Other tests of this process may have chosen a font already.
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        yield


def no_font_at_all(monkeypatch):
    """As in Colab: nothing installed draws Chinese, and no data package is there."""
    kept = [font for font in fontlist() if "DejaVu" in font.name or "Last Resort" in font.name]
    monkeypatch.setattr(matplotlib.font_manager.fontManager, "ttflist", kept)
    monkeypatch.setattr(fonts, "BUNDLED", ())


def fontlist():
    from matplotlib.font_manager import fontManager

    return fontManager.ttflist


def test_every_font_of_matplotlib_itself_is_turned_down():
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    files = list(folder.glob("*.ttf"))
    assert files and not any(fonts.has_glyphs(file) for file in files)


def test_a_file_that_is_no_font_is_turned_down(tmp_path):
    file = tmp_path / "broken.ttf"
    file.write_bytes(b"no font")
    assert not fonts.has_glyphs(file)


def test_without_a_font_labels_are_english(monkeypatch, plain_settings):
    no_font_at_all(monkeypatch)
    before = dict(matplotlib.rcParams)
    assert use_chinese_font() is None
    assert dict(matplotlib.rcParams) == before
    assert label("损失", "loss") == "loss"
    found = next(check for check in environment.report().checks if check.name == "中文字体")
    assert found.status == "WARN" and fonts.FONT_PACKAGE in found.advice


needs_font = pytest.mark.skipif(
    environment.find_chinese_font() is None, reason="no font with simplified Chinese here"
)


@needs_font
def test_chinese_label_draws_without_a_missing_glyph(plain_settings, tmp_path, recwarn):
    from matplotlib.figure import Figure

    family = use_chinese_font()
    assert family == matplotlib.rcParams["font.family"][0]
    assert matplotlib.rcParams["axes.unicode_minus"] is False
    text = label("中文标签：损失、困惑度", "loss, perplexity")
    assert text == "中文标签：损失、困惑度"
    figure = Figure()
    figure.suptitle(text + " −log₂")
    figure.savefig(tmp_path / "label.png")
    assert not [str(warning.message) for warning in recwarn if "Glyph" in str(warning.message)]


@needs_font
def test_setting_the_font_twice_adds_it_once(plain_settings):
    use_chinese_font()
    before = len(fontlist())
    assert use_chinese_font() is not None
    assert len(fontlist()) == before


@needs_font
def test_a_character_that_the_font_lacks_turns_the_label_english(plain_settings):
    use_chinese_font()
    # A private-use character, which no font of this list defines.
    assert label("损失\U000f0000", "loss") == "loss"


# ---- what an import costs


def test_importing_the_frame_loads_nothing_heavy():
    modules = "novelkit.environment, novelkit.download, novelkit.exercises, novelkit.links"
    code = (
        f"import {modules}, novelkit.plots.fonts, sys\n"
        "heavy = {'torch', 'transformers', 'datasets', 'jieba', 'matplotlib', 'requests'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert re.sub(r"\s", "", result.stdout) == "[]"
