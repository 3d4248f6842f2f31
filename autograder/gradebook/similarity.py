"""Which submissions are alike beyond what the exercise gives: fingerprints of their code, stub and reference left out (copydetect).

That two files are alike is a reason to look, and proves nothing: short tasks have few solutions, and who has worked together, used
the same source or the same assistant is not in the files. That two files differ proves nothing either.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from autograder.authoring.build import stub_text
from autograder.catalog import CourseError, Exercise
from autograder.grading.submission import Submission

NOISE, GUARANTEE = 25, 25  # characters of tokenized code: shorter matches are noise, such a match is found for sure
WINDOW = GUARANTEE - NOISE + 1


@dataclass(frozen=True)
class Side:
    """One of two files: whose, how much of it is in the other (0 to 1), and where, as pairs of places in the text."""

    learner: str
    text: str
    share: float
    spans: tuple[tuple[int, int], ...]

    def parts(self) -> list[tuple[bool, str]]:
        """The text in pieces, each with whether it is in the other file, too."""
        found, place = [], 0
        for start, end in self.spans:
            found += [(False, self.text[place:start]), (True, self.text[start:end])]
            place = end
        return [(alike, text) for alike, text in [*found, (False, self.text[place:])] if text]


@dataclass(frozen=True)
class Alike:
    """Two learners' files of one exercise."""

    exercise: str
    one: Side
    other: Side

    @property
    def share(self) -> float:
        return max(self.one.share, self.other.share)


def compare_class(submissions: Sequence[Submission], exercise: Exercise, at_least: float) -> list[Alike]:
    """Every two files of an exercise of which one is to such a share in the other, the most alike first.

    Raises:
        CourseError: copydetect is not installed.
    """
    try:
        from copydetect.detector import CodeFingerprint, compare_files
    except ImportError:
        raise CourseError("this needs copydetect; run: pip install 'autograder[similarity]'") from None

    def fingerprint(text: str, given: Sequence[int] = ()) -> CodeFingerprint:
        return CodeFingerprint(f"{exercise.name}.py", NOISE, WINDOW, given, language="python", fp=io.StringIO(text))

    given = set()
    for text in (stub_text(exercise.solution), exercise.solution.read_text(encoding="utf-8")):
        given |= set(fingerprint(text).hashes)
    prints = {}
    for submission in submissions:
        if text := submission.files.get(exercise.id, b"").decode("utf-8", "replace"):
            prints[submission.learner] = fingerprint(text, sorted(given))
    found = []
    for one, other in combinations(prints, 2):
        if not (len(prints[one].hashes) and len(prints[other].hashes)):
            continue  # nothing of their own
        _, shares, spans = compare_files(prints[one], prints[other])
        if max(shares) >= at_least:
            sides = [
                Side(learner, prints[learner].raw_code, min(float(share), 1.0), _spans(slices))
                for learner, share, slices in zip((one, other), shares, spans, strict=True)
            ]
            found.append(Alike(exercise.id, *sides))
    return sorted(found, key=lambda pair: (-pair.share, pair.one.learner, pair.other.learner))


def clusters(pairs: Sequence[Alike]) -> list[list[str]]:
    """Learners who are linked by pairs, directly or through others; the largest first."""
    group: dict[str, set[str]] = {}
    for pair in pairs:
        merged = {pair.one.learner, pair.other.learner}
        merged |= group.get(pair.one.learner, set()) | group.get(pair.other.learner, set())
        for learner in merged:
            group[learner] = merged
    found = {id(members): sorted(members) for members in group.values()}
    return sorted(found.values(), key=lambda members: (-len(members), members))


def _spans(slices: object) -> tuple[tuple[int, int], ...]:
    """Places that follow one another, without overlaps."""
    spans: list[tuple[int, int]] = []
    for start, end in sorted(zip(*(map(int, row) for row in slices), strict=True)):
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    return tuple(spans)
