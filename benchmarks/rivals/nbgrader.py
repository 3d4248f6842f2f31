"""nbgrader: one notebook with an answer cell for each task and a locked cell for each check; `nbgrader autograde` on the class."""

from __future__ import annotations

from typing import Any

from cohort import CHECKS, EXERCISE, Parts
from processes import Cost

from rivals.base import Rival

NAME = EXERCISE.name
CONFIG = 'c = get_config()\nc.CourseDirectory.course_id = "bench"\n'
CALL = "import __main__ as learner\n{check}(learner)"  # a notebook is the module __main__


class Nbgrader(Rival):
    title = "nbgrader autograde"
    needs = ("nbgrader", "ipykernel")
    at_once = True
    learners = 6

    def prepare(self) -> None:
        import nbformat

        (self.folder / "nbgrader_config.py").write_text(CONFIG)
        self.write(notebook(Parts.of(EXERCISE.solution.read_text())), "source", ".")
        self.python("-m", "nbgrader", "generate_assignment", NAME)
        for submission in self.submissions:
            book = nbformat.read(self.folder / "release" / NAME / f"{NAME}.ipynb", 4)
            for cell in book.cells:
                if cell.metadata.nbgrader.solution:
                    cell.source = Parts.of(submission.source).functions[cell.metadata.nbgrader.grade_id]
            self.write(book, "submitted", submission.learner)

    def write(self, book: Any, step: str, learner: str) -> None:
        import nbformat

        path = self.folder / step / learner / NAME / f"{NAME}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(book, path)

    def grade(self) -> list[Cost]:
        return [self.python("-m", "nbgrader", "autograde", NAME) / len(self.submissions)]

    def failed(self) -> dict[str, set[str]]:
        from nbgrader.api import Gradebook

        with Gradebook(f"sqlite:///{self.folder / 'gradebook.db'}") as gradebook:
            return {
                submission.student.id: {
                    grade.name
                    for book in submission.notebooks
                    for grade in book.grades
                    if grade.score < grade.max_score
                }
                for submission in gradebook.assignment_submissions(NAME)
            }


def notebook(solution: Parts) -> Any:
    """What the instructor writes: the solution's functions between answers to be cleared, the checks in locked cells."""
    from nbformat.v4 import new_code_cell, new_notebook

    def cell(name: str, source: str, *, answer: bool = False, points: int | None = None) -> Any:
        marks = {"schema_version": 3, "grade_id": name, "task": False, "grade": points is not None}
        marks |= {"solution": answer, "locked": not answer, "cell_type": "code"}
        marks |= {"points": points} if points is not None else {}
        return new_code_cell(source, metadata={"nbgrader": marks})

    cells = [cell("imports", solution.head)]
    cells += [cell(name, source, answer=True) for name, source in solution.functions.items()]
    cells += [cell("checks", CHECKS.head)]
    cells += [
        cell(name, f"{CHECKS.functions[name]}\n\n{CALL.format(check=name)}", points=1) for name in CHECKS.functions
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})
