"""Twelve honestly different answers to one exercise, and disguised copies of one of them.

The exercise is `robust_trend` of notebook 07: the median slope of pairs that stand far apart.
"""

TEMPLATE = '''
def robust_trend(steps, losses, apart):
    """不怕尖峰的趋势。"""
    # 在这里写
    raise NotImplementedError
'''

HONEST = {
    "loops": """
def robust_trend(steps, losses, apart):
    slopes = []
    for i in range(len(steps)):
        if losses[i] is None:
            continue
        for j in range(i + 1, len(steps)):
            if losses[j] is None:
                continue
            if steps[j] - steps[i] >= apart:
                slopes.append((losses[j] - losses[i]) / (steps[j] - steps[i]))
    if len(slopes) == 0:
        raise ValueError("no pair")
    slopes.sort()
    n = len(slopes)
    if n % 2 == 1:
        return slopes[n // 2] * 100
    return (slopes[n // 2 - 1] + slopes[n // 2]) / 2 * 100
""",
    "combinations": """
from itertools import combinations

def robust_trend(steps, losses, apart):
    points = [(s, l) for s, l in zip(steps, losses) if l is not None]
    found = sorted(
        (b[1] - a[1]) / (b[0] - a[0])
        for a, b in combinations(points, 2)
        if b[0] - a[0] >= apart
    )
    if not found:
        raise ValueError
    half = len(found) // 2
    middle = found[half] if len(found) % 2 else (found[half - 1] + found[half]) / 2
    return 100 * middle
""",
    "helper": """
def median(values):
    ordered = sorted(values)
    size = len(ordered)
    if not size:
        raise ValueError("空的")
    low, high = (size - 1) // 2, size // 2
    return (ordered[low] + ordered[high]) / 2

def slope(p, q):
    return (q[1] - p[1]) / (q[0] - p[0])

def robust_trend(steps, losses, apart):
    known = list(filter(lambda p: p[1] is not None, zip(steps, losses)))
    pairs = []
    for k, p in enumerate(known):
        for q in known[k + 1:]:
            if q[0] - p[0] >= apart:
                pairs.append(slope(p, q))
    return 100.0 * median(pairs)
""",
    "while": """
def robust_trend(steps, losses, apart):
    x, y = [], []
    k = 0
    while k < len(steps):
        if losses[k] is not None:
            x.append(steps[k])
            y.append(losses[k])
        k += 1
    all_slopes = []
    i = 0
    while i < len(x) - 1:
        j = i + 1
        while j < len(x):
            distance = x[j] - x[i]
            if distance >= apart:
                all_slopes.append(100 * (y[j] - y[i]) / distance)
            j += 1
        i += 1
    if all_slopes == []:
        raise ValueError("没有趋势")
    all_slopes = sorted(all_slopes)
    m = len(all_slopes)
    if m % 2 == 0:
        return sum(all_slopes[m // 2 - 1 : m // 2 + 1]) / 2
    else:
        return all_slopes[m // 2]
""",
    "dictionary": """
def robust_trend(steps, losses, apart):
    table = {}
    for step, loss in zip(steps, losses):
        if loss is not None:
            table[step] = loss
    result = []
    for end in table:
        for begin in table:
            gap = end - begin
            if gap > 0 and gap >= apart:
                result.append((table[end] - table[begin]) * 100 / gap)
    count = len(result)
    if count < 1:
        raise ValueError("too close")
    result = sorted(result)
    return (result[count // 2] + result[~(count // 2)]) / 2
""",
    "generator": """
def robust_trend(steps, losses, apart):
    def slopes():
        seen = []
        for step, loss in zip(steps, losses):
            if loss is None:
                continue
            for s, l in seen:
                if step - s >= apart:
                    yield (loss - l) / (step - s)
            seen.append((step, loss))
    values = sorted(slopes())
    try:
        return 50 * (values[len(values) // 2] + values[(len(values) - 1) // 2])
    except IndexError:
        raise ValueError("no pair") from None
""",
    "insertion": """
import bisect

def robust_trend(steps, losses, apart):
    ordered = []
    number = 0
    for a, first in enumerate(losses):
        for b, second in enumerate(losses[:a]):
            if first is None or second is None or steps[a] - steps[b] < apart:
                pass
            else:
                bisect.insort(ordered, (first - second) / (steps[a] - steps[b]))
                number = number + 1
    if number == 0:
        raise ValueError()
    odd = number % 2
    if odd:
        return 100 * ordered[(number - 1) // 2]
    return 100 * (ordered[number // 2] + ordered[number // 2 - 1]) / 2
""",
    "recursion": """
def robust_trend(steps, losses, apart):
    def collect(points):
        if len(points) < 2:
            return []
        (s0, l0), *rest = points
        mine = [(l - l0) / (s - s0) for s, l in rest if s - s0 >= apart]
        return mine + collect(rest)

    slopes = collect([p for p in zip(steps, losses) if p[1] is not None])
    assert all(isinstance(slope, float) for slope in slopes)
    if not slopes:
        raise ValueError("没有一对点")
    while len(slopes) > 2:
        slopes.remove(max(slopes))
        slopes.remove(min(slopes))
    return 100 * sum(slopes) / len(slopes)
""",
    "indices": """
def robust_trend(steps, losses, apart):
    ok = [i for i in range(len(losses)) if losses[i] is not None]
    k = []
    for i in ok:
        for j in ok:
            if i < j and abs(steps[i] - steps[j]) >= apart:
                dy = losses[j] - losses[i]
                dx = steps[j] - steps[i]
                k.append(dy / dx)
    if k:
        k.sort(reverse=True)
        mid = int(len(k) / 2)
        if len(k) & 1:
            return float(k[mid] * 100)
        return float((k[mid] + k[mid - 1]) * 50)
    raise ValueError("at least one pair is needed")
""",
    "class": """
class Line:
    def __init__(self):
        self.points = []
        self.slopes = []

    def add(self, step, loss, apart):
        for point in self.points:
            run = step - point[0]
            if run >= apart:
                self.slopes.append((loss - point[1]) / run)
        self.points.append((step, loss))

    def middle(self):
        self.slopes.sort()
        n, odd = divmod(len(self.slopes), 2)
        return self.slopes[n] if odd else (self.slopes[n - 1] + self.slopes[n]) / 2

def robust_trend(steps, losses, apart):
    line = Line()
    for step, loss in zip(steps, losses):
        if loss is not None:
            line.add(step, loss, apart)
    if not line.slopes:
        raise ValueError("no slopes")
    return line.middle() * 100
""",
    "matrix": """
def robust_trend(steps, losses, apart):
    n = len(steps)
    grid = [[None] * n for _ in range(n)]
    for row in range(n):
        for col in range(row):
            if None in (losses[row], losses[col]):
                continue
            width = steps[row] - steps[col]
            grid[row][col] = (losses[row] - losses[col]) / width if width >= apart else None
    flat = [cell for line in grid for cell in line if cell is not None]
    if not flat:
        raise ValueError("empty")
    flat.sort()
    left = flat[: (len(flat) + 1) // 2]
    right = flat[len(flat) // 2 :]
    return 100 * (left[-1] + right[0]) / 2
""",
    "ranks": """
def robust_trend(steps, losses, apart):
    pts = [p for p in zip(steps, losses) if p[1] != None]
    out = [
        (y2 - y1) / (x2 - x1) * 100
        for x1, y1 in pts
        for x2, y2 in pts
        if x2 > x1 and x2 - x1 >= apart
    ]
    total = len(out)
    if total == 0:
        raise ValueError("nothing")
    for candidate in out:
        below = sum(1 for o in out if o < candidate)
        above = sum(1 for o in out if o > candidate)
        if total % 2 and below <= total // 2 and above <= total // 2:
            return candidate
    ordered = sorted(out)
    return (ordered[total // 2 - 1] + ordered[total // 2]) / 2
""",
}

