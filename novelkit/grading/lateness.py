"""Late work: begun days after the due time, some of them free, the rest for a share each.

Times carry their offset from UTC, so that a change to summer time in between changes nothing.
"""

import math
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path

from novelkit.errors import InputError
from novelkit.grading.sheets import column, read_table

SECONDS_A_DAY = 86_400
STUDENT = ("student", "id", "name", "email", "学号", "姓名", "邮箱", "学生")
SUBMITTED = ("submitted", "time", "提交时间", "时间")


@dataclass(frozen=True)
class LatePolicy:
    """`due` has an offset. `per_day` and `most` are shares of the total, from 0 to 1.

    A student has `free_days` begun days; each further one costs `per_day`, all of them `most`.
    `grace_hours` move every border back without being shown as lateness. Raises InputError.
    """

    due: datetime
    free_days: int = 0
    per_day: float = 0.1
    most: float = 1.0
    grace_hours: float = 0.0

    def __post_init__(self) -> None:
        if self.due.utcoffset() is None:
            raise InputError("截止时间没有时区：请写成 2026-03-01T23:59:59+08:00 这样。")
        if not 0 <= self.per_day <= 1 or not 0 <= self.most <= 1:
            raise InputError("迟交的扣分是总分的比例，应在 0 和 1 之间：请改正。")
        if not self.free_days >= 0 or not 0 <= self.grace_hours < math.inf:
            raise InputError("免扣天数和宽限小时不能是负数：请改正。")

    def late_days(self, submitted: float) -> int:
        """Begun days after the due time; `submitted` in seconds since the epoch.

        Parts of a second are dropped, since a person reads 23:59:59.7 as 23:59:59.
        """
        border = self.due.timestamp() + 3600 * self.grace_hours
        return max(0, math.ceil((math.floor(submitted) - border) / SECONDS_A_DAY))

    def penalty(self, days: int) -> float:
        """The share of the total that so many late days cost."""
        paid = max(0, days - self.free_days)
        # Rounded, or three times 0.1 would be 0.30000000000000004.
        return min(self.most, round(self.per_day * paid, 10))


def read_due(text: str) -> datetime:
    """A due time in ISO 8601 with an offset; raises InputError for anything else."""
    try:
        due = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise InputError(
            f"截止时间 {text!r} 看不懂：请写成 2026-03-01T23:59:59+08:00 这样。"
        ) from error
    if due.utcoffset() is None:
        raise InputError(f"截止时间 {text!r} 没有时区：请在后面加上 +08:00 这样的时差。")
    return due


def read_submitted(path: Path, zone: tzinfo | None = None) -> dict[str, float]:
    """Student -> when they submitted, seconds since the epoch, from a CSV `student,submitted`.

    A time without an offset is in `zone`, that of the due time. Of several times the last counts.
    Raises InputError for a time that cannot be read. (The time of a file, which is used where no
    table is given, is that of its last copy where whoever copied it did not keep times.)
    """
    times: dict[str, float] = {}
    for number, row in enumerate(read_table(path), start=2):
        student, text = column(row, STUDENT), column(row, SUBMITTED)
        if student and text:
            submitted = _time(text, zone, f"{path} 第 {number} 行")
            times[student] = max(submitted, times.get(student, submitted))
    if not times:
        raise InputError(f"{path} 里没有提交时间：要有 student 和 submitted 两列。")
    return times


def _time(text: str, zone: tzinfo | None, place: str) -> float:
    try:
        found = datetime.fromisoformat(text)
        if found.utcoffset() is None:
            if zone is None:
                raise ValueError("no offset")
            found = found.replace(tzinfo=zone)
        return found.timestamp()
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"{place} 的时间 {text!r} 看不懂：请写成 2026-03-01T23:59:59+08:00 这样。"
        ) from error
