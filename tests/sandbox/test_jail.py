"""The whole jail: what it stops, what still works in it, and that it says honestly which layers hold."""

import os
import signal

import pytest

from autograder.sandbox import jail, landlock

pytestmark = pytest.mark.skipif(landlock.abi() < 6, reason="this kernel has no Landlock, or too old a one")
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root")

# Hiding that a known path exists takes a file system of the worker's own; bounding its threads, a user of its own.
OPEN = {
    "all": {"stat_file", "start_many_threads"},
    "all, as nobody": {"stat_file", "start_many_threads"},
    "all, own uid": {"stat_file"},
    # Its driver needs hundreds of files and more addresses than there is memory: what is shared is not counted. See docs/gpu.md.
    "all, with a GPU": {"stat_file", "start_many_threads", "open_many_files", "map_memory"},
}


@pytest.mark.parametrize("layers", OPEN)
def test_stops_every_attack_but_the_known_gaps(outcome, attacks, layers):
    if layers != "all" and os.getuid() != 0:
        pytest.skip("needs root")
    succeeded = set()
    for attack in attacks:
        try:
            became = outcome(layers, attack)
        except pytest.skip.Exception:
            continue
        assert not became.startswith("broken"), attack
        if became == "succeeded":
            succeeded.add(attack)
    assert succeeded <= OPEN[layers]


@pytest.mark.parametrize("attack", ["map_memory", "flood_output", "stretch_output", "open_many_files"])
def test_limits_stop_alone(outcome, attack):
    assert outcome("rlimits", attack).startswith("blocked")


# What the tests below share: a confined fork server and a worker of it.
CONFINED = """
import gc, resource, threading
import numpy as np
statm = os.open("/proc/self/statm", os.O_RDONLY)
def mapped():
    return int(os.pread(statm, 256, 0).split()[0]) * resource.getpagesize()
def confine(read=(), write=()):
    return jail.confine_zygote([os.path.dirname(os.__file__), *read], write)
def worker(function, limits=jail.Limits(), **options):
    "What the function returns in a worker."
    size = mapped()
    def work():
        jail.lock_down(limits, mapped_bytes=size, **options)
        return function()
    return ask(work)
"""


def test_both_name_their_layers_and_none_is_missing(in_child):
    code = """
    base = confine()
    layers = ask(lambda: jail.lock_down(jail.Limits(), mapped_bytes=mapped_now))
    result = [base, layers]
    """
    base, layers = in_child(code, CONFINED + "mapped_now = mapped()\n")
    assert [layer.partition(":")[0] for layer in base] == ["no-new-privs", "zygote-landlock"]
    assert [layer.partition(":")[0] for layer in layers] == [
        "no-caps",
        "rlimits",
        "no-new-privs",
        "landlock",
        "seccomp",
    ]
    assert f"(ABI {landlock.abi()})" in layers[3]
    assert jail.missing_layers(base + layers) == []


def test_with_a_gpu_private_memory_is_still_bounded(in_child):
    code = """
    from autograder.sandbox import gpu
    data = int(open("/proc/self/statm").read().split()[5]) * resource.getpagesize()
    confine()
    def take():
        jail.lock_down(jail.Limits(memory_bytes=1 << 30), mapped_bytes=data, devices=["/dev/null"])
        held = bytearray(1 << 29)
        try:
            bytearray((1 << 30) + gpu.OWN_BYTES)
        except MemoryError:
            return "refused"
    result = ask(take)
    """
    assert in_child(code, CONFINED) == "refused"


def test_a_missing_layer_is_named():
    old = "landlock:fs+refer (ABI 2)"
    full = ["no-new-privs", "zygote-landlock:fs+refer+truncate (ABI 3)", "landlock:fs+refer+truncate (ABI 3)"]
    full += ["rlimits", "seccomp"]
    assert jail.missing_layers(full) == []
    for position, name in enumerate(["no-new-privs", "zygote-landlock", "landlock", "rlimits", "seccomp"]):
        (missing,) = jail.missing_layers(full[:position] + full[position + 1 :])
        assert missing.startswith(name)
    (missing,) = jail.missing_layers([*full[:2], old, *full[3:]])
    assert missing.startswith("landlock")
    assert len(jail.missing_layers([])) == 5


