"""Settings under names that a writer understands."""

from dataclasses import dataclass
from typing import Any

from novelkit.sampling.config import SamplingConfig, require


@dataclass(frozen=True)
class Preset:
    """Settings under a name that a writer understands; label and description in Chinese."""

    label: str
    description: str
    config: SamplingConfig


_NO_LOOPS = SamplingConfig(dry_multiplier=1.0, close_pairs=True)
# What each of them writes is measured by tests/benchmarks/sampling_presets.py.
PRESETS = {
    "steady": Preset(
        "稳妥",
        "多用常见的字，句子通顺，意外少",
        _NO_LOOPS.changed(temperature=0.75, top_k=40, top_p=0.9, frequency_penalty=0.2),
    ),
    "balanced": Preset(
        "均衡",
        "通顺和新鲜各一半，多数时候用它",
        _NO_LOOPS.changed(temperature=0.9, top_k=100, top_p=0.95, frequency_penalty=0.1),
    ),
    "bold": Preset(
        "奔放",
        "敢用少见的字，常有意外，也常跑题",
        _NO_LOOPS.changed(temperature=1.0, top_k=0, top_p=0.92),
    ),
    "model": Preset(
        "原样",
        "不加任何限制，照模型自己的概率抽",
        SamplingConfig(temperature=1.0, top_k=0),
    ),
    "greedy": Preset(
        "最可能",
        "每次都取最可能的字，很快就会来回重复，留作对照",
        SamplingConfig(temperature=0, top_k=0),
    ),
}
DEFAULT_PRESET = "balanced"


def preset_config(name: str, **settings: Any) -> SamplingConfig:
    """The settings of a preset, some of them changed; raises `InputError` for unknown names."""
    require(name in PRESETS, "preset", name, "、".join(PRESETS))
    return PRESETS[name].config.changed(**settings)
