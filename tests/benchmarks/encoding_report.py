"""Records of the encoding benchmark as Markdown tables. Plain data in, text out."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from encoding_cases import DAMAGES, ENCODINGS, LENGTH_NAMES, SHORTEST_JUDGED

_BINS = (0.0, 0.5, 0.8, 0.95, 0.99, 0.999, 1.0)
_CHINESE_ONLY = {"gb18030", "gbk", "gb2312", "big5", "cp950", "big5hkscs", "hz"}


def markdown(rows: list[list[str]]) -> str:
    """A table whose first row is the head; numbers to the right."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|---" + "|---:" * (len(rows[0]) - 1) + "|")
    return "\n".join(lines) + "\n"


def difference(truth: str, text: str) -> str:
    """Where two texts first differ, with what stands around it."""
    if truth == text:
        return "no difference"
    pairs = zip(truth, text, strict=False)
    shorter = min(len(truth), len(text))
    place = next((place for place, (a, b) in enumerate(pairs) if a != b), shorter)
    around = slice(max(0, place - 20), place + 40)
    return f"first difference at {place}:\n  truth  {truth[around]!r}\n  answer {text[around]!r}"


def header(result: dict) -> str:
    """The conditions of the run."""
    return (
        f"# Encoding detection\n\n{result['date']}, {result['machine']}; seed {result['seed']}, "
        f"half of the books: {result['half']}, {result['books']} texts"
        f"{'' if result['corpus'] else ' (own texts only)'}.\n"
    )


def _percent(records: Iterable[dict], name: str, empty: str = "-") -> str:
    verdicts = [record["right"][name] for record in records if name in record["right"]]
    if not verdicts:
        return empty
    wrong = len(verdicts) - sum(verdicts)
    share = 100 * (1 - wrong / len(verdicts))
    # 99.96 is not 100.
    return "100" if not wrong else f"{min(share, 99.99):.2f}"


def accuracy_tables(records: list[dict], names: list[str]) -> str:
    """Right in % by encoding, length and damage, and ours by encoding and damage."""
    long = [record for record in records if record["length"] >= SHORTEST_JUDGED]
    rows = [["right in %", "cases", *names]]

    def add(title: str, chosen: list[dict]) -> None:
        if chosen:
            rows.append([title, str(len(chosen)), *(_percent(chosen, name) for name in names)])

    add("**overall**", records)
    add("**256 B and more**", long)
    add("256 B and more, clean", [r for r in long if r["damage"] == "clean"])
    fields: tuple[tuple[str, list], ...] = (
        ("encoding", list(ENCODINGS)),
        ("length", list(LENGTH_NAMES)),
        ("damage", list(DAMAGES)),
        ("script", ["simplified", "traditional"]),
        ("genre", ["classical", "modern", "dialogue"]),
    )
    for field, values in fields:
        for value in values:
            title = LENGTH_NAMES.get(value, value) if field == "length" else value
            add(title, [record for record in records if record[field] == value])
    asked = [sum(name in record["right"] for record in records) for name in names]
    rows.append(["cases asked", "", *map(str, asked)])
    cross = _cross_table(long, names[0])
    mended = sum(record["mended"] for record in long)
    note = (
        f"Of the right answers of {names[0]} from 256 B on, {mended} are the undamaged text, the "
        "step of UTF-16 or UTF-32 mended where a byte was lost.\n"
    )
    return f"{markdown(rows)}\n{note}\n{names[0]}, 256 B and more, right in %:\n\n{cross}"


def whole_table(records: list[dict], names: list[str]) -> str:
    """Right in % of whole undamaged books, by encoding."""
    rows = [["encoding", "books", "MB", *names]]
    for encoding in [*ENCODINGS, "**all**"]:
        chosen = [r for r in records if encoding in (r["encoding"], "**all**")]
        megabytes = sum(record["length"] for record in chosen) / 1e6
        shares = [_percent(chosen, name) for name in names]
        rows.append([encoding, str(len(chosen)), f"{megabytes:.1f}", *shares])
    return markdown(rows)


def _cross_table(records: list[dict], name: str) -> str:
    rows = [["encoding", *DAMAGES]]
    for encoding in ENCODINGS:
        chosen = [record for record in records if record["encoding"] == encoding]
        shares = [_percent((r for r in chosen if r["damage"] == d), name) for d in DAMAGES]
        rows.append([encoding, *shares])
    return markdown(rows)


def calibration_table(records: list[dict], name: str) -> str:
    """Whether answers of a confidence are right as often as it says."""
    answered = [record for record in records if record["confidence"] is not None]
    rows = [["confidence", "cases", "mean confidence", "right in %"]]
    for low, high in zip(_BINS, _BINS[1:], strict=False):
        chosen = [
            record
            for record in answered
            if low <= record["confidence"] < high or (high == 1.0 == record["confidence"])
        ]
        if chosen:
            mean = sum(record["confidence"] for record in chosen) / len(chosen)
            label = f"{low:g} to {high:g}"
            rows.append([label, str(len(chosen)), f"{mean:.4f}", _percent(chosen, name)])
    alarms = [record for record in answered if record["mojibake"]]
    return (
        f"Calibration of {name}:\n\n{markdown(rows)}\n"
        f"Refused: {len(records) - len(answered)} of {len(records)}. "
        f"Good text taken for mojibake: {len(alarms)} of {len(records)}.\n"
    )


