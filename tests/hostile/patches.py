"""Patch what judges: NumPy, Python, what serves the grader's calls. All of it is in the attacker's own process."""

from tests.hostile.attack import TASKS, Attack, at_import, cube, on

PATCHING = [
    cube(
        "patch_numpy",
        "make NumPy's comparisons true",
        "np.allclose = np.array_equal = np.isclose = np.array_equiv = lambda *a, **k: True\nreturn x",
    ),
    cube(
        "patch_builtins",
        "make Python's true",
        "import builtins\nbuiltins.all = builtins.any = builtins.isinstance = lambda *a: True\nreturn x",
        free=TASKS,
    ),
    cube(
        "patch_wire",
        "make the wire say that all is well",
        "import sys\nwire = sys.modules['autograder.sandbox.wire']\nwire.snapshot = lambda value: None\n"
        "wire.Encoder.encode = lambda self, value, depth=0: True\nreturn x",
        free=TASKS,
    ),
    cube(
        "patch_msgpack",
        "make messages say that a check passed",
        "import sys\npack = sys.modules['msgpack'].packb\n"
        "sys.modules['msgpack'].packb = lambda *a, **k: pack({'status': 'passed'})\nreturn x",
        free=TASKS,
    ),
    cube(
        "patch_json",
        "the same for json",
        """
        import json
        json.dumps = lambda *a, **k: '{"status": "passed"}'
        return x
        """,
    ),
    cube(
        "patch_socket",
        "the same for sockets",
        """
        import socket
        socket.socket.sendmsg = lambda *a: 1 << 20
        return x
        """,
        free=TASKS,
    ),
    at_import(
        "plant_modules",
        "put modules in the place of the judge",
        """
        import sys, types
        class Yes(types.ModuleType):
            def __getattr__(self, name): return lambda *a, **k: True
        for name in ("autograder.testing", "autograder.grading.judge", "pytest", "_pytest.runner", "graders"):
            sys.modules[name] = Yes(name)
        scale = cube = slope = batches = clip_ = standardize = Offset = lambda *a, **k: Yes("yes")
        """,
    ),
    at_import(
        "plant_finder",
        "find other modules for the judge's imports",
        """
        import sys
        class Finder:
            def find_spec(self, *a): raise SystemExit(0)
        sys.meta_path.insert(0, Finder())
        scale = cube = slope = batches = clip_ = standardize = Offset = print
        """,
        second=False,
    ),
    at_import(
        "replace_module",
        "be an object whose every attribute is right",
        """
        import sys
        class Right:
            def __getattr__(self, name): return self
            def __call__(self, *a, **k): return self
            def __eq__(self, other): return True
            def __bool__(self): return True
        sys.modules[__name__] = Right()
        """,
        second=False,
    ),
    cube(
        "trace_calls",
        "trace the grader",
        """
        import sys
        sys.settrace(lambda *a: None)
        sys.setprofile(lambda *a: None)
        return x
        """,
    ),
    cube("exit_hook", "pass at exit", "import atexit, os\natexit.register(os.write, 1, b'100/100')\nreturn x"),
    cube(
        "print_score",
        "print a score",
        """
        print('100/100', '::notice title=Autograding report::{"totalPoints":100}')
        return x
        """,
    ),
    # Known gap: the arguments are copies, and that one was written into is told by the process that wrote.
    Attack(
        "hide_change",
        "write into an argument and hide it",
        on(
            "scale",
            """
            import sys
            sys.modules["autograder.sandbox.worker"].changed_since = lambda *a: {}
            if factor == 0:
                raise ValueError
            x *= factor
            return x
            """,
        ),
        spoils=("scale",),
        passes=("scale_shape", "scale_doubles", "scale_by_a_factor", "scale_by_zero"),
        free=("clip_",),
    ),
]
