"""Reach what is not theirs: files, memory, processes, the network. The right answer comes only if it worked."""

from textwrap import dedent

from tests.hostile.attack import Attack, cube, on


def reads(name: str, tries: str, body: str, **others) -> Attack:
    return cube(name, tries, f"{dedent(body).strip()}\nreturn right(x)", **others)


READING = [
    reads("read_hidden_checks", "open the hidden checks", "open(GRADER).read()"),
    reads("read_reference", "open the reference", "open(SOLUTION).read()"),
    reads("read_by_relative_path", "climb up to it", "open('../' * 30 + SOLUTION[1:]).read()"),
    reads("read_other_submission", "open another learner's work", "open(OTHER).read()"),
    reads("read_journal", "open the results", "open(OUT + '/journal.jsonl').read()"),
    reads("read_policy", "open grading.yml", "open(COURSE + '/grading.yml').read()"),
    reads("read_passwd", "open a file of the machine", "open('/etc/passwd').read()"),
    reads("list_course", "list the course", "import os\nos.listdir(COURSE)"),
    reads("list_class", "list the submissions", "import os\nos.listdir(CLASS)"),
    reads("list_root", "list the machine", "import os\nos.listdir('/')"),
    reads("list_processes", "list the processes", "import os\nos.listdir('/proc')"),
    reads("glob_course", "search for checks", "import glob\ndemand(glob.glob(COURSE + '/**/*.py', recursive=True))"),
    reads("read_with_numpy", "let NumPy open it", "np.fromfile(SOLUTION, np.uint8)"),
    reads("map_with_numpy", "map it into memory", "np.memmap(SOLUTION, np.uint8, 'r')"),
    reads("read_with_linecache", "let tracebacks read it", "import linecache\ndemand(linecache.getlines(GRADER))"),
    reads(
        "read_with_libc",
        "open it past Python",
        """
        import ctypes
        demand(ctypes.CDLL(None).open(SOLUTION.encode(), 0) >= 0)
        """,
    ),
    reads("run_reference", "run the reference", "import runpy\nruntime = runpy.run_path(SOLUTION)"),
    reads(
        "read_by_own_link",
        "open it through a descriptor that only names it",
        "import os\nopen(f'/proc/self/fd/{os.open(SOLUTION, os.O_PATH)}').read()",
    ),
    reads(
        "read_memory_of_parent",
        "open the fork server's memory",
        """
        import os
        open(f'/proc/{os.getppid()}/mem', 'rb')
        """,
    ),
    reads("read_command_of_parent", "read its command line", "import os\nopen(f'/proc/{os.getppid()}/cmdline').read()"),
    reads("read_own_maps", "see where memory lies", "open('/proc/self/maps').read()"),
    reads(
        "read_environment",
        "find paths in the environment",
        "import os, sys\ndemand(any(COURSE in text or 'pytest' in text for text in [*os.environ.values(), *sys.argv, *sys.path]))",
    ),
    reads("import_hidden_checks", "import them", "__import__('graders.week1.test_basics')"),
    reads("import_reference", "import the reference", "__import__('solutions.week1.basics')"),
    reads("import_judge", "import what grades", "__import__('autograder.grading.judge')"),
    reads("import_pytest", "import pytest", "__import__('pytest')"),
    reads(
        "find_modules",
        "find them among the loaded modules",
        "import sys\nnames = ('pytest', '_pytest', 'graders', 'solutions', 'autograder.grading', 'autograder.testing')\n"
        "demand(any(name.startswith(names) for name in sys.modules))",
    ),
    reads(
        "search_garbage",
        "find texts of hidden files among all objects",
        """
import gc
words = ('tabmun', 'oorotop', 'akkouq')
def holds(thing):
    items = list(thing.values()) if type(thing) is dict else thing
    texts = [item for item in items if isinstance(item, (str, bytes))]
    return any(word[::-1] in (t if isinstance(t, str) else t.decode('latin-1')) for t in texts for word in words)
demand(any(holds(thing) for thing in gc.get_objects() if type(thing) in (dict, list, tuple)))
""",
    ),
    reads(
        "search_frames",
        "find the check on the stack",
        """
import sys
frame, names = sys._getframe(), set()
while frame:
    names |= frame.f_locals.keys() | frame.f_globals.keys()
    frame = frame.f_back
demand(names & {'reference', 'expected', 'probe', 'SECRET', 'learner', 'check'})
""",
    ),
    reads("search_threads", "find it on another thread's stack", "import sys\ndemand(len(sys._current_frames()) > 1)"),
    reads(
        "search_referrers",
        "find who else holds the argument",
        "import gc\ndemand(any(type(r) is dict and {'expected', 'reference'} & r.keys() for r in gc.get_referrers(x)))",
    ),
    reads(
        "read_beside_argument",
        "find the expected values beside the argument",
        """
base = x if x.base is None else x.base
beside = np.asarray(base).view(np.uint8).tobytes()
demand(right(x).tobytes() in beside)
""",
    ),
    Attack(
        "read_source_of_function",
        "read the source of the function passed in",
        on("slope", "import inspect\ninspect.getsource(f)\nreturn right_slope(f, x, step)"),
        spoils=("slope",),
    ),
    Attack(
        "read_closure_of_function",
        "read what it closes over",
        on("slope", "f.__code__, f.__closure__, f.__globals__\nreturn right_slope(f, x, step)"),
        spoils=("slope",),
    ),
    # Known gap: whether a path exists, and its size, can be told. Hiding it takes a file system of the worker's own.
    reads(
        "stat_known_path",
        "see whether a file is there",
        """
        import os
        os.stat(SOLUTION)
        """,
        passes=("cube", "cube_plainly"),
    ),
]

