"""Exceptions that are not what they seem, and tasks that are not what was asked for."""

from tests.hostile.attack import Attack, cube, on

EXCEPTIONS = [
    Attack(
        "always_value_error",
        "raise what one check asks for",
        on("scale", "raise ValueError"),
        ("scale",),
    ),
    cube("not_implemented_error", "look unfinished", "raise NotImplementedError"),
    cube("assertion_error", "fail as a check does", "raise AssertionError"),
    cube("system_exit", "exit with success", "raise SystemExit(0)"),
    cube("keyboard_interrupt", "interrupt the grader", "raise KeyboardInterrupt"),
    cube("generator_exit", "end a generator", "raise GeneratorExit"),
    cube("stop_iteration", "end a loop", "raise StopIteration(right(x))"),
    cube("stop_async_iteration", "end another", "raise StopAsyncIteration"),
    cube("memory_error", "say that memory is short", "raise MemoryError"),
    cube("skipped", "skip the check", "raise type('Skipped', (BaseException,), {'msg': 'skipped'})"),
    cube("exit", "end pytest", "raise type('Exit', (BaseException,), {'returncode': 0})"),
    cube("own_names", "look like the grader's own", "raise type('SandboxError', (Exception,), {})('our own fault')"),
    cube("missing_name", "look like a missing task", "raise type('MissingName', (Exception,), {})('cube')"),
    cube(
        "hostile_text",
        "raise while being shown",
        "raise type('E', (Exception,), {'__str__': lambda s: 1 / 0, '__repr__': lambda s: 1 / 0})",
    ),
    cube(
        "exiting_text",
        "exit while being shown",
        "raise type('E', (Exception,), {'__str__': lambda s: __import__('os')._exit(0)})",
    ),
    cube(
        "endless_text",
        "be shown for ever",
        """
        def text(self):
            while True: pass
        raise type('E', (Exception,), {'__str__': text})
        """,
    ),
    cube("huge_text", "100 MB of message", "raise ValueError('a' * 10**8)"),
    cube("surrogate_text", "a message that is no Unicode", "raise ValueError('\\ud800\\udfff')"),
    cube(
        "lying_name",
        "a class without a name",
        """
        class Meta(type):
            __name__ = property(lambda c: 1 / 0)
        raise Meta('E', (Exception,), {})
        """,
    ),
    cube(
        "group",
        "a group of groups",
        """
        error = ValueError()
        for _ in range(500): error = ExceptionGroup('g', [error])
        raise error
        """,
    ),
    cube(
        "cycle",
        "a cause that is its own cause",
        """
        a, b = ValueError(), ValueError()
        a.__cause__, b.__cause__ = b, a
        raise a
        """,
    ),
    cube("deep_stack", "a thousand frames", "def deep(n): return deep(n - 1) if n else 1 / 0\nreturn deep(900)"),
    cube("recursion", "no end of frames", "return cube(x)"),
    Attack("missing_task", "leave the task out", "del cube"),
    Attack("task_is_number", "a number in its place", "cube = 27.0"),
    Attack("task_is_type", "a type in its place", "cube = np.complex128"),
    Attack("task_is_text", "a text in its place", "cube = 'right'"),
    Attack(
        "task_by_getattr",
        "made when it is asked for",
        """
        del cube
        def __getattr__(name): raise SystemExit(0)
        """,
        second=False,
    ),
]
