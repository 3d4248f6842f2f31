"""Carry a hidden input out to where the learner can read it. `number` holds the secret when a hidden check feeds it in."""

from textwrap import dedent, indent

from tests.hostile.attack import Attack, cube, on
from tests.hostile.course import BASICS, SECRET

NUMBER = "number = float(np.max(np.abs(x)))\n"
CLASS = """
class Offset:
    def __init__(self, by):
        self.by = by
        number = by
"""


def tells(name: str, tries: str, body: str, **others) -> Attack:
    return cube(name, tries, NUMBER + dedent(body).strip(), **others)


def in_class(name: str, tries: str, body: str) -> Attack:
    return Attack(name, tries, CLASS + indent(dedent(body).strip(), " " * 8), spoils=("Offset",))


def long_file() -> str:
    """A file so long that the number of a line can be the secret: the branch for n is on line n."""
    first = int(SECRET) - 1
    start = "def cube(x):\n    n = int(x.max())\n"
    branches = "".join(f"    if n == {n}: raise ValueError\n" for n in range(first, first + 3))
    return BASICS + "\n" * (first - 1 - (BASICS + start).count("\n")) + start + branches


WORDS = [
    tells("tell_message", "in the message", "raise ValueError(f'{number}')"),
    tells("tell_stub_message", "in the message of a stub", "raise NotImplementedError(f'{number}')"),
    tells("tell_assertion", "in the message of an assertion", "assert False, number"),
    tells("tell_kind", "in the name of the exception", "raise type(f'E{number}', (Exception,), {})"),
    tells(
        "tell_builtin_kind",
        "in a class named like Python's",
        "raise type('KeyError', (KeyError,), {'__str__': lambda s: str(number)})",
    ),
    tells("tell_missing_name", "in a name that is missing", "raise type('MissingName', (Exception,), {})(number)"),
    tells("tell_attribute", "in an attribute that is missing", "getattr(x, f'a{number}')"),
    tells("tell_key", "in a key that is missing", "{}[number]"),
    tells("tell_import", "in a module that is missing", "__import__(f'm{number}')"),
    tells("tell_syntax", "in the text of a syntax error", "exec(f'{number} {number}')"),
    tells(
        "tell_syntax_place",
        "in its place",
        "raise SyntaxError(str(number), ('week1/basics.py', int(number), 1, str(number)))",
    ),
    tells("tell_note", "in a note of the exception", "error = ValueError()\nerror.add_note(str(number))\nraise error"),
    tells("tell_cause", "in its cause", "raise ValueError from KeyError(number)"),
    tells("tell_group", "in a group", "raise ExceptionGroup(f'{number}', [ValueError(number)])"),
    tells("tell_print", "by printing", "import sys\nprint(number)\nprint(number, file=sys.stderr)\nraise ValueError"),
    tells(
        "tell_print_and_die",
        "by printing, then ending",
        """
        import os
        os.write(1, str(number).encode())
        os._exit(1)
        """,
    ),
    tells("tell_warning", "by a warning", "import warnings\nwarnings.warn(str(number))\nraise ValueError"),
    tells("tell_log", "in a log", "import logging\nlogging.error(str(number))\nraise ValueError"),
    tells(
        "tell_unraisable",
        "in an error that nobody catches",
        """
        class D:
            def __del__(self): raise ValueError(number)
        D()
        raise ValueError
        """,
    ),
    tells(
        "tell_thread_error",
        "in a thread's error",
        """
        import threading
        t = threading.Thread(target=lambda: 1 / 0, name=f'{number}')
        t.start()
        t.join()
        raise ValueError
        """,
    ),
    Attack(
        "tell_later",
        "keep it until a check that shows everything",
        "kept = []\n"
        + on(
            "scale",
            "kept.append(f'{x.max()} {factor}')\n"
            "if x.tolist() == [1.0, 2.0, 4.5]: raise ValueError(str(kept))\n"
            "return right_scale(x, factor)",
        ),
        spoils=("scale",),
        passes=("scale_shape",),
    ),
    Attack("tell_by_mistake", "answer as a known mistake does", on("cube", "return x * x")),
    tells("tell_status", "in the status of exit", "import os\nos._exit(int(number) % 256)"),
]