ORIGINAL = "insertion"
COPIES = {
    "renamed": """
import bisect

def robust_trend(xs, ys, minimum):
    liste = []
    zaehler = 0
    for p, eins in enumerate(ys):
        for q, zwei in enumerate(ys[:p]):
            if eins is None or zwei is None or xs[p] - xs[q] < minimum:
                pass
            else:
                bisect.insort(liste, (eins - zwei) / (xs[p] - xs[q]))
                zaehler = zaehler + 1
    if zaehler == 0:
        raise ValueError()
    rest = zaehler % 2
    if rest:
        return 100 * liste[(zaehler - 1) // 2]
    return 100 * (liste[zaehler // 2] + liste[zaehler // 2 - 1]) / 2
""",
    "reordered": """
import bisect

def robust_trend(steps, losses, apart):
    count = 0
    kept = []
    for a, first in enumerate(losses):
        for b, second in enumerate(losses[:a]):
            if second is None or first is None or steps[a] - steps[b] < apart:
                pass
            else:
                count = count + 1
                bisect.insort(kept, (first - second) / (steps[a] - steps[b]))
    odd = count % 2
    if count == 0:
        raise ValueError()
    if odd:
        return 100 * kept[(count - 1) // 2]
    return 100 * (kept[count // 2 - 1] + kept[count // 2]) / 2
""",
    "commented": '''
import bisect  # 二分查找


def robust_trend(steps: list[int], losses: list, apart: int) -> float:
    """My own idea: keep the list sorted all the time."""
    ordered: list[float] = []  # 排好序的斜率
    number: int = 0
    # 两重循环
    for a, first in enumerate(losses):
        for b, second in enumerate(losses[:a]):
            # None 要跳过
            if first is None or second is None or apart > steps[a] - steps[b]:
                pass
            else:
                bisect.insort(ordered, (first - second) / (steps[a] - steps[b]))
                number += 1
    if number == 0:
        raise ValueError("这里没有一对点")
    odd: int = number % 2
    if odd:
        return 1e2 * ordered[(number - 1) // 2]
    return 1e2 * (ordered[number // 2] + ordered[number // 2 - 1]) / 2.0
''',
    "split": """
import bisect

def robust_trend(steps, losses, apart):
    s = steps
    ordered, number = [], 0
    for a, first in enumerate(losses):
        for b, second in enumerate(losses[:a]):
            if first is None or second is None or s[a] - s[b] < apart:
                continue
            else:
                rise = first - second
                run = s[a] - s[b]
                bisect.insort(ordered, rise / run)
                number = number + 1
    if number == 0:
        raise ValueError()
    odd = number % 2
    if odd:
        place = (number - 1) // 2
        return 100 * ordered[place]
    both = ordered[number // 2] + ordered[number // 2 - 1]
    return 100 * both / 2
""",
}
