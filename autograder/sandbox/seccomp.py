"""The system call filter.

What numeric code needs is allowed, what is known to be dangerous fails with EPERM (in Python, a PermissionError), and
everything else with ENOSYS, so that libraries fall back to older calls. The main consequence: a worker is one process
for ever. It can start threads, but no process, no program and no socket.
"""

from __future__ import annotations

import ctypes
import errno
import itertools
import struct
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import NamedTuple

from autograder.sandbox import linux
from autograder.sandbox.syscalls import TABLES

# ---------------------------------------------------------------- the rules
# A name that an architecture lacks is passed over there.

# Traced from NumPy, torch, torchvision and TensorFlow, with their near relatives.
ALLOWED = {
    "descriptors": """
        read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek close close_range dup dup2 dup3
        fsync fdatasync ftruncate fadvise64 readahead sendfile copy_file_range pipe pipe2 eventfd eventfd2 poll ppoll
        select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 timerfd_create
        timerfd_settime timerfd_gettime shutdown getsockname getpeername""",
    "files (Landlock says which)": """
        open openat openat2 creat access faccessat faccessat2 stat fstat lstat newfstatat statx readlink readlinkat
        getdents getdents64 getcwd chdir fchdir statfs fstatfs umask truncate mkdir mkdirat rmdir unlink unlinkat
        rename renameat renameat2""",
    "memory (RLIMIT_AS and RLIMIT_MEMLOCK say how much)": """
        mmap munmap mremap mprotect madvise brk msync mincore mlock munlock mlock2 mlockall munlockall membarrier
        mbind get_mempolicy set_mempolicy pkey_mprotect pkey_alloc pkey_free map_shadow_stack mseal""",
    "threads": """
        futex futex_waitv futex_wake futex_wait futex_requeue set_robust_list rseq set_tid_address sched_yield
        sched_getaffinity sched_getparam sched_getscheduler sched_get_priority_max sched_get_priority_min
        sched_rr_get_interval getpriority getcpu arch_prctl exit exit_group wait4 waitid""",
    "who and where am I": """
        gettid getpid getppid getpgid getpgrp getsid getuid geteuid getgid getegid getresuid getresgid getgroups
        capget uname sysinfo times getrusage getrlimit getrandom""",
    "time and signals to oneself": """
        clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time rt_sigaction rt_sigprocmask
        rt_sigreturn rt_sigsuspend rt_sigpending rt_sigtimedwait sigaltstack pause restart_syscall alarm setitimer
        getitimer timer_create timer_settime timer_gettime timer_delete timer_getoverrun""",
}

# Left out on purpose, so that they answer ENOSYS: clone3 and io_uring_*, which have fallbacks and cannot be filtered.
REFUSED = {
    "processes and programs": "fork vfork execve execveat setsid setpgid",
    "other processes": """
        ptrace process_vm_readv process_vm_writev process_madvise process_mrelease kcmp pidfd_open pidfd_getfd
        pidfd_send_signal tkill rt_sigqueueinfo rt_tgsigqueueinfo move_pages migrate_pages sched_setaffinity
        sched_setscheduler sched_setparam sched_setattr setpriority ioprio_set""",
    "sockets": "socket socketpair connect accept accept4 bind listen setsockopt sendmmsg recvmmsg",
    "what other workers would see": """
        flock inotify_init inotify_init1 inotify_add_watch fanotify_init keyctl add_key request_key shmget shmat
        shmctl shmdt semget semop semctl semtimedop msgget msgsnd msgrcv msgctl mq_open mq_unlink""",
    "files, where Landlock does not look": """
        chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat utime utimes utimensat futimesat setxattr
        lsetxattr fsetxattr getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr removexattr lremovexattr
        fremovexattr link linkat symlink symlinkat mknod mknodat name_to_handle_at open_by_handle_at sync syncfs
        fallocate""",
    "memory that RLIMIT_AS does not count": "memfd_create memfd_secret userfaultfd splice tee vmsplice",
    "privilege and limits": """
        setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid setgroups capset setrlimit personality
        seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self unshare setns chroot pivot_root""",
    "the machine": """
        mount umount2 mount_setattr open_tree move_mount fsopen fsconfig fsmount fspick bpf perf_event_open
        init_module finit_module delete_module kexec_load kexec_file_load reboot swapon swapoff syslog acct quotactl
        settimeofday clock_settime clock_adjtime adjtimex sethostname setdomainname modify_ldt ioperm iopl""",
}

