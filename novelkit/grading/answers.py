"""Which function of a submission answers an exercise, and the program that it is part of.

Looked for by name in the exercise's cell, in any code cell, in text cells (a cell that was
retyped), then by parameters and by a near name. Nothing of a submission is executed here. Does not
cover: running the program, and names made by `exec` or `globals()`.
"""

import ast
import difflib
import inspect
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from novelkit.errors import InputError
from novelkit.exercises import Exercise, exercise_cells
from novelkit.grading.candidates import (
    Candidate,
    ReadFile,
    candidates_in,
    methods_named,
    parameters_of,
    read_files,
    retyped_candidates,
)
from novelkit.grading.cells import NO_PROGRAM, Cell, parsed
from novelkit.grading.parsing import parse_cells
from novelkit.grading.programs import (
    CodeMap,
    Program,
    build_program,
    imports_of,
    same_code_key,
    skipped_note,
)
from novelkit.grading.records import Answer, Status, Submission, SubmittedFile

NEAR = 0.8  # of difflib's ratio: graded, with a note
RESEMBLES = 0.6  # only said
MOST_BROKEN_SHOWN = 5


def course_templates(notebooks: Path) -> dict[str, str]:
    """Name of exercise -> source of its answer cell as the course gives it.

    From the .ipynb files in the folder `notebooks`; raises InputError where it has no exercises.
    """
    found: dict[str, str] = {}
    try:
        for path in sorted(Path(notebooks).glob("*.ipynb")):
            found.update(exercise_cells(json.loads(path.read_text(encoding="utf-8"))))
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{path} 不能作为 notebook 读取：请用完整的 novelkit 仓库。") from error
    if not found:
        raise InputError(f"{notebooks} 里没有带练习的 notebook：请用完整的 novelkit 仓库。")
    return found


def course_functions(notebooks: Path) -> tuple[str, ...]:
    """Sources of the functions that the course's notebooks define outside answer cells.

    They stand in every submission: none of them is an answer, whatever its name and parameters.
    """
    found = []
    for path in sorted(Path(notebooks).glob("*.ipynb")):
        files, _ = read_files([SubmittedFile(path.name, path.read_bytes(), 0.0)])
        found += [
            ast.unparse(one.node)
            for file in files
            for one in file.candidates
            if one.piece.exercise is None
        ]
    return tuple(found)


def reference_answer(exercise: Exercise) -> Answer:
    """The program of the exercise's own solution, which may import what students may not.

    Raises InputError when its source cannot be found.
    """
    reference = inspect.unwrap(exercise.reference)
    name = getattr(reference, "__name__", "")
    try:
        path = Path(inspect.getsourcefile(reference) or "")
        source = path.read_text(encoding="utf-8")
    except (TypeError, OSError) as error:
        raise InputError(
            f"练习 {exercise.name} 的参考答案没有源文件：请用 def 写成一个函数。"
        ) from error
    code = CodeMap(parse_cells([Cell(1, "code", source)], path.name, alone=True).pieces)
    named = [one for one in candidates_in(code) if one.name == name]
    if not named:
        raise InputError(f"{path} 里没有函数 {name}：练习 {exercise.name} 的参考答案要在那里定义。")
    program = build_program(code, named[-1].piece, name)
    imports = frozenset(imports_of(program.pieces))
    return Answer(exercise.name, name, program.statements, imports, source=named[-1].piece.source)


def find_answers(
    submission: Submission,
    exercises: Mapping[str, Exercise],
    templates: Mapping[str, str],
    given: Sequence[str] = (),
) -> dict[str, Answer]:
    """The answer to each exercise by its name, also where there is none; never raises.

    `templates` are answer cells as the course gives them (see `course_templates`), `given` other
    functions of the course (see `course_functions`): what is equal to one of them, comments and
    formatting aside, is no answer. A submission with a conflict has NOT_GRADABLE answers.
    """
    if submission.conflict is not None:
        note = (submission.conflict,)
        return {
            name: Answer(name, None, notes=note, status=Status.NOT_GRADABLE) for name in exercises
        }
    files, unreadable = read_files(submission.files)
    finder = _Finder(files, tuple(unreadable), exercises, templates, given)
    return {name: finder.answer(exercise) for name, exercise in exercises.items()}


