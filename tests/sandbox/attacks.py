"""What hostile code may try. Each function returns when its attack succeeded and raises when it was stopped.

They harm nothing: signals are number 0 or go to a dummy process, files are temporary, calls that could change the
machine are made with arguments that the kernel would reject later. Parameters are always named alike: `secret` a file
and `folder` its folder, `victim` the pid of a dummy process, `port` and `udp_port` of sockets on localhost,
`socket_path` and `abstract` listening unix sockets.
"""

import ctypes
import errno
import fcntl
import mmap
import os
import platform
import re
import resource
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

from autograder.sandbox.syscalls import TABLES

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_REFUSALS = (errno.EPERM, errno.EACCES, errno.ENOSYS)
_NOWHERE = ctypes.c_void_p(1)  # an address that the kernel cannot read


def _call(number, *arguments):
    if isinstance(number, str):
        number = TABLES[platform.machine()][1][number]
    words = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    result = _libc.syscall(ctypes.c_long(number), *words)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"system call {number}")
    return result


def _reach(name, *arguments):
    """A call with arguments that do no harm: any answer but a refusal means that the kernel would have done it."""
    try:
        return _call(name, *arguments)
    except OSError as error:
        if error.errno in _REFUSALS:
            raise
        return -1


# ---------------------------------------------------------------- files


def read_file(secret):
    """Read a solution, a hidden test, another submission."""
    with open(secret, "rb") as file:
        file.read()


def read_file_by_relative_path(secret):
    """Read it by climbing up from the working directory."""
    read_file(os.path.relpath(secret))


def read_file_by_own_link(secret):
    """Read it through a descriptor that only names it."""
    read_file(f"/proc/self/fd/{os.open(secret, os.O_PATH)}")


def list_folder(folder):
    """List the folder of the solutions."""
    os.listdir(folder)


def list_root():
    """List the root folder."""
    os.listdir("/")


def list_processes():
    """List the processes of the machine."""
    os.listdir("/proc")


def write_file(folder):
    """Leave a file behind for others."""
    with open(os.path.join(folder, "left"), "w") as file:
        file.write("x")


def overwrite_file(secret):
    """Change a file of the grader."""
    with open(secret, "r+b") as file:
        file.write(b"x")


def truncate_file(secret):
    """Empty a file of the grader without opening it."""
    os.truncate(secret, 0)


def append_to_own_source(secret):
    """Change what was submitted."""
    with open(secret, "ab") as file:
        file.write(b"x")


def write_shared_memory_file():
    """Leave a file in /dev/shm."""
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
        file.write(b"x")


def write_temporary_file():
    """Leave a file in /var/tmp."""
    with tempfile.NamedTemporaryFile(dir="/var/tmp") as file:
        file.write(b"x")


def remove_file(folder):
    """Remove a file of the grader."""
    os.unlink(os.path.join(folder, "removable"))


def rename_file(folder):
    """Put one file of the grader in the place of another."""
    os.rename(os.path.join(folder, "renamable"), os.path.join(folder, "renamed"))


def make_folder(folder):
    """Make a folder."""
    os.mkdir(os.path.join(folder, "made"))


def make_symbolic_link(folder):
    """Plant a symbolic link for the grader to follow."""
    os.symlink("/etc/passwd", os.path.join(folder, "symlink"))


def make_hard_link(secret, folder):
    """Plant a second name for a file."""
    os.link(secret, os.path.join(folder, "hardlink"))


def make_fifo(folder):
    """Plant a pipe for the grader to hang on."""
    os.mkfifo(os.path.join(folder, "fifo"))


def change_mode(secret):
    """Change the mode of a file of the grader, which Landlock does not see."""
    os.chmod(secret, 0o600)


def change_owner(secret):
    """Change its owner."""
    os.chown(secret, os.getuid(), os.getgid())


def change_times(secret):
    """Change its times."""
    os.utime(secret, (1, 1))


def set_attribute(secret):
    """Attach data to it."""
    os.setxattr(secret, "user.left", b"x")


def open_by_handle(secret):
    """Open a file by its handle, past all paths."""
    _reach("name_to_handle_at", -100, secret.encode(), _NOWHERE, _NOWHERE, 0)


def stat_file(secret):
    """See whether a file is there, and its size."""
    os.stat(secret)


# ---------------------------------------------------------------- channels between workers


def lock_file():
    """Lock a file that all workers can read."""
    fcntl.flock(os.open(os.__file__, os.O_RDONLY), fcntl.LOCK_SH | fcntl.LOCK_NB)


