"""Forge what is said to the grader on descriptor 3, and misuse the functions that it passes in."""

from textwrap import dedent

from tests.hostile.attack import TASKS, Attack, at_import, cube, on

SLOPE = ("slope",)


def sends(name: str, tries: str, body: str, **others) -> Attack:
    return cube(name, tries, f"import os\n{dedent(body).strip()}\nreturn x", **others)


FRAMES = [
    sends(
        "answer_before",
        "answer before the question",
        """
        node, array = right_answer(x)
        os.write(3, framed(['!', 1, 'ok', [node, {'d': []}]], array.tobytes() + bytes(-array.nbytes % 64)))
        """,
    ),
    # Twice, or ahead of its time: the second answer meets the next question.
    sends(
        "answer_twice",
        "answer twice",
        """
        send = peer().transmit
        once('transmit', lambda *a: (send(*a), send(*a)))
        """,
        free=("standardize", "scale", "batches", "Offset", "clip_"),
    ),
    sends(
        "answer_wrong_nonce",
        "answer another question",
        """
        node, array = right_answer(x)
        reply(lambda number: ['!', number + 1, 'ok', [node, {'d': []}]], array)
        """,
    ),
    sends("answer_never", "take the question and say nothing", "once('transmit', lambda *a: None)"),
    sends("announce_much", "announce more than there is memory", "os.write(3, b'AGW1' + b'\\xff' * 12)"),
    sends("announce_and_stop", "announce some and stop", "os.write(3, framed(['!'], bytes(100))[:-50])\nos._exit(0)"),
    sends(
        "announce_and_wait",
        "announce some and wait",
        """
        os.write(3, framed(['!'], bytes(100))[:-50])
        while True: pass
        """,
    ),
    sends(
        "drip",
        "send byte by byte for ever",
        """
        import time
        os.write(3, b'AGW1\\0\\0\\x10\\0\\0\\0\\0\\0\\0\\0\\0\\0')
        while True: os.write(3, b'\\x90'); time.sleep(.01)
        """,
    ),
    sends("wrong_magic", "talk another language", "os.write(3, b'GET / HTTP/1.1\\r\\n\\r\\n')"),
    sends("nested_meta", "nest a message 10,000 times", "os.write(3, framed(b'\\x91' * 10_000 + b'\\xc0'))"),
    sends("extension_meta", "send an extension type", "os.write(3, framed(b'\\xd4\\x01\\x00'))"),
    sends("pickle_meta", "send a pickle", "import pickle\nos.write(3, framed(pickle.dumps(ValueError())))"),
    sends("unknown_request", "ask for what there is not", "os.write(3, framed(['?', 1, 'grade', ['passed']]))"),
    sends(
        "ask_as_server",
        "ask the grader to call",
        "os.write(3, framed(['?', 1, 'call', [None, 'os.system', ['true'], {'d': []}]]))",
    ),
    sends(
        "ask_to_load",
        "ask it to load code",
        "os.write(3, framed(['?', 1, 'load', [{'d': [['m', b'1/0']]}, {'d': []}, 'm', {'d': []}]]))",
    ),
    sends(
        "guess_functions",
        "call functions it was not given",
        """
        p = peer()
        for n in range(-3, 50): p.request('callback', n, [x], {})
        """,
    ),
    sends(
        "guess_odd_numbers",
        "by odd numbers",
        """
        p = peer()
        for n in (True, 0.0, '0', None, 1 << 70): p.request('callback', n, [x], {})
        """,
    ),
    sends("close_conversation", "close it", "os.close(3)"),
    sends("replace_conversation", "put something else there", "os.dup2(os.open('/dev/null', os.O_RDWR), 3)"),
    sends("shut_conversation", "close half of it", "import socket\npeer().sock.shutdown(socket.SHUT_WR)"),
    sends(
        "pass_descriptors",
        "send descriptors",
        """
        import socket
        socket.send_fds(peer().sock, [framed(['!'])], [1, 2])
        """,
    ),
    sends("flood", "send without end", "data = framed(['!', 1, 'ok', None]) * 1000\nwhile True: os.write(3, data)"),
    cube("give_name_of_object", "name objects that do not exist", "answer({'o': [1 << 61, 'ndarray']})"),
    cube("give_odd_name", "by a name that is no number", "answer({'o': ['0', 'ndarray']})"),
    cube("give_function", "hand out a function of the grader", "answer({'f': [0]})"),
    cube("give_generator", "hand out a random generator", "answer({'g': []})"),
    cube("array_outside", "an array outside its message", "answer({'a': ['n', 'float64', [5, 13], 0]})"),
    cube("array_negative", "of negative size", "answer({'a': ['n', 'float64', [-5, -13], 0]})"),
    cube("array_astronomic", "empty, of astronomic shape", "answer({'a': ['n', 'float64', [0] + [1 << 40] * 5, 0]})"),
    cube("array_long_and_empty", "empty, and long to loop over", "answer({'a': ['n', 'float64', [1 << 40, 0], 0]})"),
    cube("array_many_axes", "of too many axes", "answer({'a': ['n', 'float64', [1] * 65, 0]})"),
    cube("array_of_objects", "of Python objects", "answer({'a': ['n', 'object', [1], 0]})"),
    cube("array_dtype_string", "by a dtype string", "answer({'a': ['n', 'f8,O', [1], 0]})"),
    cube("array_of_torch", "of a framework that is not there", "answer({'a': ['t', 'bfloat16', [1], 0]})"),
    cube("array_no_scalar", "a scalar with axes", "answer({'a': ['s', 'float64', [1, 0], 0]})"),
    cube("overlapping_arrays", "arrays on one memory", "answer([{'a': ['n', 'float64', [0], 0]}] * 1000)"),
    cube("bad_integer", "an integer of letters", "answer({'i': 'zz'})"),
    cube("large_integer", "an integer of 100,000 digits", "answer({'i': '1' * 100_000})"),
    cube("bad_complex", "a complex number of texts", "answer({'c': ['1', '2']})"),
    cube("unhashable_key", "a list as a key", "answer({'d': [[[1], 2]]})"),
    cube("dtype_of_objects", "the dtype of objects", "answer({'y': ['numpy', 'object_']})"),
    cube("unknown_node", "something unknown", "answer({'x': [1]})"),
    cube(
        "claim_changes",
        "claim to have changed what was not given",
        """
        node, array = right_answer(x)
        answer(node, [[5, None]], array)
        """,
    ),
    cube(
        "claim_odd_changes",
        "by odd names",
        """
        node, array = right_answer(x)
        answer(node, [[{'t': [1, 2]}, None], [None, None]], array)
        """,
    ),
    Attack(
        "claim_other_shape",
        "of another shape",
        on("clip_", "answer(None, [[0, {'a': ['n', 'float64', [0], 0]}]])"),
        ("clip_",),
    ),
    Attack("claim_other_kind", "of another kind", on("clip_", "answer(None, [[0, 'right'], [1, -9.0]])"), ("clip_",)),
    cube("malformed_error", "fail in a malformed way", "once('explain', lambda error: [1, 2, 3])\nraise ValueError"),
    cube(
        "malformed_answer",
        "answer with less",
        "reply(lambda number: ['!', number, 'ok', 'right'])",
    ),
    cube(
        "malformed_status",
        "answer that it passed",
        "reply(lambda number: ['!', number, 'passed', 'passed'])",
    ),
    cube(
        "scalar_for_array",
        "an array as a scalar",
        """
        node, array = right_answer(x)
        node['a'][0] = 's'
        answer(node, (), array)
        """,
    ),
    at_import(
        "forge_at_import",
        "forge the answer to the import",
        "answer({'a': ['n', 'float64', [0] + [1 << 40] * 5, 0]})",
        second=False,
    ),
    at_import(
        "ask_at_import",
        "ask for functions during the import",
        "peer().request('callback', 0, [1], {})",
        free=("standardize",),
    ),
]

