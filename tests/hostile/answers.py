"""Answers that are not what they seem, and exceptions that are not."""

from tests.hostile.attack import Attack, cube, on

EQUAL = """
class Equal:
    __eq__ = __le__ = __ge__ = __lt__ = __gt__ = __contains__ = lambda self, other: True
    __ne__ = lambda self, other: False
    __bool__ = lambda self: True
    __hash__ = lambda self: 0
    __sub__ = __rsub__ = __mul__ = __abs__ = __getattr__ = __call__ = lambda self, *a: self
    __iter__ = lambda self: iter([self] * 3)
    __len__ = lambda self: 3
    __float__ = lambda self: 0.0
    __array__ = lambda self, *a, **k: right(np.zeros(3))
"""


def value(name: str, tries: str, expression: str, **others) -> Attack:
    return cube(name, tries, f"return {expression}", **others)


VALUES = [
    cube("always_equal", "an object that equals everything", f"{EQUAL}\nreturn Equal()"),
    cube("equal_array", "an array that does", "class A(np.ndarray):\n    __eq__ = lambda s, o: np.True_\nreturn x.view(A)"),
    cube("equal_number", "a number that does", "class F(float):\n    __eq__ = lambda s, o: True\n    __sub__ = lambda s, o: 0.0\nreturn F(1)"),
    cube("equal_list", "a list that does", "class L(list):\n    __eq__ = lambda s, o: True\nreturn L([1.0, 2.0, 3.0])"),
    cube("equal_dict", "a dict that does", "class D(dict):\n    __eq__ = lambda s, o: True\nreturn D(a=1)"),
    cube("lazy_items", "items made when they are asked for", "class Lazy:\n    __len__ = lambda s: len(x)\n    __getitem__ = lambda s, i: right(x)[i]\nreturn Lazy()"),
    cube("lazy_array", "an array made when it is asked for", "class Lazy:\n    __array__ = lambda s, *a, **k: right(x)\n    shape, dtype = x.shape, x.dtype\nreturn Lazy()"),
    cube("lying_class", "an object that says it is an array", "class Liar:\n    __class__ = np.ndarray\n    shape, dtype, ndim, size = x.shape, x.dtype, x.ndim, x.size\nreturn Liar()"),
    cube("lying_tuple", "one that says it is a tuple", "class Liar:\n    __class__ = tuple\nreturn Liar()"),
    cube("lying_scalar", "one that says it is a number", "class Liar:\n    __class__ = np.float64\n    dtype = np.dtype(float)\nreturn Liar()"),
    cube("inheriting_array", "a subclass with the right values", "class A(np.ndarray): pass\nreturn right(x).view(A)"),
    value("masked", "a masked array", "np.ma.masked_array(right(x), mask=True)"),
    value("nan", "nan everywhere", "np.full_like(x, np.nan)"),
    value("inf", "infinity everywhere", "np.full_like(x, np.inf)"),
    value("signalling_nan", "signalling nan", "np.full(x.shape, 0x7FF0000000000001, np.uint64).view(np.float64)"),
    value("huge_values", "the largest numbers", "np.full_like(x, np.finfo(float).max)"),
    value("huge_integer", "an integer of 30,000 digits", "10**30_000"),
    value("large_integer_value", "an integer beyond floats", "1 << 1500"),
    value("no_values", "an empty array", "np.empty((0, *x.shape))"),
    value("long_and_empty", "an empty one that is long to loop over", "np.empty((1 << 40, 0))"),
    value("broadcast", "80 GB that take no memory", "np.broadcast_to(0.0, (10**9, 10))"),
    value("too_many_values", "a list of a million", "[0.0] * 1_000_000"),
    value("long_text", "100 MB of text", "'a' * 10**8"),
    value("lone_surrogate", "text that is no Unicode", "'\\ud800'"),
    value("objects", "an array of objects", "np.array([x, None, print], dtype=object)"),
    value("structured", "a structured array", "np.zeros(3, [('a', 'f8'), ('b', 'O')])"),
    value("big_endian", "the other byte order", "right(x).astype('>f8')"),
    value("long_double", "a wider float", "right(x).astype(np.longdouble)"),
    value("half", "a narrower float", "right(x).astype(np.float16)"),
    value("complex_values", "complex numbers", "right(x) + 0j", passes=("cube_plainly",)),
    value("texts", "an array of texts", "right(x).astype(str)"),
    value("times", "an array of times", "x.astype('datetime64[s]')"),
    value("right_list", "the values in a list", "right(x).tolist()", passes=("cube_plainly",)),
    cube("recursive_list", "a list that holds itself", "out = []\nout.append(out)\nreturn out"),
    cube("recursive_dict", "a dict that holds itself", "out = {}\nout[0] = out\nreturn out"),
    cube("deep_list", "a list nested 100,000 times", "for _ in range(100_000): x = [x]\nreturn x"),
    value("colliding_keys", "keys with one hash", "{i * ((1 << 61) - 1): i for i in range(1, 1000)}"),
    value("many_colliding_keys", "many of them", "{i * ((1 << 61) - 1): i for i in range(1, 5000)}"),
    value("type_itself", "a type", "np.float64"),
    value("module_itself", "a module", "np"),
    value("function_itself", "a function", "right"),
    value("nothing", "None", "None"),
    value("not_implemented", "NotImplemented", "NotImplemented"),
    value("ellipsis", "an ellipsis", "..."),
    value("coroutine", "a coroutine", "(lambda: (yield))()"),
    cube("changing", "an array that a thread goes on changing", "import threading\nout = x.copy()\ndef run():\n    while True: out[...] = right(x); out[...] = 0\nthreading.Thread(target=run, daemon=True).start()\nout[...] = 0\nreturn np.array(0.0)", free=("slope", "batches", "clip_", "standardize", "Offset")),
    cube("alternating", "right every other time", "global times\ntimes = globals().get('times', 0) + 1\nreturn right(x) if times > 99 else x"),
    Attack("endless_batches", "a generator that never ends", on("batches", "while True: yield x[:2]"), ("batches",)),
    Attack("endless_large_batches", "of large arrays", on("batches", "while True: yield np.zeros(5_000_000)"), ("batches",)),
    Attack("stuck_batches", "one that never yields", on("batches", "while True: pass\nyield"), ("batches",)),
    Attack("own_iterator", "an iterator that returns itself", "class batches:\n    __init__ = lambda s, *a: None\n    __iter__ = __next__ = lambda s: s", ("batches",)),
    Attack("false_length", "a sequence of false length", "class batches:\n    __init__ = lambda s, *a: None\n    __len__ = lambda s: 1 << 62\n    __getitem__ = lambda s, i: 0.0", ("batches",)),
    Attack("throwing_batches", "one that raises StopIteration", on("batches", "yield x[:2]\nraise StopIteration"), ("batches",)),
    Attack("change_dtype", "of another type", "clip_ = lambda x, low, high: setattr(x, 'dtype', np.complex64)", ("clip_",)),
    Attack("equal_instance", "an instance that equals everything", EQUAL + "Offset = lambda by: Equal()", ("Offset",)),
    Attack("lying_attributes", "attributes that are never the same", "class Offset:\n    def __init__(s, by): pass\n    def __getattr__(s, name): return np.nan", ("Offset",)),
]  # fmt: skip