class _Finder:
    """The files of one student, asked for one exercise after the other."""

    def __init__(
        self,
        files: Sequence[ReadFile],
        unreadable: tuple[str, ...],
        exercises: Mapping[str, Exercise],
        templates: Mapping[str, str],
        given: Sequence[str],
    ) -> None:
        self.given = {same_code_key(node) for source in given for node in _statements(source)}
        self.files, self.unreadable = files, unreadable
        self.functions = {exercise.function for exercise in exercises.values()}
        self.templates = {
            name: _template_function(templates.get(name, ""), exercise.function)
            for name, exercise in exercises.items()
        }
        self.signatures = {
            name: _signature(exercise, self.templates[name]) for name, exercise in exercises.items()
        }

    def answer(self, exercise: Exercise) -> Answer:
        """One exercise's answer, or why there is none."""
        files = sorted(self.files, key=lambda file: _rank(file, exercise))
        found, notes = self._by_name(exercise, files)
        broken = _broken_with(exercise, files)
        if found is None:
            found, notes = self._retyped(exercise, files)
        if found is None and broken:
            return Answer(
                exercise.name, None, notes=(*broken, *self.unreadable), status=Status.ERROR
            )
        if found is None:
            found, notes = self._by_likeness(exercise)
        if found is None:
            return self._nothing(exercise, files)
        program = build_program(found.code, found.piece, found.name)
        return self._program(exercise, found, program, notes)

    # ---- where it may be

    def _is_template(self, exercise: Exercise, candidate: Candidate) -> bool:
        template, key = self.templates[exercise.name], candidate.key
        return key in self.given or (template is not None and same_code_key(template) == key)

    def _named(self, exercise: Exercise, file: ReadFile) -> list[Candidate]:
        return [one for one in file.candidates if one.name == exercise.function]

    def _by_name(
        self, exercise: Exercise, files: Sequence[ReadFile]
    ) -> tuple[Candidate | None, list[str]]:
        every = [
            [one for one in self._named(exercise, file) if not self._is_template(exercise, one)]
            for file in files
        ]
        first = next((found for found in every if found), None)
        if first is None:
            return None, []
        tagged = [one for one in first if one.piece.exercise == exercise.name]
        chosen = (tagged or first)[-1]
        notes = []
        # A program has no answer cells.
        if not tagged and ".py" not in chosen.piece.place:
            notes.append(
                f"{exercise.function} 不在练习的答题格里，用的是{spaced(chosen.piece.place)}的。"
            )
        different = {one.key for found in every for one in found}
        if len(different) > 1:
            notes.append(
                f"{exercise.function} 有 {len(different)} 个不同的定义，"
                f"评分用的是{spaced(chosen.piece.place)}的。"
            )
        return chosen, notes

    def _retyped(
        self, exercise: Exercise, files: Sequence[ReadFile]
    ) -> tuple[Candidate | None, list[str]]:
        for file in files:
            found = [
                one
                for one in retyped_candidates(file, exercise.function)
                if not self._is_template(exercise, one)
            ]
            if found:
                note = f"{spaced(found[-1].piece.place)}不是代码格，里面的 {exercise.function} "
                return found[-1], [note + "仍然评分：请把它改成代码格。"]
        return None, []

    @cached_property
    def _others(self) -> list[Candidate]:
        """Functions that no exercise asks for, each once, however often it was copied."""
        unique = {
            (one.name, one.key): one
            for file in self.files
            for one in file.candidates
            if one.name not in self.functions
            and parameters_of(one.node) is not None
            and one.key not in self.given
        }
        return list(unique.values())

    def _by_likeness(self, exercise: Exercise) -> tuple[Candidate | None, list[str]]:
        wanted = self.signatures[exercise.name]
        others = self._others
        same = [one for one in others if parameters_of(one.node) == wanted]
        shared = sum(signature == wanted for signature in self.signatures.values()) > 1
        near = [
            one
            for one in others
            if len(parameters_of(one.node) or ()) == len(wanted)
            and difflib.get_close_matches(one.name, [exercise.function], 1, NEAR)
        ]
        for group in ([] if shared else same, near):
            if len(group) == 1:
                found = group[0]
                wanted_name = exercise.function
                note = f"题目要的函数名是 {wanted_name}，你写的是 {found.name}"
                return found, [f"{note}（是不是想写 {wanted_name}？）"]
        return None, []

    # ---- what is said of it

    def _program(
        self, exercise: Exercise, found: Candidate, program: Program, notes: list[str]
    ) -> Answer:
        imports = imports_of(program.pieces)
        banned = [name for name in exercise.forbidden_imports if name in imports]
        notes += [
            f"{spaced(imports[name].place)}导入了 {name}，这道题不许用：请自己写出来。"
            for name in banned
        ]
        notes += _program_notes(program)
        cells = {piece.cell for piece in program.pieces}
        file = next(file for file in self.files if file.name == found.file)
        changes = [line for cell in sorted(cells) for line in file.parsed.changes.get(cell, ())]
        notes += dict.fromkeys(changes)
        notes += _first([broken.note for broken in file.parsed.broken])
        return Answer(
            exercise.name,
            None if banned else found.name,
            () if banned else program.statements,
            frozenset(imports),
            (*notes, *self.unreadable),
            Status.FORBIDDEN if banned else None,
            found.piece.source,
        )

    def _nothing(self, exercise: Exercise, files: Sequence[ReadFile]) -> Answer:
        given = [one for file in files for one in self._named(exercise, file)]
        if not given:
            given = [one for f in files for one in retyped_candidates(f, exercise.function)]
        if given:
            place = spaced(given[-1].piece.place)
            notes = [f"{place}的 {exercise.function} 没有改动，还是题目给的样子。"]
        else:
            notes = [f"没有找到函数 {exercise.function}。", *self._resembling(exercise)]
        notes += _first([broken.note for file in files for broken in file.parsed.broken])
        status = Status.ERROR if self.unreadable and not files else Status.MISSING
        return Answer(exercise.name, None, notes=(*self.unreadable, *notes), status=status)

    def _resembling(self, exercise: Exercise) -> Iterator[str]:
        for file in self.files:
            for place, owner in methods_named(file.map, exercise.function):
                wrong = f"{spaced(place)}把 {exercise.function} 写成了类 {owner} 的方法"
                yield f"{wrong}：请写成单独的函数。"
        names = [one.name for one in self._others]
        if close := difflib.get_close_matches(exercise.function, names, 1, RESEMBLES):
            yield f"你写了 {close[0]}：是不是想写 {exercise.function}？请把名字改过来。"