OWN_PID = "own pid"
CLONE_THREAD = 0x00010000
CLONE_NEW_NAMESPACES = 0x7E020080
MSG_OOB = 0x1  # out-of-band data on unix sockets: rarely used kernel code with a history of holes
SOL_SOCKET = 1
SOCKET_OPTIONS = {"SO_TYPE": 3, "SO_ERROR": 4, "SO_SNDBUF": 7, "SO_RCVBUF": 8, "SO_PROTOCOL": 38, "SO_DOMAIN": 39}
PROCESS_OPTIONS = {
    "PR_GET_DUMPABLE": 3,
    "PR_SET_NAME": 15,
    "PR_GET_NAME": 16,
    "PR_SET_THP_DISABLE": 41,
    "PR_GET_THP_DISABLE": 42,
    "PR_SVE_GET_VL": 51,
    "PR_SME_GET_VL": 64,
    "PR_SET_VMA": 0x53564D41,
}
TERMINAL_QUESTIONS = {"TCGETS": 0x5401, "TIOCGWINSZ": 0x5413}
DESCRIPTOR_COMMANDS = {"FIONREAD": 0x541B, "FIONBIO": 0x5421, "FIONCLEX": 0x5450, "FIOCLEX": 0x5451}
# No locks, leases or notifications, which workers would see on the files they share; no seals, owners or pipe sizes.
FILE_COMMANDS = {
    "F_DUPFD": 0,
    "F_GETFD": 1,
    "F_SETFD": 2,
    "F_GETFL": 3,
    "F_SETFL": 4,
    "F_DUPFD_CLOEXEC": 1030,
    "F_GETPIPE_SZ": 1032,
    "F_GET_SEALS": 1034,
}


class OneOf(NamedTuple):
    """The low word of the argument is one of these."""

    argument: int
    values: Iterable[int | str]


class AnyBit(NamedTuple):
    """The low word of the argument has one of these bits."""

    argument: int
    mask: int


class NoBit(NamedTuple):
    """The low word of the argument has none of these bits."""

    argument: int
    mask: int


class Null(NamedTuple):
    """The argument is a null pointer."""

    argument: int


class OfKind(NamedTuple):
    """The low word of the argument is one of `values`, or below `limit`, or has `kind` as its second byte."""

    argument: int
    values: Iterable[int]
    limit: int
    kind: int


Condition = OneOf | AnyBit | NoBit | Null | OfKind


class Rule(NamedTuple):
    """A call that is allowed when all of these hold."""

    conditions: Sequence[Condition]
    error: int = errno.EPERM


BY_ARGUMENT = {
    "recvfrom": Rule([NoBit(3, MSG_OOB)]),
    "recvmsg": Rule([NoBit(2, MSG_OOB)]),
    "sendto": Rule([NoBit(3, MSG_OOB)]),
    "sendmsg": Rule([NoBit(2, MSG_OOB)]),
    "getsockopt": Rule([OneOf(1, [SOL_SOCKET]), OneOf(2, SOCKET_OPTIONS.values())]),
    "fcntl": Rule([OneOf(1, FILE_COMMANDS.values())]),
    # refused as an ordinary file would, so that isatty() is false
    "ioctl": Rule([OneOf(1, [*TERMINAL_QUESTIONS.values(), *DESCRIPTOR_COMMANDS.values()])], errno.ENOTTY),
    "clone": Rule([NoBit(0, CLONE_NEW_NAMESPACES), AnyBit(0, CLONE_THREAD)]),
    "kill": Rule([OneOf(0, [OWN_PID])]),
    "tgkill": Rule([OneOf(0, [OWN_PID])]),
    "prctl": Rule([OneOf(0, PROCESS_OPTIONS.values())]),
    "prlimit64": Rule([OneOf(0, [0, OWN_PID]), Null(2)]),  # reading one's own limits
}

# The driver's commands are all of kind "F"; those of its unified memory are plain numbers, and two large ones. No command of a
# terminal (kind "T") or of a socket is among them.
WITH_GPU = BY_ARGUMENT | {
    "ioctl": Rule(
        [
            OfKind(
                1,
                [*TERMINAL_QUESTIONS.values(), *DESCRIPTOR_COMMANDS.values(), 0x30000001, 0x30000002],
                limit=0x100,
                kind=ord("F"),
            )
        ],
        errno.ENOTTY,
    )
}

# ---------------------------------------------------------------- a small assembler for classic BPF

LOAD, MASK, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_ANY_BIT, RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
ALLOW, ERROR, KILL = 0x7FFF0000, 0x00050000, 0x80000000
X32 = 0x40000000


class Instruction(NamedTuple):
    code: int
    value: int
    yes: str | None = None  # the labels a comparison goes to; without one, to the next instruction
    no: str | None = None


Line = Instruction | str  # a string is a label