def time_table(records: list[dict], names: list[str]) -> str:
    """Milliseconds of a call on the matrix, damaged files too: the middle one and the slowest."""
    lengths = [n for n in LENGTH_NAMES if any(record["length"] == n for record in records)]
    rows = [["ms a call: median (slowest)", *(LENGTH_NAMES[length] for length in lengths)]]
    for name in names:
        cells = []
        for length in lengths:
            times = [r["seconds"].get(name) for r in records if r["length"] == length]
            taken = sorted(1000 * seconds for seconds in times if seconds is not None)
            cells.append(f"{taken[len(taken) // 2]:.2f} ({taken[-1]:.1f})" if taken else "-")
        rows.append([name, *cells])
    return markdown(rows)


def failures(records: list[dict], rows: list[dict], name: str) -> list[dict]:
    """What to look at with `--case`: wrong cases, and rows that were not answered as asked."""
    wrong = [record for record in records if not record["right"][name]]
    for row in rows:
        good = {
            "binary": row["refused"],
            "mojibake": row["recognised"] and row.get("repaired"),
            "partial": row.get("repaired"),
            "lossy": row["recognised"],
            "scar": row["right"][name] and row["mentioned"],
        }
        if not good.get(row["group"], row["right"][name]):
            wrong.append(row)
    keys = ("id", "length", "encoding", "damage", "group", "kind", "confidence")
    return [
        {key: record[key] for key in keys if key in record} | {"answer": record["answer"][name]}
        for record in wrong
    ]


def failure_lines(wrong: list[dict], most: int = 40) -> str:
    """Kinds of failures first, then those of the matrix of 256 B and more by name."""
    matrix = [entry for entry in wrong if "damage" in entry]
    long = [entry for entry in matrix if entry["length"] >= SHORTEST_JUDGED]
    kinds = Counter((entry["encoding"], entry["damage"], str(entry["answer"])) for entry in long)
    groups = Counter((entry["group"], entry["kind"]) for entry in wrong if "group" in entry)
    lines = [f"{len(matrix)} cases failed, {len(long)} of them of 256 B and more, by kind:"]
    lines += [f"  {count:5d}  {'  '.join(kind)}" for kind, count in kinds.most_common(30)]
    lines.append(f"{groups.total()} rows were not answered as asked:")
    lines += [f"  {count:5d}  {'  '.join(kind)}" for kind, count in groups.most_common(60)]
    lines += [
        f"{entry['id']}  answer {entry['answer']}  confidence {entry['confidence']}"
        for entry in long[:most]
    ]
    return "\n".join(lines)


# --- rows beside the matrix -----------------------------------------------------------------


def _mean(values: Iterable[float], factor: float = 100) -> str:
    values = list(values)
    return f"{factor * sum(values) / len(values):.1f}" if values else "-"


def _kinds(records: list[dict]) -> Iterator[tuple[str, list[dict]]]:
    for kind in dict.fromkeys(record["kind"] for record in records):
        yield kind, [record for record in records if record["kind"] == kind]
    yield "**all**", records


def _layout_table(records: list[dict], names: list[str]) -> str:
    rows = [["layout, encoding", "texts", *(f"{name}: right %" for name in names)]]
    for kind, chosen in _kinds(records):
        rows.append([kind, str(len(chosen)), *(_percent(chosen, name) for name in names)])
    return markdown(rows)


def _mixed_table(records: list[dict], names: list[str]) -> str:
    rows = [["parts", "files", "right in %", "segments", *(f"{n}: % of the text" for n in names)]]
    for kind, chosen in _kinds(records):
        shares = [_mean(record["share"][name] for record in chosen) for name in names]
        segments = _mean((record["segments"] for record in chosen), 1)
        rows.append([kind, str(len(chosen)), _percent(chosen, names[0]), segments, *shares])
    return markdown(rows)


def _mojibake_table(records: list[dict], names: list[str]) -> str:
    rows = [["true → read as", "texts", "recognised %", "repaired %", "% of the text repaired"]]
    for kind, chosen in _kinds(records):
        recognised = _mean(record["recognised"] for record in chosen)
        repaired = _mean(record.get("repaired", False) for record in chosen)
        share = _mean(record.get("repaired_share", 0.0) for record in chosen)
        rows.append([kind, str(len(chosen)), recognised, repaired, share])
    lengths = sorted({record["length"] for record in records})
    by_length = ", ".join(
        f"{length} B: {_mean(r.get('repaired', False) for r in records if r['length'] == length)}"
        for length in lengths
    )
    return f"{markdown(rows)}\nRepaired in % by length before misreading: {by_length}\n"