def lock_range():
    """Lock a part of it."""
    fcntl.lockf(os.open(os.__file__, os.O_RDONLY), fcntl.LOCK_SH | fcntl.LOCK_NB, 1)


def lock_range_of_description():
    """Lock a part of it, for its open description (F_OFD_SETLK)."""
    lock = struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, 0, 1, 0)
    fcntl.fcntl(os.open(os.__file__, os.O_RDONLY), 37, lock)


def ask_for_locks():
    """Ask who has locked it."""
    lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 1, 0)
    fcntl.fcntl(os.open(os.__file__, os.O_RDONLY), fcntl.F_GETLK, lock)


def lease_file():
    """Take a lease, and be told when others open it."""
    fcntl.fcntl(os.open(os.__file__, os.O_RDONLY), fcntl.F_SETLEASE, fcntl.F_RDLCK)


def watch_folder_by_descriptor():
    """Be told when something in a shared folder is opened (F_NOTIFY)."""
    fcntl.fcntl(os.open(os.path.dirname(os.__file__) + "/encodings", os.O_RDONLY), fcntl.F_NOTIFY, fcntl.DN_ACCESS)


def watch_file():
    """Be told when a shared file is read."""
    _call("inotify_add_watch", _call("inotify_init1", 0), os.__file__.encode(), 1)


def watch_file_system():
    """Be told of every access to a file system."""
    _reach("fanotify_init", 0xFFFF, 0)


def use_keyring():
    """Keep a key in the session keyring of the grader's user."""
    _reach("add_key", b"user", b"left", b"x", 1, -2)


def search_keyring():
    """Look into the session keyring."""
    _reach("keyctl", 0, -3, 0)


def make_shared_memory():
    """System V shared memory."""
    _call("shmctl", _call("shmget", 0, 4096, 0o600), 0, 0)


def make_message_queue():
    """A System V message queue."""
    _call("msgctl", _call("msgget", 0, 0o600), 0, 0)


def make_semaphores():
    """System V semaphores."""
    _call("semctl", _call("semget", 0, 1, 0o600), 0, 0)


def open_posix_queue():
    """A POSIX message queue."""
    _reach("mq_open", b"left", os.O_RDONLY, 0, None)


# ---------------------------------------------------------------- other processes


def signal_victim(victim):
    """Send a signal to a process of the same user."""
    os.kill(victim, 0)


def signal_parent():
    """Send a signal to the fork server."""
    os.kill(os.getppid(), 0)


def signal_group():
    """Send a signal to one's process group."""
    os.kill(0, 0)


def signal_everyone():
    """Send a signal to every process there is."""
    os.kill(-1, 0)


def signal_thread(victim):
    """Send a signal to a thread of another process."""
    _call("tgkill", victim, victim, 0)


def signal_thread_only(victim):
    """The same by the older call."""
    _call("tkill", victim, 0)


def queue_signal(victim):
    """Send a signal with data."""
    _call("rt_sigqueueinfo", victim, 0, struct.pack("iii116x", 0, 0, -1))


def signal_by_descriptor(victim):
    """Send a signal through a pidfd."""
    signal.pidfd_send_signal(os.pidfd_open(victim), 0)


def trace(victim):
    """Attach to another process as a debugger."""
    _call("ptrace", 0x4206, victim, 0, 0)


def read_memory(victim):
    """Read the memory of another process."""
    buffer = ctypes.create_string_buffer(8)
    local = struct.pack("PN", ctypes.addressof(buffer), 8)
    remote = struct.pack("PN", id(None), 8)
    _reach("process_vm_readv", victim, local, 1, remote, 1, 0)


def write_memory(victim):
    """Write the memory of another process."""
    _reach("process_vm_writev", victim, _NOWHERE, 1, _NOWHERE, 1, 0)


def read_memory_file(victim):
    """Open the memory of another process as a file."""
    os.open(f"/proc/{victim}/mem", os.O_RDONLY)


def read_environment_file(victim):
    """Read the environment of another process."""
    read_file(f"/proc/{victim}/environ")


def read_command_line(victim):
    """Read the arguments of another process."""
    read_file(f"/proc/{victim}/cmdline")


def open_descriptor(victim):
    """Open a descriptor of another process through its link."""
    os.open(f"/proc/{victim}/fd/0", os.O_RDONLY)


def take_descriptor(victim):
    """Copy a descriptor of another process."""
    _call("pidfd_getfd", os.pidfd_open(victim), 0, 0)


def compare_descriptors(victim):
    """Compare kernel objects with another process."""
    _call("kcmp", os.getpid(), victim, 0, 0, 0)


