"""End, hang or exhaust: the process, its time, its memory. It costs the task that does it, and nothing else."""

from tests.hostile.attack import TASKS, Attack, at_import, cube, on

DEATHS = [
    cube("exit_0", "end with success", "import os\nos._exit(0)"),
    cube("answer_and_exit", "answer, and end", "import os\npeer().encode = lambda reply: os._exit(0)"),
    cube("abort", "abort", "import os\nos.abort()"),
    cube("segfault", "read from address 0", "import ctypes\nctypes.string_at(0)"),
    cube("kill_itself", "kill itself", "import os\nos.kill(os.getpid(), 9)"),
    cube(
        "stack_overflow",
        "overflow the stack",
        """
        import sys
        sys.setrecursionlimit(1 << 30)
        for _ in range(1_000_000): x = [x]
        repr(x)
        """,
    ),
    cube(
        "double_free",
        "corrupt the heap",
        """
        import ctypes
        libc = ctypes.CDLL(None)
        libc.free.argtypes = [ctypes.c_void_p]
        libc.free(0x1000)
        """,
    ),
    cube(
        "collect_itself",
        "free what is in use",
        """
        import ctypes
        ctypes.pythonapi.Py_DecRef(ctypes.py_object(None))
        ctypes.memset(id(None), 0, 16)
        return None
        """,
    ),
    at_import("exit_at_import", "end during the import", "import os\nos._exit(0)", second=False),
    at_import("raise_at_import", "exit during the import", "raise SystemExit(0)"),
    at_import("interrupt_at_import", "interrupt it", "raise KeyboardInterrupt"),
]

HANGS = [
    cube("loop", "loop for ever", "while True: pass"),
    cube("sleep", "sleep for ever", "import time\nwhile True: time.sleep(1000)"),
    cube("loop_in_c", "loop where Python handles no signal", "return sum(range(10**15))"),
    cube("regular_expression", "match for ever", "import re\nre.match('(a*)*b', 'a' * 64)"),
    cube("big_power", "compute a number of many digits", "return 9 ** 9 ** 9"),
    cube("stop_itself", "stop itself", "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)"),
    cube(
        "ignore_signals",
        "loop, deaf to signals",
        """
        import signal
        for n in set(signal.Signals) - {9, 19}: signal.signal(n, signal.SIG_IGN)
        while True: pass
        """,
    ),
    cube(
        "loop_in_handler",
        "loop in a signal handler",
        """
        import os, signal
        def loop(*a):
            while True: pass
        signal.signal(signal.SIGUSR1, loop)
        os.kill(os.getpid(), signal.SIGUSR1)
        """,
    ),
    cube("loop_in_del", "loop in __del__", "class D:\n    def __del__(self):\n        while True: pass\nD()"),
    cube("swallow_everything", "swallow every exception", "while True:\n    try: pass\n    except BaseException: pass"),
    cube("deadlock", "wait for a lock", "import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()"),
    cube("read_stdin", "wait for input", "import sys\nsys.stdin.read()\nwhile True: pass"),
    cube("read_conversation", "read the grader's messages away", "import os\nos.read(3, 1)\nwhile True: pass"),
    at_import("loop_at_import", "loop during the import", "while True: pass"),
    at_import(
        "loop_at_exit",
        "exit and loop",
        """
        import atexit
        atexit.register(lambda: [None for _ in iter(int, 1)])
        raise SystemExit
        """,
    ),
]

RESOURCES = [
    cube("memory", "fill the memory", "keep = []\nwhile True: keep.append(bytearray(1 << 24))"),
    cube("memory_by_array", "ask for 100 GB", "return np.ones(10**10)"),
    cube("memory_by_text", "by a text", "return 'a' * 10**11"),
    cube(
        "memory_kept",
        "fill it and keep it",
        """
        global keep
        keep = []
        try:
            while True: keep.append(bytearray(1 << 20))
        except MemoryError: pass
        return x
        """,
        free=TASKS,
    ),
    # Known gap: without a user id of its own, a worker's threads are bounded by its memory and time only. See `test_class`.
    Attack(
        "threads",
        "start 200 threads",
        on(
            "cube",
            """
            import threading
            end = threading.Event()
            threading.stack_size(64 << 10)
            for _ in range(200): threading.Thread(target=end.wait, daemon=True).start()
            end.set()
            return right(x)
            """,
        ),
        (),
        free=("cube",),
    ),
    cube(
        "burning_threads",
        "keep every processor busy with many threads",
        """
        import hashlib, threading
        threading.stack_size(64 << 10)
        data = bytes(1 << 22)
        def burn():
            while True: hashlib.sha256(data)
        for _ in range(100): threading.Thread(target=burn, daemon=True).start()
        while True: pass
        """,
    ),
    cube(
        "busy_threads",
        "keep the processor busy after answering",
        """
        import threading
        def run():
            while True: pass
        for _ in range(4): threading.Thread(target=run, daemon=True).start()
        """,
        free=TASKS,
    ),
    cube("descriptors", "use up descriptors", "import os\nkeep = [os.dup(1) for _ in range(10_000)]"),
    cube(
        "descriptors_kept",
        "use them up and keep them",
        """
        import os
        try:
            while True: os.dup(1)
        except OSError: pass
        return x
        """,
    ),
    cube("output", "print for ever", "while True: print('a' * 1000)"),
    cube("output_past_python", "print past Python", "import os\nwhile True: os.write(1, b'a' * 1000)"),
    cube("stretch_output", "make the output look huge", "import os\nos.ftruncate(1, 1 << 40)"),
]

AFTERWARDS = [
    Attack(
        "state_between_checks",
        "count calls to tell the checks apart",
        "calls = []\ndef cube(x):\n    calls.append(x)\n    return right(calls[0])",
        passes=("cube",),
    ),
    Attack(
        "poison_shared_arrays",
        "change what earlier checks passed in",
        "kept = []\ndef cube(x):\n    for old in kept: old[...] = 0\n    kept.append(x)\n    return x",
    ),
    Attack(
        "stale_worker",
        "come back after the time limit",
        "import threading, time\ndef cube(x):\n    time.sleep(1.5)\n    return right(x)",
    ),
]

CRASHES = [*DEATHS, *HANGS, *RESOURCES, *AFTERWARDS]
