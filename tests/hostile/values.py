"""Answers that are not what they seem."""

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
    cube(
        "equal_array",
        "an array that does",
        """
        class A(np.ndarray):
            __eq__ = lambda s, o: np.True_
        return x.view(A)
        """,
    ),
    cube(
        "equal_number",
        "a number that does",
        """
        class F(float):
            __eq__ = lambda s, o: True
            __sub__ = lambda s, o: 0.0
        return F(1)
        """,
    ),
    cube("equal_list", "a list that does", "class L(list):\n    __eq__ = lambda s, o: True\nreturn L([1.0, 2.0, 3.0])"),
    cube("equal_dict", "a dict that does", "class D(dict):\n    __eq__ = lambda s, o: True\nreturn D(a=1)"),
    cube(
        "lazy_items",
        "items made when they are asked for",
        """
        class Lazy:
            __len__ = lambda s: len(x)
            __getitem__ = lambda s, i: right(x)[i]
        return Lazy()
        """,
    ),
    cube(
        "lazy_array",
        "an array made when it is asked for",
        """
        class Lazy:
            __array__ = lambda s, *a, **k: right(x)
            shape, dtype = x.shape, x.dtype
        return Lazy()
        """,
    ),
    cube(
        "lying_class",
        "an object that says it is an array",
        """
        class Liar:
            __class__ = np.ndarray
            shape, dtype, ndim, size = x.shape, x.dtype, x.ndim, x.size
        return Liar()
        """,
    ),
    cube("lying_tuple", "one that says it is a tuple", "class Liar:\n    __class__ = tuple\nreturn Liar()"),
    cube(
        "lying_scalar",
        "one that says it is a number",
        """
        class Liar:
            __class__ = np.float64
            dtype = np.dtype(float)
        return Liar()
        """,
    ),
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
    cube(
        "changing",
        "an array that a thread goes on changing",
        """
        import threading
        out = x.copy()
        def run():
            while True: out[...] = right(x); out[...] = 0
        threading.Thread(target=run, daemon=True).start()
        out[...] = 0
        return np.array(0.0)
        """,
        free=("slope", "batches", "clip_", "standardize", "Offset"),
    ),
    cube(
        "alternating",
        "right every other time",
        """
        global times
        times = globals().get('times', 0) + 1
        return right(x) if times > 99 else x
        """,
    ),
    Attack("endless_batches", "a generator that never ends", on("batches", "while True: yield x[:2]"), ("batches",)),
    Attack(
        "endless_large_batches",
        "of large arrays",
        on("batches", "while True: yield np.zeros(5_000_000)"),
        ("batches",),
    ),
    Attack("stuck_batches", "one that never yields", on("batches", "while True: pass\nyield"), ("batches",)),
    Attack(
        "own_iterator",
        "an iterator that returns itself",
        """
        class batches:
            __init__ = lambda s, *a: None
            __iter__ = __next__ = lambda s: s
        """,
        ("batches",),
    ),
    Attack(
        "false_length",
        "a sequence of false length",
        """
        class batches:
            __init__ = lambda s, *a: None
            __len__ = lambda s: 1 << 62
            __getitem__ = lambda s, i: 0.0
        """,
        ("batches",),
    ),
    Attack(
        "throwing_batches",
        "one that raises StopIteration",
        on(
            "batches",
            """
            yield x[:2]
            raise StopIteration
            """,
        ),
        ("batches",),
    ),
    Attack(
        "change_dtype",
        "of another type",
        "clip_ = lambda x, low, high: setattr(x, 'dtype', np.complex64)",
        ("clip_",),
    ),
    Attack(
        "no_attribute",
        "None for an attribute that is only read",
        "Offset.unit = None",
        ("Offset",),
        passes=("offset_adds", "offset_counts"),
    ),
    Attack(
        "equal_instance",
        "an instance that equals everything",
        EQUAL + "Offset = lambda by: Equal()\nOffset.unit = Equal()",
        ("Offset",),
    ),
    Attack(
        "lying_attributes",
        "attributes that are never the same",
        """
        class Offset:
            def __init__(s, by): pass
            def __getattr__(s, name): return np.nan
        """,
        ("Offset",),
    ),
]