def write_own_memory():
    """Open one's own memory as a file for writing, past all page protection."""
    os.open("/proc/self/mem", os.O_RDWR)


def limit_victim(victim):
    """Change the limits of another process."""
    resource.prlimit(victim, resource.RLIMIT_CORE, (0, 0))


def read_limits(victim):
    """Read the limits of another process."""
    resource.prlimit(victim, resource.RLIMIT_CORE)


def slow_victim(victim):
    """Lower the priority of another process."""
    os.setpriority(os.PRIO_PROCESS, victim, 1)


def move_victim(victim):
    """Change the processors of another process."""
    os.sched_setaffinity(victim, os.sched_getaffinity(0))


def move_oneself():
    """Change one's own processors."""
    os.sched_setaffinity(0, os.sched_getaffinity(0))


def become_real_time():
    """Ask for a real-time priority."""
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def move_pages(victim):
    """Move the memory of another process."""
    _reach("move_pages", victim, 0, None, None, None, 0)


# ---------------------------------------------------------------- new processes and programs


def _leave_if_child(pid):
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def fork():
    """Become two processes."""
    _leave_if_child(os.fork())


def fork_by_clone():
    """The same by the bare call."""
    _leave_if_child(_call("clone", signal.SIGCHLD, 0, 0, 0, 0))


def fork_by_clone3():
    """The same by the newest call, whose arguments no filter can see."""
    arguments = struct.pack("=8Q", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0)
    _leave_if_child(_call("clone3", arguments, len(arguments)))


def become_daemon():
    """Leave a process behind in a session of its own."""
    read_end, write_end = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(write_end, b"x")
        os._exit(0)
    os.read(read_end, 1)


def run_program():
    """Run a program."""
    subprocess.run(["/bin/true"], check=True)


def become_program():
    """Become a program. It succeeded when the process ends with status 0."""
    os.execv("/bin/true", ["true"])


def become_program_from_memory():
    """Become a program that was never a file."""
    descriptor = os.memfd_create("program")
    with open("/bin/true", "rb") as file:
        os.write(descriptor, file.read())
    os.execve(descriptor, ["true"], {})


# ---------------------------------------------------------------- the network


def connect_tcp(port):
    """Open a TCP connection."""
    with socket.socket() as client:
        client.connect(("127.0.0.1", port))


def listen_tcp():
    """Offer a TCP service."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()


def send_udp(udp_port):
    """Send a datagram; Landlock knows only TCP."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", ("127.0.0.1", udp_port))


def connect_abstract(abstract):
    """Connect to a unix socket that has no file."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("\0" + abstract)


def connect_path(socket_path):
    """Connect to a unix socket, a container engine's, say; Landlock does not look."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(socket_path)


def listen_abstract():
    """Meet another worker at an abstract unix socket."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0left-{os.getpid()}")
        server.listen()


def open_netlink():
    """Talk to the kernel's network configuration."""
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close()


def open_machine_socket():
    """Talk to the host of the virtual machine."""
    socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).close()


def open_raw_socket():
    """Send packets of any form."""
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()


def send_out_of_band():
    """Send urgent data on descriptor 3, the conversation with the grader."""
    with socket.socket(fileno=os.dup(3)) as conversation:
        conversation.send(b"x", socket.MSG_OOB)


def change_conversation():
    """Set an option of that socket."""
    with socket.socket(fileno=os.dup(3)) as conversation:
        conversation.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)


def ask_for_peer():
    """Ask who is at its other end."""
    with socket.socket(fileno=os.dup(3)) as conversation:
        conversation.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)


def use_inherited_descriptor():
    """Find a descriptor that should have been closed."""
    for descriptor in range(4, 256):
        try:
            os.fstat(descriptor)
        except OSError:
            continue
        return
    raise FileNotFoundError("none")


# ---------------------------------------------------------------- privileges and the machine


def become_root_in_namespace():
    """Get all capabilities in a user namespace of one's own."""
    _call("unshare", 0x10000000)


def clone_into_namespace():
    """The same while starting a process."""
    _leave_if_child(_call("clone", 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0))


def enter_namespace():
    """Enter another namespace."""
    _reach("setns", -1, 0)


def mount():
    """Mount a file system."""
    _reach("mount", _NOWHERE, _NOWHERE, _NOWHERE, 0, None)


def open_mount():
    """Mount by the newer calls."""
    _reach("fsopen", _NOWHERE, 0)


def change_root():
    """Change the root folder."""
    _reach("chroot", _NOWHERE)