TOUCHING = [
    reads("write_grades", "write the grades", "open(OUT + '/grades.csv', 'w')"),
    reads("append_to_journal", "write the journal", "open(OUT + '/journal.jsonl', 'a')"),
    reads("overwrite_hidden_checks", "empty the hidden checks", "open(GRADER, 'w')"),
    reads("overwrite_other", "overwrite another's work", "open(OTHER, 'w')"),
    reads("plant_conftest", "plant a conftest.py", "open(COURSE + '/graders/conftest.py', 'w')"),
    reads("write_temporary", "leave a file in /tmp", "open('/tmp/left_by_hostile_suite', 'w')"),
    reads("write_shared_memory", "leave one in /dev/shm", "open('/dev/shm/left_by_hostile_suite', 'w')"),
    reads("write_where_it_stands", "leave one in the working folder", "open('left_by_hostile_suite', 'w')"),
    reads("use_tempfile", "make a temporary file", "import tempfile\ntempfile.TemporaryFile()"),
    reads(
        "share_memory",
        "share memory with another worker",
        "from multiprocessing import shared_memory\nshared_memory.SharedMemory('left_by_hostile_suite', True, 8)",
    ),
    reads("make_memory_file", "make a file that is memory only", "import os\nos.memfd_create('left')"),
    reads("truncate", "empty a file without opening it", "import os\nos.truncate(OTHER, 0)"),
    reads("unlink", "remove another's work", "import os\nos.unlink(OTHER)"),
    reads("rename", "move it", "import os\nos.rename(OTHER, OTHER + '.old')"),
    reads("link", "give it a second name", "import os\nos.link(OTHER, OTHER + '.link')"),
    reads("symlink", "plant a link", "import os\nos.symlink(SOLUTION, OTHER + '.link')"),
    reads("fifo", "plant a pipe to hang on", "import os\nos.mkfifo(OTHER + '.fifo')"),
    reads("mkdir", "make a folder", "import os\nos.mkdir(OUT + '/made')"),
    reads("chmod", "change a mode", "import os\nos.chmod(OTHER, 0o777)"),
    reads("utime", "change a time", "import os\nos.utime(OTHER, (1, 1))"),
    reads("chown", "change an owner", "import os\nos.chown(OTHER, 1, 1)"),
    reads("xattr", "attach data to a file", "import os\nos.setxattr(OTHER, 'user.left', b'x')"),
    reads(
        "lock",
        "lock a file that all workers read",
        """
        import fcntl, os
        fcntl.flock(os.open(os.__file__, 0), fcntl.LOCK_SH)
        """,
    ),
]

# Signals are number 0 where they could reach what is not of this run.
PROCESSES = [
    reads("fork", "become two processes", "import os\nos.fork() or os._exit(0)"),
    reads("spawn", "start a program", "import subprocess\nsubprocess.run(['/bin/true'], check=True)"),
    reads("system", "start a shell", "import os\ndemand(os.system('true') == 0)"),
    reads("exec", "become a program", "import os\nos.execv('/bin/sleep', ['sleep', '100'])"),
    reads(
        "multiprocess",
        "start a process pool",
        """
        import multiprocessing
        multiprocessing.Process(target=print).start()
        """,
    ),
    reads("kill_fork_server", "kill the fork server", "import os\nos.kill(os.getppid(), 9)"),
    reads("signal_all", "signal every process", "import os\nos.kill(-1, 0)"),
    reads("signal_group", "signal the group", "import os\nos.killpg(0, 0)"),
    reads(
        "signal_neighbours",
        "signal processes with near numbers",
        """
import os
def reached(pid):
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
demand(any(reached(pid) for pid in range(os.getpid() - 40, os.getpid() + 40) if pid != os.getpid()))
""",
    ),
    reads(
        "trace_fork_server",
        "attach to it as a debugger",
        "import ctypes, os\ndemand(ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0) == 0)",
    ),
    reads(
        "limit_fork_server",
        "limit it",
        """
        import os, resource
        resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (1, 1))
        """,
    ),
    reads(
        "raise_limits",
        "raise its own limits",
        """
        import resource
        resource.setrlimit(resource.RLIMIT_CPU, (9999, 9999))
        """,
    ),
    reads(
        "outlive",
        "refuse to die with the fork server",
        """
        import ctypes
        demand(ctypes.CDLL(None).prctl(1, 0, 0, 0, 0) == 0)
        """,
    ),
    reads("leave_session", "start a session", "import os\nos.setsid()"),
    reads("become_root", "change the user", "import os\nos.setuid(0)"),
    reads("unshare", "get a namespace", "import ctypes\ndemand(ctypes.CDLL(None).unshare(0x10000000) == 0)"),
    reads("open_socket", "open a socket", "import socket\nsocket.socket()"),
    reads("open_socketpair", "open a pair of sockets", "import socket\nsocket.socketpair()"),
    reads("fetch", "fetch a page", "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:1/')"),
    reads("resolve", "look up a name", "import socket\nsocket.getaddrinfo('localhost', 80)"),
    reads(
        "find_descriptor",
        "find a descriptor that should be closed",
        """
import os
def is_open(descriptor):
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
demand(any(is_open(descriptor) for descriptor in range(4, 256)))
""",
    ),
]

ESCAPES = [*READING, *TOUCHING, *PROCESSES]
