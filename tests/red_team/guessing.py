"""Marks by luck: constants, random answers, copied public cases, the template itself."""

from novelkit.grading.records import Status
from red_team.attempts import BITS, MISSING, SWING, Attempt, attempt, hostile, notebook_of

FAILED, PARTIAL = Status.FAILED, Status.PARTIAL
GUESS = "What the luckiest constant answer gets is taken off, and so are failed public cases."

ATTEMPTS: list[Attempt] = [
    hostile(
        "constant-cause",
        "永远回答最常见的一个",
        "always the commonest answer",
        """
        COMMONEST = "unknown"
        def name_cause(signs):
            return COMMONEST
        """,
        FAILED,
        why=GUESS,
    ),
    hostile(
        "constant-swing",
        "永远 drift，太短就抛出异常",
        "always drift, and the refusal that the text asks for",
        """
        def name_swing(losses, spread, rows):
            if len(losses) < 8:
                raise ValueError
            return "drift"
        """,
        FAILED,
        exercise=SWING,
        why=GUESS,
    ),
    hostile(
        "constant-refusal",
        "永远抛出 ValueError",
        "always raises what some cases expect",
        """
        def bits_per_character(nats_per_token, tokens, characters):
            raise ValueError("characters")
        """,
        FAILED,
        exercise=BITS,
        why=GUESS,
    ),
    hostile(
        "random-guess",
        "随机猜",
        "guesses at random",
        """
        import random
        def name_cause(signs):
            return random.choice(["healthy", "unknown", "overfitting", "restarted"])
        """,
        FAILED,
        PARTIAL,
        most=0.7,
        why="The generator is seeded before each call, so a guess is a constant.",
    ),
    hostile(
        "public-cases-copied",
        "把公开用例的答案抄成一张表",
        "a table of the public cases' answers",
        """
        def name_cause(signs):
            quiet = {"jump_of_swing": 0.4, "echo": 0.3, "gap": 0.2, "memory": 0.05,
                     "noise_of_spread": 0.36}
            table = [
                (quiet, "healthy"),
                ({**quiet, "jump_of_swing": 9.5}, "restarted"),
                ({**quiet, "memory": 0.25}, "unshuffled"),
                ({**quiet, "gap": 2.5, "memory": 0.4}, "unknown"),
                ({**quiet, "jump_of_swing": None, "echo": 6.0}, "batches_repeated"),
                ({"memory": -0.1, "noise_of_spread": 0.9}, "one_micro_batch_logged"),
                ({**quiet, "noise_of_spread": 9.0}, "healthy"),
            ]
            return next((answer for asked, answer in table if asked == signs), "unknown")
        """,
        PARTIAL,
        FAILED,
        why="Points come from hidden cases; what passes of these is what a constant passes.",
    ),
    attempt(
        "template-unchanged",
        "原样交回题目给的代码",
        "the template as it was given",
        notebook_of(
            "template-unchanged",
            BITS,
            (
                "def bits_per_character(nats_per_token, tokens, characters):\n"
                "    return nats_per_token  # 改这里\n"
            ),
        ),
        {BITS: MISSING},
        "It is no answer.",
    ),
]