def _scar_table(records: list[dict], names: list[str]) -> str:
    rows = [["scar", "texts", "named in the evidence %", "text right %", "left alone by repair %"]]
    for kind, chosen in _kinds(records):
        mentioned = _mean(record["mentioned"] for record in chosen)
        alone = _mean(record.get("repaired", False) for record in chosen)
        rows.append([kind, str(len(chosen)), mentioned, _percent(chosen, names[0]), alone])
    return markdown(rows)


def _binary_table(records: list[dict], names: list[str]) -> str:
    lengths = sorted({record["length"] for record in records})
    rows = [["content", "files", *(f"refused of {length} B in %" for length in lengths)]]
    for kind, chosen in _kinds(records):
        shares = [_mean(r["refused"] for r in chosen if r["length"] == n) for n in lengths]
        rows.append([kind, str(len(chosen)), *shares])
    return markdown(rows)


def _script_table(records: list[dict], names: list[str]) -> str:
    rows = [["language, codec", "texts", "refused %", "called Chinese %", "confidence then (mean)",
             "highest", *(f"{name}: right %" for name in names)]]  # fmt: skip
    for kind, chosen in _kinds(records):
        claims = [r["confidence"] for r in chosen if r["answer"][names[0]] in _CHINESE_ONLY]
        shares = [_mean(record["right"][name] for record in chosen) for name in names]
        highest = f"{max(claims):.3f}" if claims else "-"
        called = _mean(r["answer"][names[0]] in _CHINESE_ONLY for r in chosen)
        refused = _mean(r["refused"] for r in chosen)
        row = [kind, str(len(chosen)), refused, called, _mean(claims, 1.0), highest, *shares]
        rows.append(row)
    return markdown(rows)


_ROW_TABLES: dict[str, tuple[str, Callable[[list[dict], list[str]], str]]] = {
    "layout": ("Undamaged text in another form", _layout_table),
    "mixed": ("Parts in different encodings", _mixed_table),
    "mojibake": (
        "Whole texts of reversible mojibake, saved as UTF-8 (double-encoded UTF-8 among them)",
        _mojibake_table,
    ),
    "lossy": ("Mojibake that lost bytes: no repair can be equal", _mojibake_table),
    "partial": ("Some lines of mojibake within good text", _mojibake_table),
    "scar": ("What cannot be undone", _scar_table),
    "binary": ("No text: must be refused", _binary_table),
    "script": ("Other scripts", _script_table),
}


def row_tables(records: list[dict], names: list[str]) -> str:
    """One table for each group of rows."""
    parts = []
    for group, (title, table) in _ROW_TABLES.items():
        chosen = [record for record in records if record["group"] == group]
        asked = [name for name in names if all(name in r["right"] for r in chosen)]
        if chosen:
            parts.append(f"{title}:\n\n{table(chosen, asked)}")
    return "\n".join(parts)


# --- files as found, speed, a large file ------------------------------------------------------


def dirty_table(records: list[dict], names: list[str]) -> str:
    """What each detector called each file; wrong ones in bold."""
    rows = [["file", "true codec", *names]]
    for record in records:
        answers = []
        for name in names:
            answer = str(record["answer"].get(name, "-"))
            answers.append(answer if record["right"].get(name, True) else f"**{answer}**")
        rows.append([record["id"].replace("|", "\\|"), record["encoding"], *answers])
    rows.append(["right in %", str(len(records)), *(_percent(records, name) for name in names)])
    return markdown(rows)


def speed_table(records: list[dict]) -> str:
    """MB/s by length: the median of the passes, with the slowest and the fastest."""
    lengths = list(dict.fromkeys(record["length"] for record in records))
    rows = [["MB/s: median (slowest to fastest pass)", *lengths]]
    for name in dict.fromkeys(record["detector"] for record in records):
        cells = [
            f"{record['megabytes_per_second']:.2f} ({record['slowest']:.2f} to "
            f"{record['fastest']:.2f})"
            for record in records
            if record["detector"] == name
        ]
        rows.append([name, *cells])
    return markdown(rows)


def large_table(records: list[dict]) -> str:
    """Speed and peak memory of the reader of a large file."""
    rows = [["made in", "MB", "answer", "detect MB/s", "peak MB", "decode MB/s", "peak MB",
             "characters right"]]  # fmt: skip
    problems = []
    for record in records:
        if "error" in record:
            problems.append(f"{record.get('made_in', '-')}: not measured: {record['error']}")
            continue
        size = record["bytes"]
        row = [record["made_in"], f"{size / 1e6:.0f}", record["encoding"]]
        row.append(f"{size / record['detect_seconds'] / 1e6:.0f}")
        row.append(_megabytes(record["detect_peak_bytes"]))
        if "decode_seconds" in record:
            row.append(f"{size / record['decode_seconds'] / 1e6:.0f}")
            row.append(_megabytes(record["decode_peak_bytes"]))
            row.append(str(record["characters"] == record["made_characters"]))
        else:
            row += ["no decode_stream", "-", "-"]
        rows.append(row)
    table = markdown(rows) if len(rows) > 1 else ""
    return "\n".join([table, *problems]).strip()


def _megabytes(count: int | None) -> str:
    return "-" if count is None else f"{count / 1e6:.0f}"
