"""The figures of a comparison: as tables for the terminal and for docs/performance.md, and as a plot."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from page import DOCS, Table, put
from processes import Cost
from rivals.base import Rival
from rivals.floor import Floor
from rivals.ours import Ours

PAGE, PLOT = DOCS / "performance.md", DOCS / "performance" / "class-size.svg"


@dataclass(frozen=True)
class ClassCost:
    """What grading a whole class cost.

    Attributes:
        memory: the largest resident MiB of each program.
    """

    rival: type[Rival]
    learners: int
    cost: Cost
    memory: dict[str, float]


@dataclass
class Report:
    """All figures of one run.

    Attributes:
        chosen: the ways to compare, in the order of the table.
        missing: of any way, what it lacks to be run.
        costs: of one submission, as often as measured.
    """

    chosen: Sequence[type[Rival]]
    missing: dict[type[Rival], str]
    costs: dict[type[Rival], list[Cost]] = field(init=False)
    classes: list[ClassCost] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.costs = {rival: [] for rival in self.chosen if rival not in self.missing}

    @property
    def tables(self) -> list[Table]:
        return [self.one_submission(), self.class_sizes()]

    def one_submission(self) -> Table:
        columns = ("graded by", "CPU ms", "wall ms", "of the floor", "of ours", "measured", "learners' code runs")
        table = Table("one submission", columns, [])
        for rival, costs in self.costs.items():
            times = [several([getattr(cost, kind) for cost in costs]) for kind in Cost._fields]
            ratios = [self.ratio(costs, self.costs.get(other, [])) for other in (Floor, Ours)]
            measured = f"{len(costs)} × {rival.learners}" if rival.at_once else f"{len(costs)}"
            table.rows.append([rival.title, *times, *ratios, measured, rival.place])
        return self.with_missing(table, self.chosen)

    @staticmethod
    def ratio(costs: list[Cost], others: list[Cost]) -> str:
        if not costs or not others:
            return ""
        ratio = median(cost.cpu for cost in costs) / median(cost.cpu for cost in others)
        return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.2g}"

    def class_sizes(self) -> Table:
        columns = ("graded by", "learners", "CPU s", "wall s", "CPU ms each", "each further", "peak MiB")
        table, before = Table("a whole class", columns, []), None
        for each in self.classes:
            further = ""
            if before and before.rival is each.rival:
                further = f"{1000 * (each.cost.cpu - before.cost.cpu) / (each.learners - before.learners):.1f}"
            figures = [f"{each.cost.cpu:.1f}", f"{each.cost.wall:.1f}", f"{1000 * each.cost.cpu / each.learners:.1f}"]
            memory = ", ".join(
                f"{name} {each.memory[key]:.0f}" for key, name in each.rival.programs.items() if key in each.memory
            )
            table.rows.append([each.rival.title, f"{each.learners:,}", *figures, further, memory])
            before = each
        return self.with_missing(table, [rival for rival in self.missing if rival not in self.chosen])

    def with_missing(self, table: Table, rivals: Sequence[type[Rival]]) -> Table:
        for rival in rivals:
            if rival in self.missing:
                table.rows.append([rival.title, f"not run: {self.missing[rival]}", *[""] * (len(table.columns) - 2)])
        return table

    def setting(self) -> str:
        """What all of it was measured with."""
        needed = dict.fromkeys(name for rival in self.costs for name in ("torch", "pytest", *rival.needs))
        versions = ", ".join(f"{name} {Rival.version(name)}" for name in needed)
        kernel = platform.release().partition("-")[0]
        return f"{os.cpu_count()} cores, Linux {kernel}, Python {platform.python_version()}, {versions}."

    def write(self) -> None:
        """Replace what stands between the marks of the page, and draw the plot."""
        put(PAGE, {"setting": self.setting() + "\n", **{table.name: table.for_page() for table in self.tables}})
        PLOT.parent.mkdir(exist_ok=True)
        draw(self)


def several(seconds: list[float]) -> str:
    """The median in milliseconds, and the least."""
    figures = (
        f"{1000 * value:.1f}" if value < 1 else f"{1000 * value:.0f}" for value in (median(seconds), min(seconds))
    )
    return "{} ({})".format(*figures)


def draw(report: Report) -> None:
    """CPU seconds for one submission against the size of the class, both logarithmic: equal on every machine for equal figures."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams |= {"svg.hashsalt": "class-size", "svg.fonttype": "none", "font.family": "sans-serif"}
    from matplotlib import pyplot

    sizes = sorted({each.learners for each in report.classes})
    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    labels: list[tuple[float, str, str]] = []
    for number, (rival, costs) in enumerate(report.costs.items()):
        points = [(each.learners, each.cost.cpu / each.learners) for each in report.classes if each.rival is rival]
        flat = median(cost.cpu for cost in costs)
        measured, points = bool(points), points or [(size, flat) for size in (sizes[0], sizes[-1])]
        colour, style = f"C{number}", "o-" if measured else ":"
        axes.plot(*zip(*points, strict=True), style, color=colour, linewidth=2.5 if rival is Ours else 1.5)
        labels.append((points[-1][1], rival.title, colour))
    axes.set(
        xscale="log", yscale="log", xlabel="learners in the class", ylabel="CPU seconds a submission", xticks=sizes
    )
    axes.set_xticklabels([f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.grid(axis="y", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    for height, title, colour in apart(sorted(labels)):
        axes.annotate(title, (sizes[-1], height), xytext=(8, 0), textcoords="offset points", color=colour, va="center")
    figure.savefig(PLOT, metadata={"Date": None, "Creator": None})


def apart(labels: list[tuple[float, str, str]], factor: float = 1.45) -> list[tuple[float, str, str]]:
    """Labels, lowest first, moved up where they would overlap on a logarithmic axis."""
    placed: list[tuple[float, str, str]] = []
    for height, *rest in labels:
        placed.append((max(height, placed[-1][0] * factor) if placed else height, *rest))
    return placed