FUNCTIONS = [
    Attack("call_for_ever", "call the function for ever", on("slope", "while True: f(x)"), SLOPE),
    Attack(
        "call_with_much",
        "call it with large arrays",
        on(
            "slope",
            """
            big = np.zeros(7_000_000)
            while True: f(big)
            """,
        ),
        SLOPE,
    ),
    Attack(
        "call_with_objects",
        "call it with an object",
        on("slope", "return f(type('T', (), {'__rmul__': lambda s, o: 1})())"),
        SLOPE,
    ),
    Attack("call_with_itself", "call it with itself", on("slope", "return f(f)"), SLOPE),
    Attack("return_function", "return it", on("slope", "return f"), SLOPE),
    Attack(
        "nest_calls",
        "have it call back in turn",
        on(
            "slope",
            """
            class Deep:
                shape = property(lambda s: f(s))
            return f(Deep())
            """,
        ),
        SLOPE,
    ),
    Attack(
        "swallow_assertion",
        "swallow what the function asserts, and read the expected value in it",
        on(
            "slope",
            """
            try:
                f(x.astype("float32"))
            except AssertionError as error:
                return np.full(3, float(str(error).split("expected ")[1].split()[0]))
            return x
            """,
        ),
        SLOPE,
    ),
    Attack(
        "call_from_thread",
        "call it from a thread while answering",
        on("slope", "import threading\nthreading.Thread(target=lambda: [f(x) for _ in range(100)]).start()\nreturn x"),
        SLOPE,
        free=TASKS,
    ),
    Attack(
        "keep_reference",
        "keep the reference that was passed in, to answer a later check",
        """
        kept = []
        def slope(f, x, step):
            kept.append(f)
            return right_slope(f, x, step)
        def cube(x):
            return kept[-1](x)
        """,
    ),
]