def raising(name: str, tries: str, body: str) -> Attack:
    return cube(name, tries, body)


EXCEPTIONS = [
    Attack(
        "always_value_error",
        "raise what one check asks for",
        on("scale", "raise ValueError"),
        ("scale",),
    ),
    raising("not_implemented_error", "look unfinished", "raise NotImplementedError"),
    raising("assertion_error", "fail as a check does", "raise AssertionError"),
    raising("system_exit", "exit with success", "raise SystemExit(0)"),
    raising("keyboard_interrupt", "interrupt the grader", "raise KeyboardInterrupt"),
    raising("generator_exit", "end a generator", "raise GeneratorExit"),
    raising("stop_iteration", "end a loop", "raise StopIteration(right(x))"),
    raising("stop_async_iteration", "end another", "raise StopAsyncIteration"),
    raising("memory_error", "say that memory is short", "raise MemoryError"),
    raising("skipped", "skip the check", "raise type('Skipped', (BaseException,), {'msg': 'skipped'})"),
    raising("exit", "end pytest", "raise type('Exit', (BaseException,), {'returncode': 0})"),
    raising("own_names", "look like the grader's own", "raise type('SandboxError', (Exception,), {})('our own fault')"),
    raising("missing_name", "look like a missing task", "raise type('MissingName', (Exception,), {})('cube')"),
    raising("hostile_text", "raise while being shown", "raise type('E', (Exception,), {'__str__': lambda s: 1 / 0, '__repr__': lambda s: 1 / 0})"),
    raising("exiting_text", "exit while being shown", "raise type('E', (Exception,), {'__str__': lambda s: __import__('os')._exit(0)})"),
    raising("endless_text", "be shown for ever", "def text(self):\n    while True: pass\nraise type('E', (Exception,), {'__str__': text})"),
    raising("huge_text", "100 MB of message", "raise ValueError('a' * 10**8)"),
    raising("surrogate_text", "a message that is no Unicode", "raise ValueError('\\ud800\\udfff')"),
    raising("lying_name", "a class without a name", "class Meta(type):\n    __name__ = property(lambda c: 1 / 0)\nraise Meta('E', (Exception,), {})"),
    raising("group", "a group of groups", "error = ValueError()\nfor _ in range(500): error = ExceptionGroup('g', [error])\nraise error"),
    raising("cycle", "a cause that is its own cause", "a, b = ValueError(), ValueError()\na.__cause__, b.__cause__ = b, a\nraise a"),
    raising("deep_stack", "a thousand frames", "def deep(n): return deep(n - 1) if n else 1 / 0\nreturn deep(900)"),
    raising("recursion", "no end of frames", "return cube(x)"),
    Attack("missing_task", "leave the task out", "del cube"),
    Attack("task_is_number", "a number in its place", "cube = 27.0"),
    Attack("task_is_type", "a type in its place", "cube = np.complex128"),
    Attack("task_is_text", "a text in its place", "cube = 'right'"),
    Attack("task_by_getattr", "made when it is asked for", "del cube\ndef __getattr__(name): raise SystemExit(0)", second=False),
]  # fmt: skip

ANSWERS = [*VALUES, *EXCEPTIONS]