def change_user():
    """Become another user."""
    _call("setresuid", os.getuid(), os.getuid(), os.getuid())


def leave_session():
    """Start a process group of one's own."""
    _reach("setpgid", 0, -1)


def raise_limit():
    """Raise one's own limits."""
    _call("prlimit64", 0, resource.RLIMIT_CPU, struct.pack("qq", -1, -1), None)


def outlive_parent():
    """Take back that the kernel ends this process with the fork server."""
    _call("prctl", 1, 0, 0, 0, 0)


def become_dumpable():
    """Let others look into this process again."""
    _call("prctl", 4, 1, 0, 0, 0)


def change_personality():
    """Turn off address randomisation."""
    _call("personality", 0x0040000)


def install_filter():
    """Install a system call filter of one's own."""
    _reach("seccomp", 1, 0, _NOWHERE)


def stack_landlock():
    """Make a Landlock rule set."""
    _reach("landlock_create_ruleset", _NOWHERE, 8, 0)


def load_kernel_program():
    """Load a program into the kernel."""
    _reach("bpf", 5, _NOWHERE, 128)


def count_events():
    """Open a performance counter."""
    _reach("perf_event_open", _NOWHERE, 0, -1, -1, 0)


def handle_own_faults():
    """Serve page faults from user space, which stalls the kernel at will."""
    os.close(_call("userfaultfd", 1))


def set_up_io_ring():
    """Make system calls through a ring that no filter sees."""
    _reach("io_uring_setup", 0, _NOWHERE)


def read_kernel_log():
    """Read the kernel log."""
    _reach("syslog", 10, None, 0)


def set_clock():
    """Set the clock."""
    _reach("clock_settime", 0, _NOWHERE)


def use_32_bit_calls():
    """Make a 32-bit system call, whose numbers are others."""
    if platform.machine() != "x86_64":
        raise NotImplementedError
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(bytes.fromhex("b814000000 cd80 c3"))  # mov eax, getpid; int 0x80; ret
    ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()


def use_x32_calls():
    """Make a system call by its x32 number."""
    if platform.machine() != "x86_64":
        raise NotImplementedError
    _call(0x40000000 | 39)


# ---------------------------------------------------------------- resources


def map_memory():
    """Map far more memory than allowed."""
    mmap.mmap(-1, 8 << 30).close()


def make_memory_file():
    """Keep memory in a file that the address space limit does not count."""
    os.close(os.memfd_create("left"))


def make_secret_memory():
    """Keep memory that nobody can see."""
    os.close(_call("memfd_secret", 0))


def lock_memory():
    """Keep 16 MiB from being swapped."""
    memory = mmap.mmap(-1, 16 << 20)
    _call("mlock", ctypes.addressof(ctypes.c_char.from_buffer(memory)), len(memory))


def grow_pipe():
    """Keep data in the kernel, in a large pipe."""
    fcntl.fcntl(os.pipe()[1], 1031, 1 << 20)


def flood_output():
    """Print without end."""
    for _ in range(32):
        os.write(1, b"x" * (1 << 16))


def stretch_output():
    """Make the output look huge."""
    os.ftruncate(1, 1 << 30)


def seal_output():
    """Seal the output so that it cannot be cut."""
    fcntl.fcntl(1, 1033, 0x1)


def open_many_files():
    """Use up descriptors."""
    for _ in range(300):
        os.open("/dev/null", os.O_RDONLY)


def start_many_threads():
    """Start 150 threads with small stacks."""
    threading.stack_size(64 << 10)
    end = threading.Event()
    try:
        for _ in range(150):
            threading.Thread(target=end.wait, daemon=True).start()
    finally:
        end.set()


# ---------------------------------------------------------------- what only harms the worker itself


def exit_at_once():
    """End with a status that says all is well."""
    os._exit(0)


def crash():
    """Read from address 0."""
    ctypes.string_at(0)


def loop_for_ever():
    """Use the processor for ever."""
    while True:
        pass


def match_for_ever():
    """Use it inside one call of C code, where Python handles no signal."""
    re.match("(a*)*b", "a" * 64)


def sleep_for_ever():
    """Do nothing for ever."""
    while True:
        time.sleep(3600)


def stop_oneself():
    """Stop, so that no timer of one's own can run."""
    os.kill(os.getpid(), signal.SIGSTOP)


DEADLY = (exit_at_once, crash, loop_for_ever, match_for_ever, sleep_for_ever, stop_oneself)
ATTACKS = tuple(
    value
    for name, value in list(globals().items())
    if getattr(value, "__module__", None) == __name__ and not name.startswith("_") and value not in DEADLY
)