def assemble(lines: Sequence[Line]) -> bytes:
    """Turn labels into distances.

    Raises:
        ValueError: a label lies behind its jump, or further ahead than the 8 bits of a BPF jump reach.
    """
    places: dict[str, int] = {}
    instructions: list[Instruction] = []
    for line in lines:
        if isinstance(line, str):
            places[line] = len(instructions)
        else:
            instructions.append(line)

    def distance(place: int, label: str | None) -> int:
        ahead = places[label] - place - 1 if label else 0
        if not 0 <= ahead <= 255:
            raise ValueError(f"a jump of {ahead} to {label}")
        return ahead

    return b"".join(
        struct.pack("=HBBI", code, distance(place, yes), distance(place, no), value)
        for place, (code, value, yes, no) in enumerate(instructions)
    )


# ---------------------------------------------------------------- the program


def build(machine: str, pid: int, with_gpu: bool = False) -> bytes:
    """The filter of process `pid` on `machine` (a key of `TABLES`)."""
    architecture, table = TABLES[machine]
    lines: list[Line] = [
        Instruction(LOAD, ARCHITECTURE),
        Instruction(JUMP_EQUAL, architecture, yes="ours"),
        Instruction(RETURN, KILL),
        "ours",
        Instruction(LOAD, NUMBER),
        Instruction(JUMP_AT_LEAST, X32, no="native"),
        Instruction(RETURN, ERROR | errno.EPERM),
        "native",
    ]
    for name, rule in (WITH_GPU if with_gpu else BY_ARGUMENT).items():
        if name in table:
            lines += _by_argument(name, table[name], rule, pid)
    return assemble(lines) + _by_number(machine)


def _by_argument(name: str, number: int, rule: Rule, pid: int) -> Iterator[Line]:
    yield Instruction(JUMP_EQUAL, number, no=f"not {name}")
    for position, condition in enumerate(rule.conditions):
        yield from _condition(condition, pid, f"{name} {position} holds", f"{name} refused")
    yield Instruction(RETURN, ALLOW)
    yield f"{name} refused"
    yield Instruction(RETURN, ERROR | rule.error)
    yield f"not {name}"


def _condition(condition: Condition, pid: int, holds: str, refused: str) -> Iterator[Line]:
    low = ARGUMENTS + 8 * condition.argument  # the low word: both architectures are little-endian
    yield Instruction(LOAD, low)
    match condition:
        case OneOf(_, values):
            *others, last = (pid if value == OWN_PID else int(value) for value in values)
            yield from (Instruction(JUMP_EQUAL, value, yes=holds) for value in others)
            yield Instruction(JUMP_EQUAL, last, no=refused)
        case AnyBit(_, mask):
            yield Instruction(JUMP_ANY_BIT, mask, no=refused)
        case NoBit(_, mask):
            yield Instruction(JUMP_ANY_BIT, mask, yes=refused)
        case OfKind(_, values, limit, kind):
            yield from (Instruction(JUMP_EQUAL, value, yes=holds) for value in values)
            yield Instruction(JUMP_AT_LEAST, limit, no=holds)
            yield Instruction(MASK, 0xFF00)
            yield Instruction(JUMP_EQUAL, kind << 8, no=refused)
        case Null():
            yield Instruction(JUMP_EQUAL, 0, no=refused)
            yield Instruction(LOAD, low + 4)
            yield Instruction(JUMP_EQUAL, 0, no=refused)
    yield holds


@cache
def _by_number(machine: str) -> bytes:
    """One comparison for each run of numbers with the same verdict."""
    table = TABLES[machine][1]
    verdicts = dict.fromkeys(range(max(table.values()) + 1), ERROR | errno.ENOSYS)
    verdicts |= {table[name]: ALLOW for name in names(ALLOWED) if name in table}
    verdicts |= {table[name]: ERROR | errno.EPERM for name in names(REFUSED) if name in table}
    lines: list[Line] = []
    first = 0
    for verdict, run in itertools.groupby(verdicts.values()):
        first += len(list(run))
        lines += [Instruction(JUMP_AT_LEAST, first, yes=f"from {first}"), Instruction(RETURN, verdict), f"from {first}"]
    return assemble([*lines, Instruction(RETURN, ERROR | errno.ENOSYS)])


def names(groups: dict[str, str]) -> list[str]:
    """The names in a table of rules."""
    return " ".join(groups.values()).split()


# ---------------------------------------------------------------- installing it

SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC = 1, 1 << 0


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def install(program: bytes) -> None:
    """Filter every system call of this process from now on, in all its threads. Needs no_new_privs.

    Raises:
        OSError: the kernel has no seccomp filters, or a thread could not be included.
    """
    header = _Program(len(program) // 8, program)
    thread = linux.call("seccomp", SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, ctypes.byref(header))
    if thread:
        raise OSError(errno.EBUSY, f"seccomp: thread {thread} could not be included")
