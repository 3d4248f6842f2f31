"""The system call filter: its verdicts on both architectures, by interpreting it, and what it stops when installed."""

import errno
import itertools
import struct

import pytest

from autograder.sandbox import seccomp
from autograder.sandbox.syscalls import AARCH64, TABLES, X86_64

PID = 4321
MACHINES = list(TABLES)
BY_NAME = {machine: seccomp.build(machine, PID) for machine in MACHINES}

NUMERIC = "read write mmap munmap futex openat close fstat getrandom clock_gettime madvise exit_group"
THREAD = 0x003D0F00  # the flags that libc starts a thread with
SIGCHLD = 17


def interpret(program: bytes, data: bytes) -> int:
    """Run a BPF program over a `struct seccomp_data`."""
    instructions = list(struct.iter_unpack("=HBBI", program))
    accumulator = place = 0
    while True:
        code, yes, no, value = instructions[place]
        place += 1
        match code:
            case seccomp.LOAD:
                (accumulator,) = struct.unpack_from("=I", data, value)
            case seccomp.MASK:
                accumulator &= value
            case seccomp.JUMP_EQUAL:
                place += yes if accumulator == value else no
            case seccomp.JUMP_AT_LEAST:
                place += yes if accumulator >= value else no
            case seccomp.JUMP_ANY_BIT:
                place += yes if accumulator & value else no
            case seccomp.RETURN:
                return value
            case _:
                raise AssertionError(f"unknown instruction {code:#x}")


def verdict(
    machine: str, call: str | int, *arguments: int, architecture: int | None = None, program: bytes = b""
) -> str:
    """`allow`, `kill` or the name of the error."""
    native, table = TABLES[machine]
    number = table[call] if isinstance(call, str) else call
    words = [argument & (1 << 64) - 1 for argument in (*arguments, *[0] * (6 - len(arguments)))]
    data = struct.pack("=IIQ6Q", number, native if architecture is None else architecture, 0, *words)
    answer = interpret(program or BY_NAME[machine], data)
    if answer & 0xFFFF0000 == seccomp.ERROR:
        return errno.errorcode[answer & 0xFFFF]
    return {seccomp.ALLOW: "allow", seccomp.KILL: "kill"}[answer]


@pytest.mark.parametrize("machine", MACHINES)
def test_every_number_gets_the_verdict_of_its_name(machine):
    table = TABLES[machine][1]
    names = {number: name for name, number in table.items()}
    allowed, refused = set(seccomp.names(seccomp.ALLOWED)), set(seccomp.names(seccomp.REFUSED))
    for number in range(1024):
        name = names.get(number)
        if name not in seccomp.BY_ARGUMENT:
            expected = "allow" if name in allowed else "EPERM" if name in refused else "ENOSYS"
            assert verdict(machine, number) == expected, name or number


def test_every_name_exists_and_has_one_verdict():
    groups = [seccomp.names(seccomp.ALLOWED), seccomp.names(seccomp.REFUSED), list(seccomp.BY_ARGUMENT)]
    every = list(itertools.chain(*groups))
    assert len(set(every)) == len(every)
    assert set(every) <= set(X86_64) | set(AARCH64)


@pytest.mark.parametrize(
    ("name", "x86_64", "aarch64"),
    [
        ("read", 0, 63),
        ("openat", 257, 56),
        ("clone", 56, 220),
        ("mmap", 9, 222),
        ("seccomp", 317, 277),
        ("clone3", 435, 435),
    ]
    + [("newfstatat", 262, 79), ("renameat", 264, 38), ("prlimit64", 302, 261), ("landlock_restrict_self", 446, 446)]
    + [
        ("memfd_secret", 447, 447),
        ("fadvise64", 221, 223),
        ("fcntl", 72, 25),
        ("sendfile", 40, 71),
        ("execve", 59, 221),
    ],
)
def test_numbers_are_those_of_the_kernel(name, x86_64, aarch64):
    assert (X86_64[name], AARCH64[name]) == (x86_64, aarch64)