def spaced(place: str) -> str:
    """A place inside a Chinese sentence: a file's name stands between spaces."""
    return place if place.startswith("第") else f" {place} "


def _rank(file: ReadFile, exercise: Exercise) -> tuple[bool, float]:
    """The exercise's own notebook first, then the newest."""
    return exercise.notebook.casefold() not in file.name.casefold(), -file.modified


def _first(notes: list[str]) -> list[str]:
    if len(notes) <= MOST_BROKEN_SHOWN:
        return notes
    return [*notes[:MOST_BROKEN_SHOWN], f"另外还有 {len(notes) - MOST_BROKEN_SHOWN} 格没有读。"]


def _broken_with(exercise: Exercise, files: Sequence[ReadFile]) -> list[str]:
    """The lines on cells that cannot be read and hold, or should hold, the function."""
    defined = re.compile(rf"\bdef\s+{re.escape(exercise.function)}\b")
    return [
        broken.note
        for file in files
        for broken in file.parsed.broken
        if broken.cell.exercise == exercise.name or defined.search(broken.cell.source)
    ]


def _program_notes(program: Program) -> Iterator[str]:
    for name, place in program.redefined:
        yield f"{name} 有几个不同的定义，用的是{spaced(place)}的。"
    if program.unknown:
        names = "、".join(program.unknown[:5])
        yield f"答案用到了 {names}，但是文件里没有定义：请重启内核，从头运行一遍。"
    if note := skipped_note(program.skipped):
        yield note


def _template_function(source: str, function: str) -> ast.AST | None:
    """The function as the course gives it; None where there is none."""
    nodes = _statements(source)
    return next((node for node in nodes if getattr(node, "name", None) == function), None)


def _statements(source: str) -> list[ast.stmt]:
    try:
        return parsed(source).body
    except NO_PROGRAM:
        return []


def _signature(exercise: Exercise, template: ast.AST | None) -> tuple[str, ...]:
    """Names of parameters: of the template, which the student saw, else of the reference."""
    found = parameters_of(template)
    return tuple(inspect.signature(exercise.reference).parameters) if found is None else found