NAMES = [
    tells(
        "tell_function",
        "in the name of a function",
        "exec(f'def f{int(number)}(): raise ValueError\\nf{int(number)}()')",
    ),
    tells("tell_file", "in the name of a file", "exec(compile('raise ValueError', f'week1/{number}.py', 'exec'))"),
    tells(
        "tell_line",
        "in a line number",
        "exec(compile('\\n' * (int(number) - 1) + 'raise ValueError', 'week1/basics.py', 'exec'))",
    ),
    tells(
        "tell_own_name",
        "in the names of the tasks",
        """
        for f in (scale, cube, slope): f.__name__ = f.__qualname__ = f.__doc__ = str(number)
        raise ValueError
        """,
    ),
    tells(
        "tell_code_name",
        "in the name of the code",
        """
        cube.__code__ = cube.__code__.replace(co_name=f'c{int(number)}', co_filename=f'{number}.py')
        raise ValueError
        """,
    ),
    tells(
        "tell_frames",
        "in forged frames",
        """
        once('explain', lambda e: ['ValueError', '', [[f'{number}.py', int(number), str(number), str(number)]]])
        raise ValueError
        """,
    ),
    tells(
        "tell_forged_kind",
        "in a forged kind",
        """
        once('explain', lambda e: [str(number), str(number), []])
        raise ValueError
        """,
    ),
    tells("tell_request", "in a request", "peer().request(f'op{number}', number)"),
    tells("tell_garbage", "in garbage", "import os\nos.write(3, str(number).encode() * 10)"),
    tells(
        "tell_change",
        "in the name of a changed argument",
        "answer(None, [[0, None], [str(number), None], [number, None]])",
    ),
    tells(
        "tell_type",
        "in the name of the type returned",
        "return type(f'T{int(number)}', (), {'__repr__': lambda s: str(number)})()",
    ),
    tells("tell_result", "in the result", "return f'{number}'"),
    tells("tell_keys", "in keys of the result", "return {f'{number}': [number]}"),
    tells("tell_shape", "in its shape", "return np.zeros((1, int(number)))"),
    tells(
        "tell_constant",
        "in the place of the tasks",
        """
        globals().update(cube=number, slope=str(number))
        return x
        """,
        free=("slope",),
    ),
    Attack("tell_long_file", "in a line number of a long file", long_file(), whole=True),
    Attack(
        "tell_argument",
        "by changing one argument or another",
        on(
            "scale",
            """
            if x.ndim: x[...] = 0
            return x
            """,
        ),
        spoils=("scale",),
    ),
    Attack(
        "tell_item_type",
        "in the type of a batch",
        on("batches", "yield type(f'T{x.max()}', (), {})()"),
        spoils=("batches",),
    ),
    in_class(
        "tell_class",
        "in the class of an instance that writes into its argument",
        """
        type(self).__name__ = f'T{number}'
        def forward(x): x[...] = 0
        self.forward = forward
        """,
    ),
    in_class(
        "tell_new_class",
        "in a class made for it",
        "self.__class__ = type(f'T{number}', (), {'forward': lambda s, x: x.fill(0), '__call__': lambda s, x: x.fill(0)})",
    ),
    in_class(
        "tell_attribute_error",
        "in the class of what lacks an attribute",
        "self.__class__ = type(f'T{number}', (), {})",
    ),
    in_class(
        "tell_attribute_value",
        "in an attribute",
        """
        self.count = self.by = str(number)
        self.forward = lambda x: str(number)
        """,
    ),
]

# The words of an import that is repeated, after a crash, in another process: a process that met a hidden check could have left
# them to it (in the times of files, say). These speak now and then, and crash now and then.
LEFT_WORD = "wombat"
RELOADS = [
    Attack(
        f"tell_at_reload_{number}",
        "in what the import says when it is repeated",
        f"import os\nif os.urandom(1)[0] < 64: raise ValueError({LEFT_WORD[:3]!r} + {LEFT_WORD[3:]!r})\n"
        + "".join(on(task, "os._exit(1)") for task in ("cube", "slope", "clip_")),
        spoils=("cube", "slope", "clip_"),
        free=("scale", "batches", "standardize", "Offset"),
        second=False,
    )
    for number in range(4)
]

LEAKS = [*WORDS, *NAMES, *RELOADS]