@pytest.mark.parametrize("machine", MACHINES)
class TestVerdicts:
    def test_other_architectures_end_the_process(self, machine):
        for architecture in (0x40000003, 0x40000028, 0):  # i386, 32-bit ARM, none
            assert verdict(machine, "read", architecture=architecture) == "kill"

    def test_x32_numbers_are_refused(self, machine):
        for number in (0x40000000, 0x40000027, 0x40000221, 0xFFFFFFFF):
            assert verdict(machine, number) == "EPERM"

    def test_numeric_work_is_allowed(self, machine):
        for name in NUMERIC.split():
            assert verdict(machine, name) == "allow"

    def test_threads_but_no_processes(self, machine):
        assert verdict(machine, "clone", THREAD) == "allow"
        assert verdict(machine, "clone", SIGCHLD) == "EPERM"
        assert verdict(machine, "clone", 0x4100 | SIGCHLD) == "EPERM"  # CLONE_VM | CLONE_VFORK, as posix_spawn does
        assert verdict(machine, "clone", 1 << 48 | SIGCHLD) == "EPERM"

    @pytest.mark.parametrize(
        "namespace", [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000]
    )
    def test_no_namespaces_even_for_threads(self, machine, namespace):
        assert verdict(machine, "clone", THREAD | namespace) == "EPERM"

    def test_what_cannot_be_filtered_does_not_exist(self, machine):
        for name in ("clone3", "io_uring_setup", "io_uring_enter", "io_uring_register"):
            assert verdict(machine, name) == "ENOSYS"

    @pytest.mark.parametrize("call", ["kill", "tgkill"])
    def test_signals_to_oneself_only(self, machine, call):
        assert verdict(machine, call, PID, 6) == "allow"
        for target in (0, 1, -1, -PID, PID + 1):
            assert verdict(machine, call, target, 6) == "EPERM"

    def test_own_limits_can_be_read_only(self, machine):
        assert verdict(machine, "prlimit64", 0, 7, 0, 0x7FFF0000) == "allow"
        assert verdict(machine, "prlimit64", PID, 7, 0, 0x7FFF0000) == "allow"
        assert verdict(machine, "prlimit64", PID + 1, 7, 0, 0x7FFF0000) == "EPERM"
        for pointer in (0x7FFF0000, 1 << 32, 0x7FFF00000000):
            assert verdict(machine, "prlimit64", 0, 7, pointer) == "EPERM"

    def test_process_options(self, machine):
        for option in (3, 15, 16, 0x53564D41):
            assert verdict(machine, "prctl", option) == "allow"
        for option in (1, 4, 8, 22, 24, 36, 38, 47, 59, -1):
            assert verdict(machine, "prctl", option) == "EPERM"

    def test_device_commands_are_answered_as_by_a_file(self, machine):
        assert verdict(machine, "ioctl", 1, 0x5401) == "allow"
        for command in (0x5412, 0x541C, 0x8927, 0xC0104601):  # TIOCSTI, TIOCLINUX, a network and a graphics command
            assert verdict(machine, "ioctl", 1, command) == "ENOTTY"

    def test_with_a_gpu_the_commands_of_its_driver_are_let_through(self, machine):
        program = seccomp.build(machine, PID, with_gpu=True)
        for command in (0x5401, 0xC0104601, 0xC020462A, 0x30000001, 0x21):  # of the driver, and of its unified memory
            assert verdict(machine, "ioctl", 1, command, program=program) == "allow"
        for command in (
            0x5412,
            0x541C,
            0x5423,
            0x8927,
            0x8933,
            0x40049409,
            0x30000003,
        ):  # of terminals, networks, files
            assert verdict(machine, "ioctl", 1, command, program=program) == "ENOTTY"
        assert verdict(machine, "execve", program=program) == "EPERM"

    def test_file_commands_without_locks(self, machine):
        for command in (0, 1, 2, 3, 4, 1030):
            assert verdict(machine, "fcntl", 0, command) == "allow"
        for command in (5, 6, 7, 8, 10, 36, 37, 38, 1024, 1025, 1026, 1031, 1033, 1036):
            assert verdict(machine, "fcntl", 0, command) == "EPERM"

    def test_conversation_without_urgent_data(self, machine):
        for call, place in {"sendto": 3, "recvfrom": 3, "sendmsg": 2, "recvmsg": 2}.items():
            flags = [0] * 6
            flags[place] = 0x4000  # MSG_NOSIGNAL
            assert verdict(machine, call, *flags) == "allow"
            flags[place] |= 1  # MSG_OOB
            assert verdict(machine, call, *flags) == "EPERM"

    def test_socket_options(self, machine):
        assert verdict(machine, "getsockopt", 3, 1, 3) == "allow"
        assert verdict(machine, "getsockopt", 3, 1, 77) == "EPERM"  # SO_PEERPIDFD
        assert verdict(machine, "getsockopt", 3, 6, 3) == "EPERM"  # of TCP


