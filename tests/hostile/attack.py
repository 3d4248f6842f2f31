"""What an attack is: a submission in which every task is done right, and then a few lines that try something.

Most attacks replace `cube` by code that returns the right answer if it could do what it tried, and so earns the points if
the attack works. The others return something wrong and hope that it counts.
"""

from dataclasses import dataclass
from textwrap import dedent, indent

from tests.hostile.course import BASICS

SIGNATURES = {
    "scale": "x, factor=2.0",
    "cube": "x",
    "slope": "f, x, step",
    "batches": "x, size",
    "clip_": "x, low, high",
    "standardize": "x",
}
TASKS = (*SIGNATURES, "Offset")

# What every attack may use.
TOOLS = '''
right, right_slope, right_scale = cube, slope, scale


def peer():
    """This end of the conversation with the grader, found on the stack."""
    import sys

    frame = sys._getframe()
    while type(frame.f_locals.get("self")).__name__ != "Peer":
        frame = frame.f_back
    return frame.f_locals["self"]


def framed(tree, body=b""):
    """The bytes of a message."""
    import struct

    meta = tree if isinstance(tree, bytes) else __import__("msgpack").packb(tree)
    return struct.pack("<4sIQ", b"AGW1", len(meta), len(body)) + meta + body


def once(name, function):
    """Put a function in the place of a method of the peer, for one call."""
    this, own = peer(), getattr(peer(), name)

    def replaced(*args):
        setattr(this, name, own)
        return function(*args)

    setattr(this, name, replaced)


def reply(frame, array=None):
    """Let the answer to this call be frame(its number), beside the buffer of an array."""
    pack = __import__("msgpack").packb
    buffers = [] if array is None else [(0, array)]
    size = sum(-(-buffer.nbytes // 64) * 64 for _, buffer in buffers)
    once("encode", lambda whole: (pack(frame(whole[1])), buffers, size))


def answer(node, changes=(), array=None):
    """Answer with a value and changed arguments that the wire would not make by itself."""
    reply(lambda number: ["!", number, "ok", [node, {"d": list(changes)}]], array)


def right_answer(x):
    """The node and the buffer of the right answer of `cube`."""
    return {"a": ["n", "float64", list(x.shape), 0]}, right(x)


def demand(success):
    if not success:
        raise RuntimeError("it did not work")
'''


@dataclass(frozen=True)
class Attack:
    """One hostile submission.

    Attributes:
        tries: what it tries, in a few words.
        code: put at the end of a file in which every task is done right.
        spoils: the tasks that deserve nothing.
        free: tasks about which nothing is demanded, because the attack breaks its own process for them.
        passes: checks of the spoiled tasks that pass all the same, as known and accepted.
        whole: `code` is the whole file.
        second: whether the other exercise, which builds on this file, has to get its points.
    """

    name: str
    tries: str
    code: str
    spoils: tuple[str, ...] = ("cube",)
    free: tuple[str, ...] = ()
    passes: tuple[str, ...] = ()
    whole: bool = False
    second: bool = True

    def source(self, places: dict[str, str]) -> str:
        """The file, with the paths in `places` as constants."""
        if self.whole:
            return self.code
        constants = "".join(f"{name} = {path!r}\n" for name, path in places.items())
        return "\n\n".join([BASICS, constants + TOOLS, dedent(self.code)])


def on(task: str, body: str) -> str:
    """A definition of `task` with this body."""
    return f"def {task}({SIGNATURES[task]}):\n{indent(dedent(body).strip(), '    ')}\n"


def cube(name: str, tries: str, body: str, **others) -> Attack:
    """An attack by the code of `cube`."""
    return Attack(name, tries, on("cube", body), **others)


def at_import(name: str, tries: str, code: str, **others) -> Attack:
    """An attack by the code of the file itself, which then earns nothing."""
    return Attack(name, tries, dedent(code), spoils=TASKS, **others)
