"""Memory in huge pages: after many forks, with everything in it as it was."""

SETUP = """
from autograder.sandbox import forking

block = bytearray(os.urandom(1 << 20)) * 16
forks = forking.Forks()

def huge_pages():
    lines = open("/proc/self/smaps_rollup").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("AnonHugePages:"))
"""


def test_memory_moves_once_there_are_many_forks_and_keeps_what_it_holds(in_child):
    few, many, same, can = in_child(
        """
        before = bytes(block)
        for _ in range(forking.WORTH_IT - 1):
            forks.prepare()
        few = huge_pages()
        forks.prepare()
        start, end = max(forks.anonymous_memory(), key=lambda place: place[1] - place[0])
        can = not refused(linux.call, "madvise", start, end - start, forking.MADV_COLLAPSE)
        result = [few, huge_pages(), block == before, can]
        """,
        setup=SETUP,
    )
    assert same
    assert many - few >= 8 << 10 or not can


def test_memory_can_still_move_when_the_jail_has_closed_proc(in_child):
    places, closed = in_child(
        """
        jail.confine_zygote(read=[])
        for _ in range(forking.WORTH_IT + 1):
            forks.prepare()
        result = [len(list(forks.anonymous_memory())), refused(open, "/proc/self/maps")]
        """,
        setup=SETUP,
    )
    assert places > 0
    assert closed


def test_a_kernel_that_has_no_such_call_is_none_the_worse(in_child):
    assert in_child(
        """
        def missing(*_):
            raise OSError(22, "Invalid argument")
        forking.linux.call = missing
        for _ in range(forking.WORTH_IT):
            forks.prepare()
        result = forks.number
        """,
        setup=SETUP,
    )


def test_only_whole_huge_pages_that_stand_for_no_file_are_moved(in_child):
    assert in_child(
        """
        size = forking.HUGE_PAGE
        lines = [line.split() for line in open("/proc/self/maps")]
        files = [tuple(int(end, 16) for end in words[0].split("-")) for words in lines if len(words) > 5 and words[5][0] == "/"]
        places = list(forks.anonymous_memory())
        aligned = all(start % size == end % size == 0 and start < end for start, end in places)
        apart = all(end <= low or high <= start for start, end in places for low, high in files)
        result = aligned and apart
        """,
        setup=SETUP,
    )