def test_legacy_calls_are_filtered_where_they_exist():
    for name in ("fork", "vfork", "chmod", "link", "symlink", "utime", "inotify_init"):
        assert verdict("x86_64", name) == "EPERM"
        assert name not in AARCH64


def test_jumps_that_do_not_fit_are_not_assembled():
    jump, filler = seccomp.Instruction(seccomp.JUMP_EQUAL, 0, yes="far"), seccomp.Instruction(seccomp.RETURN, 0)
    assert len(seccomp.assemble([jump, *[filler] * 255, "far", filler])) == 257 * 8
    with pytest.raises(ValueError, match="256 to far"):
        seccomp.assemble([jump, *[filler] * 256, "far", filler])
    with pytest.raises(ValueError, match="far"):
        seccomp.assemble(["far", filler, jump])


STOPPED = """
    make_symbolic_link make_hard_link make_fifo change_mode change_owner change_times set_attribute open_by_handle
    lock_file lock_range lock_range_of_description ask_for_locks lease_file watch_folder_by_descriptor watch_file
    watch_file_system use_keyring search_keyring make_shared_memory make_message_queue make_semaphores
    open_posix_queue signal_victim signal_parent signal_group signal_everyone signal_thread signal_thread_only
    queue_signal signal_by_descriptor trace read_memory write_memory take_descriptor compare_descriptors
    limit_victim read_limits slow_victim move_victim move_oneself become_real_time move_pages fork fork_by_clone
    fork_by_clone3 become_daemon run_program become_program become_program_from_memory connect_tcp listen_tcp
    send_udp connect_abstract connect_path listen_abstract open_netlink open_machine_socket open_raw_socket
    send_out_of_band change_conversation ask_for_peer become_root_in_namespace clone_into_namespace
    enter_namespace mount open_mount change_root change_user leave_session raise_limit outlive_parent
    become_dumpable change_personality install_filter stack_landlock load_kernel_program count_events
    handle_own_faults set_up_io_ring read_kernel_log set_clock use_x32_calls make_memory_file make_secret_memory
    grow_pipe seal_output"""


@pytest.mark.parametrize("attack", STOPPED.split())
def test_stops_alone(outcome, attack):
    assert outcome("seccomp", attack).startswith("blocked")


def test_32_bit_calls_end_the_process(outcome):
    assert outcome("seccomp", "use_32_bit_calls") == "killed: SIGSYS"


FILTER = """
import platform
linux.prctl(jail.PR_SET_NO_NEW_PRIVS, 1)
def install():
    seccomp.install(seccomp.build(platform.machine(), os.getpid()))
"""


def test_work_goes_on(in_child):
    code = """
    import math, subprocess, tempfile, threading
    import numpy as np
    install()
    thread = threading.Thread(target=os.getpid)
    thread.start()
    thread.join()
    with tempfile.TemporaryFile() as file:
        file.write(b"x")
    matrix = np.random.default_rng(0).normal(size=(50, 50))
    np.linalg.svd(matrix @ matrix)
    result = [os.isatty(0), os.path.exists("/"), refused(subprocess.run, ["/bin/true"]), refused(os.fork)]
    """
    assert in_child(code, FILTER) == [False, True, True, True]


def test_a_process_can_still_abort(in_child):
    code = """
    def abort():
        install()
        os.abort()
    pid, _ = fork(abort)
    result = os.WTERMSIG(os.waitpid(pid, 0)[1])
    """
    assert in_child(code, FILTER) == 6


def test_threads_that_run_already_are_included(in_child):
    code = """
    import threading
    def try_late():
        started.wait()
        outcome.append(refused(os.fork))
    outcome, started = [], threading.Event()
    thread = threading.Thread(target=try_late)
    thread.start()
    install()
    started.set()
    thread.join()
    result = outcome
    """
    assert in_child(code, FILTER) == [True]