def test_a_kernel_without_filters_is_reported_not_hidden(in_child):
    code = """
    def missing(program):
        raise OSError(38, "no filters here")
    seccomp.install = missing
    confine()
    result = ask(lambda: jail.lock_down(jail.Limits(), mapped_bytes=1 << 34))
    """
    assert "seccomp" not in in_child(code, CONFINED)


class TestZygote:
    def test_forks_reaps_signals_and_talks(self, in_child):
        code = """
        import socket
        ours, theirs = socket.socketpair()
        confine()
        def work():
            jail.lock_down(jail.Limits(), mapped_bytes=1 << 34)
            os.write(3, b"x")
            signal.pause()
        pid, pipe = fork(work)
        os.read(pipe, 1)
        pidfd = os.pidfd_open(pid)
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        ours.send(b"hello")
        result = [os.WTERMSIG(status), theirs.recv(5).decode(), mapped() > 0]
        """
        assert in_child(code, CONFINED) == [signal.SIGKILL, "hello", True]

    def test_reads_only_what_is_listed(self, in_child, tmp_path):
        (tmp_path / "data").write_text("x")
        code = """
        confine()
        result = [refused(open, folder + "/data"), refused(os.listdir, "/"), refused(open, os.__file__)]
        """
        assert in_child(code, CONFINED, folder=str(tmp_path)) == [True, True, False]

    def test_refuses_to_be_confined_with_threads(self, in_child):
        code = """
        end = threading.Event()
        threading.Thread(target=end.wait).start()
        try:
            confine()
        except RuntimeError as error:
            result = str(error)
        end.set()
        """
        assert in_child(code, CONFINED).startswith("2 threads")


