"""Landlock alone: which attacks it stops, and what a domain grants."""

import os

import pytest

from autograder.sandbox import landlock, linux

pytestmark = pytest.mark.skipif(landlock.abi() < 3, reason="this kernel has no Landlock, or too old a one")

STOPPED = """
    read_file read_file_by_relative_path read_file_by_own_link list_folder list_root list_processes write_file
    overwrite_file truncate_file append_to_own_source write_shared_memory_file write_temporary_file remove_file
    rename_file make_folder make_symbolic_link make_hard_link make_fifo run_program become_program
    become_program_from_memory trace read_memory read_memory_file read_environment_file read_command_line
    open_descriptor take_descriptor compare_descriptors write_own_memory"""
STOPPED_SINCE = {
    4: ["connect_tcp", "listen_tcp"],
    6: ["connect_abstract", "signal_victim", "signal_parent", "signal_thread", "signal_thread_only", "queue_signal"]
    + ["signal_by_descriptor"],
}


@pytest.mark.parametrize("attack", STOPPED.split())
def test_stops_alone(outcome, attack):
    assert outcome("landlock", attack).startswith("blocked")


@pytest.mark.parametrize(("abi", "attack"), [(abi, attack) for abi, group in STOPPED_SINCE.items() for attack in group])
def test_stops_alone_since(outcome, abi, attack):
    if landlock.abi() < abi:
        pytest.skip(f"needs Landlock ABI {abi}")
    assert outcome("landlock", attack).startswith("blocked")


@pytest.fixture
def tree(tmp_path):
    """Two folders with a file `data` in each."""
    for name in ("open", "closed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "data").write_text("x")
    return str(tmp_path)


RESTRICT = """
linux.prctl(jail.PR_SET_NO_NEW_PRIVS, 1)
def read(name): open(f"{tree}/{name}/data").read()
def write(name): open(f"{tree}/{name}/data", "w").write("y")
def create(name): open(f"{tree}/{name}/new", "w").close()
"""


def test_reading_is_granted_by_folder(in_child, tree):
    code = """
    landlock.restrict([f"{tree}/open"])
    result = [refused(read, "open"), refused(os.listdir, f"{tree}/open")]
    result += [refused(read, "closed"), refused(write, "open")]
    """
    assert in_child(code, RESTRICT, tree=tree) == [False, False, True, True]


def test_reading_is_granted_by_file(in_child, tree):
    code = """
    landlock.restrict([f"{tree}/open/data"])
    result = [refused(read, "open"), refused(os.listdir, f"{tree}/open"), refused(create, "open")]
    """
    assert in_child(code, RESTRICT, tree=tree) == [False, True, True]


def test_writing_is_granted_by_folder_without_special_files(in_child, tree):
    code = """
    landlock.restrict([], [f"{tree}/open"])
    place = f"{tree}/open/"
    result = [
        refused(write, "open"),
        refused(create, "open"),
        refused(os.mkdir, place + "sub"),
        refused(os.rmdir, place + "sub"),
        refused(os.rename, place + "new", place + "newer"),
        refused(os.unlink, place + "newer"),
        refused(os.symlink, "/", place + "link"),
        refused(os.mkfifo, place + "fifo"),
        refused(create, "closed"),
    ]
    """
    assert in_child(code, RESTRICT, tree=tree) == [False] * 6 + [True] * 3


def test_a_path_that_does_not_exist_grants_nothing(in_child, tree):
    code = """
    layers = landlock.restrict([f"{tree}/missing", f"{tree}/open"], ["/no/such/folder"])
    result = [bool(layers), refused(read, "open"), refused(read, "closed")]
    """
    assert in_child(code, RESTRICT, tree=tree) == [True, False, True]


def test_a_domain_can_only_be_narrowed(in_child, tree):
    code = """
    landlock.restrict([f"{tree}/open"])
    landlock.restrict(["/"], [tree])
    result = [refused(read, "open"), refused(read, "closed"), refused(write, "open")]
    """
    assert in_child(code, RESTRICT, tree=tree) == [False, True, True]


def test_devices_take_commands_only_where_granted(in_child, tree):
    if landlock.abi() < 5:
        pytest.skip("needs Landlock ABI 5")
    code = """
    import errno, fcntl
    def command():
        try:
            fcntl.ioctl(os.open("/dev/null", os.O_RDONLY), 0x5401)
        except OSError as error:
            return errno.errorcode[error.errno]
    def granted(**paths):
        landlock.restrict(**paths)
        return command()
    result = [ask(lambda: granted(devices=["/dev/null"])), ask(lambda: granted(read=["/dev/null"]))]
    """
    assert in_child(code, RESTRICT, tree=tree) == ["ENOTTY", "EACCES"]


def test_workers_cannot_signal_each_other(in_child):
    if landlock.abi() < 6:
        pytest.skip("needs Landlock ABI 6")
    code = """
    linux.prctl(jail.PR_SET_NO_NEW_PRIVS, 1)
    landlock.restrict(["/"])
    def worker():
        landlock.restrict(["/"])
        os.write(3, b"ready")
        signal.pause()
    other, pipe = fork(worker)
    os.read(pipe, 5)
    def attack():
        landlock.restrict(["/"])
        return refused(os.kill, other, 0)
    result = [ask(attack), refused(os.kill, other, signal.SIGKILL)]
    os.waitpid(other, 0)
    """
    assert in_child(code) == [True, False]


def test_names_the_layers_of_the_abi(in_child):
    code = """
    linux.prctl(jail.PR_SET_NO_NEW_PRIVS, 1)
    result = landlock.restrict()
    """
    expected = [layer.name for layer in landlock.LAYERS if layer.abi <= landlock.abi()]
    assert in_child(code) == expected


def test_goes_on_without_scopes_where_the_kernel_only_claims_them(in_child, tree):
    code = """
    import errno, struct
    call = linux.call
    def vendor(name, *arguments):
        if name == "landlock_create_ruleset" and arguments[0] is None:
            return 6
        if name == "landlock_create_ruleset" and struct.unpack("=QQQ", arguments[0])[2]:
            raise OSError(errno.EINVAL, "no scopes here")
        return call(name, *arguments)
    linux.call = vendor
    result = [landlock.restrict([f"{tree}/open"]), refused(read, "open"), refused(read, "closed")]
    """
    if landlock.abi() < 5:
        pytest.skip("needs Landlock ABI 5")
    layers, *reading = in_child(code, RESTRICT, tree=tree)
    assert layers == ["fs", "refer", "truncate", "tcp", "ioctl"]
    assert reading == [False, True]


def test_enforces_nothing_and_says_so_where_it_is_missing(monkeypatch):
    def missing(name, *arguments):
        raise OSError(38, "no such call")

    monkeypatch.setattr(linux, "call", missing)
    assert landlock.abi() == 0
    assert landlock.restrict(["/"]) == []
    assert os.listdir("/")
