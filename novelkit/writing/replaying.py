"""A record brought back: taken up where it ended, or written again and compared."""

from dataclasses import dataclass
from typing import Any

from novelkit.errors import InputError
from novelkit.sampling import Piece, SamplingConfig, generate_candidates
from novelkit.writing import record as records
from novelkit.writing.session import Candidate, WritingSession


def take_up(session: WritingSession, record: dict[str, Any]) -> None:
    """Bring a session to where its record ends, without writing anything anew."""
    path, session.path = session.path, None
    actions = record["actions"]
    session.start_with(actions[0].get("text", ""))
    for action in actions[1:]:
        apply_action(session, action)
    session.record, session.path = {k: v for k, v in record.items() if "text" not in k}, path


def apply_action(session: WritingSession, action: dict[str, Any]) -> None:
    """Do again what was recorded, with the recorded candidates."""
    kind = action["kind"]
    if kind == "continue":
        session.guide = records.guide_from_dict(action["guide"])
        session.take([_recorded(item) for item in action["candidates"]])
    elif kind == "accept":
        session.accept(action["candidate"])
    elif kind == "reject":
        session.reject()
    elif kind == "edit":
        old = session.manuscript.text
        session.edit(old[: action["start"]] + action["text"] + old[action["end"] :])
    elif kind == "branch":
        session.branch(action["start"], action["text"])
    elif kind in ("undo", "redo"):
        session.undo() if kind == "undo" else session.redo()
    else:
        raise InputError(f"记录里有不认识的动作 {kind}：请升级 novelkit。")


def _recorded(item: dict[str, Any]) -> Candidate:
    """A candidate from its record, which holds no ranks and no alternatives."""
    parts = zip(item["texts"], item["tokens"], item["probabilities"], strict=True)
    pieces = [Piece(text, token, probability, 0) for text, token, probability in parts]
    return Candidate(pieces, bool(item.get("stopped")))


@dataclass(frozen=True)
class Replay:
    """What came of writing a record again: the text, and the first difference if there is one."""

    text: str
    continuations: int
    tokens: int
    difference: records.Difference | None
    other_machine: tuple[str, ...]  # what is not as it was: torch, precision, threads, ...


def replay(session: WritingSession, record: dict[str, Any]) -> Replay:
    """Write everything again that the model wrote in a record, and compare token by token.

    `session` is a new one with the same model. Ends at the first difference. Raises `InputError`
    for another model.
    """
    refuse_other_model(session, record)
    actions = record["actions"]
    session.start_with(actions[0].get("text", ""))
    continuations = tokens = 0
    difference = None
    for number, action in enumerate(actions[1:], 1):
        if action["kind"] == "continue":
            session.guide = records.guide_from_dict(action["guide"])
            config = records.config_from_dict(action["settings"])
            written = _write_again(session, config, action)
            difference = records.first_difference(number, action["candidates"], written)
            continuations, tokens = continuations + 1, tokens + sum(map(len, written))
            if difference:
                break
        apply_action(session, action)
    now, then = session.record["machine"], record["machine"]
    other = tuple(name for name in now if now[name] != then.get(name))
    return Replay(session.manuscript.text, continuations, tokens, difference, other)


def refuse_other_model(session: WritingSession, record: dict[str, Any]) -> None:
    now, then = session.record["model"], record["model"]
    for name in ("weights_sha256", "tokenizer_sha256"):
        if now.get(name) != then.get(name):
            raise InputError(
                f"记录是用模型 {then.get('name')} 写的（{name} {str(then.get(name))[:12]}…），"
                f"现在的是 {now.get('name')}（{str(now.get(name))[:12]}…）：请换回原来的模型。"
            )


def _write_again(
    session: WritingSession, config: SamplingConfig, action: dict[str, Any]
) -> list[list[int]]:
    """The tokens of every candidate; of stopped ones so many as were recorded."""
    limits = [len(item["tokens"]) if item.get("stopped") else None for item in action["candidates"]]
    written: list[list[int]] = [[] for _ in limits]
    pieces = generate_candidates(
        session.decoder,
        session.tokenizer,
        session.manuscript.text,
        config,
        session.guide,
        count=action["count"],
        training=session.training,
    )
    for number, piece in pieces:
        written[number].append(piece.token)
        if all(limit is not None for limit in limits) and all(
            len(tokens) >= (limit or 0) for tokens, limit in zip(written, limits, strict=True)
        ):
            break
    return [
        tokens if limit is None else tokens[:limit]
        for tokens, limit in zip(written, limits, strict=True)
    ]