class TestWorker:
    def test_numeric_work_goes_on(self, in_child):
        code = """
        confine(read=[os.path.dirname(np.__file__)])
        def work():
            matrix = np.random.default_rng(0).normal(size=(60, 60))
            thread = threading.Thread(target=lambda: np.linalg.svd(matrix @ matrix))
            thread.start()
            thread.join()
            import colorsys
            with open(os.devnull, "w") as nothing:
                print("quiet", file=nothing)
            return [float(np.eye(3).sum()), os.isatty(0), colorsys.__name__]
        result = worker(work)
        """
        assert in_child(code, CONFINED) == [3.0, False, "colorsys"]

    def test_keeps_only_four_descriptors(self, in_child):
        code = """
        confine()
        others = [os.open("/dev/null", os.O_RDONLY) for _ in range(20)]
        result = worker(lambda: [fd for fd in range(300) if not refused(os.fstat, fd)])
        """
        assert in_child(code, CONFINED) == [0, 1, 2, 3]

    def test_memory_is_bounded_above_what_was_mapped(self, in_child):
        code = """
        confine()
        def allocate(size):
            try:
                return len(bytearray(size))
            except MemoryError:
                return "MemoryError"
        limits = jail.Limits(memory_bytes=256 << 20)
        result = [worker(lambda: allocate(100 << 20), limits), worker(lambda: allocate(400 << 20), limits)]
        """
        assert in_child(code, CONFINED) == [100 << 20, "MemoryError"]

    def test_too_much_output_is_an_error_not_a_death(self, in_child):
        code = """
        import errno
        output = os.memfd_create("output")
        confine()
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        def flood():
            os.dup2(output, 1)
            jail.lock_down(jail.Limits(output_bytes=1000), mapped_bytes=1 << 34)
            try:
                return [os.write(1, b"x" * 600), os.write(1, b"x" * 600), os.write(1, b"x")]
            except OSError as error:
                return errno.errorcode[error.errno]
        result = [ask(flood), os.fstat(output).st_size]
        """
        assert in_child(code, CONFINED) == ["EFBIG", 1000]

    def test_time_on_the_processor_is_bounded(self, in_child):
        code = """
        confine()
        def loop():
            jail.lock_down(jail.Limits(cpu_seconds=1), mapped_bytes=1 << 34)
            while True:
                pass
        pid, _ = fork(loop)
        result = os.WTERMSIG(os.waitpid(pid, 0)[1])
        """
        assert in_child(code, CONFINED) == signal.SIGXCPU

    def test_limits_never_exceed_those_of_the_fork_server(self, in_child):
        code = """
        resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
        confine()
        names = ["RLIMIT_NOFILE", "RLIMIT_CORE", "RLIMIT_FSIZE"]
        result = worker(lambda: [resource.getrlimit(getattr(resource, name)) for name in names])
        """
        assert in_child(code, CONFINED) == [[20, 20], [0, 0], [64 << 10, 64 << 10]]

    def test_no_capability_is_left(self, in_child):
        code = """
        confine()
        def capabilities():
            import ctypes, struct
            data = ctypes.create_string_buffer(24)
            linux.call("capget", struct.pack("=Ii", jail.CAPABILITY_VERSION_3, 0), data)
            return data.raw.hex()
        result = worker(capabilities)
        """
        assert in_child(code, CONFINED) == "00" * 24

    @needs_root
    def test_gets_a_user_of_its_own(self, in_child):
        code = """
        confine()
        result = worker(lambda: [os.getresuid(), os.getresgid(), os.getgroups()], uid=61234)
        """
        assert in_child(code, CONFINED) == [[61234] * 3, [61234] * 3, []]

    @needs_root
    def test_its_own_user_bounds_its_threads(self, in_child):
        code = """
        confine()
        def start():
            threading.stack_size(1 << 16)
            end, started = threading.Event(), 0
            try:
                for started in range(1, 100):
                    threading.Thread(target=end.wait).start()
            except RuntimeError:
                pass
            end.set()
            return started
        result = [worker(start, jail.Limits(threads=10), uid=61234) for _ in range(2)]
        """
        assert in_child(code, CONFINED) == [10, 10]

    def test_writes_only_what_it_was_given(self, in_child, tmp_path):
        tmp_path.chmod(0o777)
        code = """
        confine(read=[], write=[folder])
        def write():
            open(folder + "/new", "w").close()
        result = [worker(lambda: refused(write)), worker(lambda: refused(write), write=[folder])]
        """
        assert in_child(code, CONFINED, folder=str(tmp_path)) == [True, False]

    def test_dies_with_the_fork_server(self, in_child):
        code = """
        def server():
            confine()
            def work():
                os.dup2(saved, 0)  # one of the four descriptors it keeps
                jail.lock_down(jail.Limits(), mapped_bytes=1 << 34, parent=parent)
                os.write(3, b"ready")
                signal.pause()
            parent = os.getpid()
            saved = os.dup(3)
            pid, pipe = fork(work)
            os.read(pipe, 5)
            os.write(saved, b"forked")
            os.close(3)
            signal.pause()
        pid, alive = fork(server)
        said = os.read(alive, 6)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        result = [said.decode(), os.read(alive, 1).decode()]
        """
        assert in_child(code, CONFINED) == ["forked", ""]

    def test_ends_at_once_when_the_fork_server_died_before(self, in_child):
        code = """
        confine()
        pid, _ = fork(lambda: jail.lock_down(jail.Limits(), mapped_bytes=1 << 34, parent=1))
        result = os.WEXITSTATUS(os.waitpid(pid, 0)[1])
        """
        assert in_child(code, CONFINED) == os.EX_TEMPFAIL


def test_can_be_imported_but_not_used_elsewhere(in_child):
    code = """
    import importlib, platform
    platform.system, platform.machine = lambda: "Darwin", lambda: "arm64"
    sys.modules["resource"] = None
    importlib.reload(jail)
    try:
        jail.lock_down(jail.Limits(), mapped_bytes=0)
    except OSError as error:
        result = str(error)
    """
    assert "needs Linux" in in_child(code)
