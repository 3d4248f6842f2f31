"""`autograder watch` at a terminal: a scripted session must keep working."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest

from autograder.practice import record
from tests.grading.small import environment
from tests.practice.conftest import DOUBLE, HALF, STUB, solved

PATIENCE = 60  # seconds, for what has to appear in the end
CONTROL = re.compile(r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b\[[0-9;?]*[A-Za-z]|[\r]")


class Terminal:
    """A program at a terminal of its own, of 80 columns."""

    def __init__(self, words):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
        variables = environment() | {"TERM": "xterm-256color"}
        variables.pop("NO_COLOR", None)
        self.process = subprocess.Popen(
            words, stdin=slave, stdout=slave, stderr=slave, env=variables, start_new_session=True
        )
        os.close(slave)
        self.text = ""

    def sees(self, *texts):
        """Wait until all of these have appeared since the last call; what has."""
        end = time.monotonic() + PATIENCE
        while not all(text in self.text for text in texts):
            ready, _, _ = select.select([self.master], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"not seen: {texts} in\n{self.text}"
            try:
                data = os.read(self.master, 1 << 16)
            except OSError:
                data = b""
            assert data, f"the program ended; not seen: {texts} in\n{self.text}"
            self.text += CONTROL.sub("", data.decode("utf-8", "replace"))
        seen, self.text = self.text, ""
        return seen

    def presses(self, keys):
        self.text = ""
        os.write(self.master, keys.encode())

    def resize(self, rows, columns):
        self.text = ""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.kill(self.process.pid, signal.SIGWINCH)

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.fixture
def watch(course):
    opened = []

    def start(*words):
        terminal = Terminal([sys.executable, "-m", "autograder", "--course", str(course.root), "watch", *words])
        opened.append(terminal)
        return terminal

    yield start
    for terminal in opened:
        terminal.close()


def save(path, text):
    """As editors do: a new file takes the place of the old one."""
    temporary = path.with_name(f".{path.name}.swp")
    temporary.write_text(text)
    os.replace(temporary, path)


def test_a_session_from_the_first_verdict_to_the_last_task(watch, scaling, course):
    terminal = watch()
    terminal.sees("week1/scaling  0 of 2 tasks", "double is not started", "q quit")
    save(scaling.stub, solved("return x"))
    terminal.sees("✗ double", "expected", "checked in")
    terminal.presses("h")
    terminal.sees("hint 1 of 3 for double: What is x + x?")
    terminal.presses("h")
    terminal.sees("hint 2 of 3 for double: Multiply by two.")
    save(scaling.stub, solved("return 2 *"))
    terminal.sees("SyntaxError")
    save(scaling.stub, solved("while True: pass"))
    terminal.sees("does a loop never end?")
    save(scaling.stub, solved(DOUBLE))
    terminal.sees("✓ double passes.", "next  half")
    terminal.presses("l")
    terminal.sees("Scaling things", "1/3")
    save(scaling.stub, solved(DOUBLE, HALF))
    terminal.sees("Every task of this exercise passes")
    terminal.presses("n")
    terminal.sees("week1/later  0 of 1 tasks")
    later = course.exercise("later")
    save(later.stub, later.stub.read_text().replace("raise NotImplementedError", "return double(double(x))"))
    terminal.sees("week1/later  1 of 1 tasks")
    terminal.presses("n")
    terminal.sees("Everything passes.")
    terminal.presses("c")
    terminal.sees("week1/scaling  2 of 2 tasks", "week1/later  1 of 1 tasks", "checked in")
    terminal.presses("q")
    assert terminal.process.wait(PATIENCE) == 0
    noted = record.load(course)
    assert {key: task.state for key, task in noted.tasks.items()} == dict.fromkeys(
        ["week1/scaling/double", "week1/scaling/half", "week1/later/quadruple"], "passed"
    )
    assert noted.task("week1/scaling", "double").hints == 2


def test_it_follows_the_file_that_is_saved(watch, course, scaling):
    terminal = watch()
    terminal.sees("week1/scaling  0 of 2")
    later = course.exercise("later")
    save(later.stub, later.stub.read_text() + "\n")
    terminal.sees("week1/later  0 of 1")


def test_one_exercise_is_checked_when_what_it_imports_is_saved(watch, course, scaling):
    later = course.exercise("later")
    later.stub.write_text(later.stub.read_text().replace("raise NotImplementedError", "return double(double(x))"))
    terminal = watch("later")
    terminal.sees("week1/later  0 of 1")
    save(scaling.stub, solved(DOUBLE))
    terminal.sees("week1/later  1 of 1")


def test_reset_asks_and_keeps_the_work(watch, scaling):
    scaling.stub.write_text(solved(DOUBLE))
    terminal = watch("scaling")
    terminal.sees("✓ double")
    terminal.presses("r")
    terminal.sees("Begin scaling.py anew?")
    terminal.presses("n")
    terminal.sees("✓ double", "q quit")
    terminal.presses("r")
    terminal.sees("Begin scaling.py anew?")
    terminal.presses("y")
    terminal.sees("Your work is kept in", "double is not started")
    assert scaling.stub.read_text() == STUB


def test_a_file_that_vanishes_and_comes_back(watch, scaling):
    terminal = watch("scaling")
    terminal.sees("double is not started")
    scaling.stub.unlink()
    terminal.sees("there is no such file")
    scaling.stub.write_text(solved(DOUBLE))
    terminal.sees("✓ double passes.")


def test_it_draws_anew_when_the_terminal_changes_its_size(watch):
    terminal = watch("scaling")
    terminal.sees("double is not started", "q quit")
    terminal.resize(30, 60)
    terminal.sees("week1/scaling  0 of 2", "double is not started")


def test_ctrl_c_ends_it_and_leaves_the_terminal_as_it_was(watch):
    terminal = watch("scaling")
    before = termios.tcgetattr(terminal.master)
    terminal.sees("q quit")
    os.killpg(terminal.process.pid, signal.SIGINT)
    assert terminal.process.wait(PATIENCE) == 0
    assert termios.tcgetattr(terminal.master)[3] == before[3]


LOSES_IT = """
import os, signal, sys
from autograder.cli import app
from autograder.practice.watch import Watch

class Dying:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)

draw = Watch.draw

def draw_and_clear_away(self):
    draw(self)
    Dying()  # what is raised while an object is cleared away, Python reports and forgets

Watch.draw = draw_and_clear_away
app(sys.argv[1:])
"""


def test_ctrl_c_ends_it_at_whatever_moment_it_comes(course):
    terminal = Terminal([sys.executable, "-c", LOSES_IT, "--course", str(course.root), "watch", "scaling"])
    terminal.sees("q quit")
    assert terminal.process.wait(PATIENCE) == 0
    terminal.close()


def test_the_process_that_runs_the_checks_may_die(watch, scaling):
    terminal = watch("scaling")
    terminal.sees("double is not started", "q quit")
    from tests.grading.test_resume import children

    for child in children(terminal.process.pid):
        os.kill(child, signal.SIGKILL)
    save(scaling.stub, solved(DOUBLE))
    terminal.sees("✓ double passes.")
