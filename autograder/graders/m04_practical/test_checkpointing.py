"""Hidden checks of checkpoints: runs that are broken off and resumed, writes that fail half-way, and the k best files.

A run lives where the learner's code is. Its dropout draws from torch's global generator and its inputs are scaled by numbers
of Python's, so a resumed run is only right if both were brought back.
"""

import os
import pickle
import zipfile

import pytest
import torch

from autograder.sandbox.errors import LearnerError
from autograder.testing import assert_close, there

TO_THE_DISK = ("fsync", "fdatasync", "sync")
PARAMETERS = ("0.weight", "0.bias", "3.weight", "3.bias")


def begun(rule, options, state):
    """A model in this state, an optimizer and a schedule."""
    import types

    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(5, 7), nn.Dropout(0.4), nn.Tanh(), nn.Linear(7, 3)).double()
    model.register_buffer("seen", torch.zeros(2, dtype=torch.float64))
    model.load_state_dict(state)
    optimizer = getattr(torch.optim, rule)(model.parameters(), **options)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
    return types.SimpleNamespace(model=model, optimizer=optimizer, scheduler=scheduler)


def settled(number):
    """Let both generators begin anew."""
    import random

    import torch

    torch.manual_seed(number)
    random.seed(number)


def trained(model, optimizer, scheduler, batches):
    """One step for each pair (inputs, gradient of the outputs); the parameters afterwards."""
    import random

    for x, cotangent in batches:
        outputs = model(x * (0.5 + random.random()))
        optimizer.zero_grad()
        outputs.backward(cotangent)
        optimizer.step()
        scheduler.step()
    return model.state_dict()


def watched(save, path, *given):
    """Save, and tell for each call that brings to the disk or renames how large which files are at that moment."""
    import os
    import sys

    folder, seen = os.path.dirname(path), []
    watched_for = ("fsync", "fdatasync", "sync", "replace", "rename")

    def note(_frame, event, function):
        if event == "c_call" and function.__module__ == "posix" and function.__name__ in watched_for:
            found = [os.path.join(at, name) for at, _, names in os.walk(folder) for name in names]
            seen.append((function.__name__, {os.path.basename(file): os.path.getsize(file) for file in found}))

    sys.setprofile(note)
    save(path, *given)
    sys.setprofile(None)
    return seen


def interrupted(save, path, *parts):
    """Save what presses Ctrl-C while it is written."""
    from unittest import TestCase

    class Interrupting:
        def __reduce__(self):
            raise KeyboardInterrupt

    with TestCase().assertRaises(KeyboardInterrupt):
        save(path, *parts, {"weights": [1.0] * 20_000, "stop": Interrupting()})


class Training:
    """A model, an optimizer and a schedule beside a submission (or the reference), and the steps of a run."""

    def __init__(self, module, probe, rule="SGD"):
        self.module, self.torch = module, module.library("torch")
        shapes = dict(zip((*PARAMETERS, "seen"), ((7, 5), (7,), (3, 7), (3,), (2,)), strict=True))
        state = {name: probe.tensor(*shape, dtype=torch.float64) for name, shape in shapes.items()}
        options = {"lr": 0.2, "momentum": 0.8} if rule == "SGD" else {"lr": 0.2, "betas": (0.6, 0.8)}
        made = there(module, begun)(rule, options, state)
        self.model, self.optimizer, self.scheduler = made.model, made.optimizer, made.scheduler
        self.seed(5)  # so that a mistake writes the same files again, and can be recognised

    def seed(self, number):
        there(self.module, settled)(number)
        return self

    def train(self, batches):
        return there(self.module, trained)(*self.parts, batches)

    @property
    def parts(self):
        return self.model, self.optimizer, self.scheduler


def some_batches(probe, n=6):
    return [(probe.tensor(4, 5, dtype=torch.float64), probe.tensor(4, 3, dtype=torch.float64)) for _ in range(n)]


def files(folder):
    """The names of all files below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def times_called(module, profile, name):
    """In how many entries a profile has seen a function of `os`, however it was imported."""
    builtins, operator = module.library("builtins"), module.library("operator")
    entries = builtins.map(operator.methodcaller("getstats"), [profile])
    code = builtins.map(operator.attrgetter("code"), module.library("itertools").chain.from_iterable(entries))
    return operator.countOf(code, f"<built-in method posix.{name}>")


def unwritable(module):
    """Something that cannot be pickled, so that writing it fails half-way."""
    return module.library("threading").Lock()


# save_checkpoint


@pytest.mark.stage("shape")
def test_save_checkpoint_writes_one_file_and_returns_nothing(learner, probe, scratch):
    run = Training(learner, probe).seed(1)
    assert learner.save_checkpoint(str(scratch / "run.pt"), *run.parts, {"epoch": 3}) is None, "it returns None"
    assert files(scratch) == ["run.pt"], f"in the folder is run.pt and nothing else, not {files(scratch)}"


@pytest.mark.task("save_checkpoint")
def test_save_checkpoint_can_be_loaded_again(learner, probe, scratch):
    run, other = Training(learner, probe).seed(1), Training(learner, probe)
    state = run.train(some_batches(probe, 2))
    learner.save_checkpoint(str(scratch / "run.pt"), *run.parts, {"epoch": 3})
    assert learner.load_checkpoint(str(scratch / "run.pt"), *other.parts) == {"epoch": 3}, "the progress comes back"
    assert_close(other.model.state_dict(), state, name="the parameters")


def test_save_checkpoint_leaves_the_run_as_it_is(learner, probe, scratch):
    run = Training(learner, probe, "Adam").seed(5)
    state = run.train(some_batches(probe, 2))
    before = [run.optimizer.state_dict(), run.scheduler.state_dict(), run.torch.get_rng_state()]
    python_state = learner.library("random").getstate()
    learner.save_checkpoint(str(scratch / "run.pt"), *run.parts)
    assert_close(run.model.state_dict(), state, name="the parameters")
    assert_close([run.optimizer.state_dict(), run.scheduler.state_dict(), run.torch.get_rng_state()], before)
    assert learner.library("random").getstate() == python_state, "saving draws no random numbers"
    assert run.model.training, "the model stays in training mode"


@pytest.mark.task("save_checkpoint")
def test_save_checkpoint_replaces_an_older_file(learner, probe, scratch):
    run, path = Training(learner, probe).seed(1), str(scratch / "run.pt")
    (scratch / ".mine").write_text("no checkpoint")
    batches = some_batches(probe)
    for epoch in range(3):
        state = run.train(batches[2 * epoch : 2 * epoch + 2])
        learner.save_checkpoint(path, *run.parts, {"epoch": epoch})
    other = Training(learner, probe)
    assert learner.load_checkpoint(path, *other.parts) == {"epoch": 2}, "the progress is that of the last save"
    assert_close(other.model.state_dict(), state, name="the parameters")
    assert files(scratch) == [".mine", "run.pt"], f"beside my file is run.pt and nothing else: {files(scratch)}"


def test_save_checkpoint_never_writes_into_the_old_file(learner, probe, scratch):
    run, path = Training(learner, probe).seed(1), scratch / "run.pt"
    learner.save_checkpoint(str(path), *run.parts, {"epoch": 1})
    content = path.read_bytes()
    old = learner.library("builtins").open(str(path), "rb")  # the file as it is now, whatever its name will mean
    run.train(some_batches(probe, 2))
    learner.save_checkpoint(str(path), *run.parts, {"epoch": 2})
    assert old.read() == content, "a new file takes the name; the old one is not written into"
    assert path.read_bytes() != content, "under the name is the new checkpoint"


@pytest.mark.stage("whole")
def test_save_checkpoint_brings_the_file_to_the_disk(learner, probe, scratch):
    run, profile = Training(learner, probe).seed(1), learner.library("cProfile").Profile()
    profile.runcall(learner.save_checkpoint, str(scratch / "run.pt"), *run.parts)
    names = (*TO_THE_DISK, "replace", "rename")
    calls = {name: times_called(learner, profile, name) for name in names}  # the last two tell apart who forgot what
    assert any(calls[name] for name in TO_THE_DISK), (
        "before the file gets its name it is brought to the disk (os.fsync)"
    )


@pytest.mark.stage("whole")
def test_save_checkpoint_renames_what_is_all_on_the_disk(learner, probe, scratch):
    run, path = Training(learner, probe).seed(1), scratch / "run.pt"
    calls = there(learner, watched)(learner.save_checkpoint, str(path), *run.parts)
    size, whole = path.stat().st_size, False
    for name, sizes in calls:
        if name in TO_THE_DISK:
            whole = whole or size in sizes.values()
        else:
            assert whole, "before the file gets its name all of it is written, flushed and brought to the disk"


@pytest.mark.stage("whole")
def test_save_checkpoint_never_leaves_the_name_without_a_file(learner, probe, scratch):
    run, path = Training(learner, probe).seed(1), str(scratch / "run.pt")
    learner.save_checkpoint(path, *run.parts)
    for name, sizes in there(learner, watched)(learner.save_checkpoint, path, *run.parts):
        assert name in TO_THE_DISK or "run.pt" in sizes, "the old file is there until the new one takes its name"


@pytest.mark.stage("robust")
def test_save_checkpoint_takes_any_name_for_the_file(learner, probe, scratch):
    run, names = Training(learner, probe).seed(1), ["checkpoint.tmp", "run", "run.partial", "run.pt", "run.tmp", "tmp"]
    for name in names:
        learner.save_checkpoint(str(scratch / name), *run.parts)
    assert files(scratch) == names, f"in the folder are {names}, not {files(scratch)}"


@pytest.mark.stage("robust")
def test_save_checkpoint_that_is_interrupted_leaves_no_litter(learner, probe, scratch):
    run = Training(learner, probe).seed(1)
    there(learner, interrupted)(learner.save_checkpoint, str(scratch / "run.pt"), *run.parts)
    assert files(scratch) == [], f"after a KeyboardInterrupt there is nothing left, not {files(scratch)}"


def test_save_checkpoint_that_fails_keeps_the_old_file(learner, probe, scratch):
    run, path = Training(learner, probe).seed(1), scratch / "run.pt"
    learner.save_checkpoint(str(path), *run.parts, {"epoch": 1})
    content = path.read_bytes()
    with pytest.raises(TypeError):
        learner.save_checkpoint(str(path), *run.parts, {"epoch": 2, "lock": unwritable(learner)})
    assert files(scratch) != [], "the old file is still there"
    assert path.exists() and path.read_bytes() == content, "the old file is as it was, byte for byte"


def test_save_checkpoint_that_fails_leaves_no_litter(learner, probe, scratch):
    run, path = Training(learner, probe).seed(1), scratch / "run.pt"
    for wanted in ([], ["run.pt"]):
        with pytest.raises(TypeError):
            learner.save_checkpoint(str(path), *run.parts, {"weights": [1.0] * 20_000, "lock": unwritable(learner)})
        assert files(scratch) == wanted, f"after a failure there is {wanted}, not {files(scratch)}"
        learner.save_checkpoint(str(path), *run.parts)


def test_save_checkpoint_fails_with_what_went_wrong(learner, probe, scratch):
    run = Training(learner, probe)
    broken = learner.library("types").SimpleNamespace(state_dict=learner.library("threading").Lock)
    with pytest.raises(TypeError):
        learner.save_checkpoint(str(scratch / "run.pt"), run.model, run.optimizer, broken)
    with pytest.raises(OSError):
        learner.save_checkpoint(str(scratch / "no such folder" / "run.pt"), *run.parts)
    assert files(scratch) == [], f"nothing is written, not {files(scratch)}"


@pytest.mark.stage("whole")
@pytest.mark.task("save_checkpoint")
def test_save_checkpoint_keeps_all_that_a_run_needs_to_go_on(learner, reference, probe, scratch):
    batches, path = some_batches(probe), str(scratch / "run.pt")
    run, other, unbroken = (
        Training(learner, probe, "Adam"),
        Training(learner, probe, "Adam"),
        Training(reference, probe, "Adam"),
    )
    unbroken.model.load_state_dict(run.model.state_dict())
    run.seed(7).train(batches[:3])
    learner.save_checkpoint(path, *run.parts)
    other.seed(8).train(batches[:1])
    learner.load_checkpoint(path, *other.parts)
    assert_close(other.train(batches[3:]), unbroken.seed(7).train(batches), name="the parameters of the resumed run")


@pytest.mark.stage("robust")
@pytest.mark.task("save_checkpoint")
def test_save_checkpoint_takes_a_path_or_text_with_or_without_scheduler(learner, probe, scratch):
    run, path = Training(learner, probe).seed(1), learner.library("pathlib").Path(str(scratch / "run.pt"))
    learner.save_checkpoint(path, run.model, run.optimizer)
    other = Training(learner, probe)
    assert learner.load_checkpoint(path, other.model, other.optimizer) == {}, (
        "without progress an empty dict comes back"
    )
    assert_close(other.model.state_dict(), run.model.state_dict(), name="the parameters")


@pytest.mark.stage("robust")
@pytest.mark.task("save_checkpoint")
def test_save_checkpoint_keeps_progress_of_many_kinds(learner, probe, scratch):
    run = Training(learner, probe).seed(1)
    progress = {"epoch": 4, "best": 0.75, "name": "run", "losses": [3.0, 2.0], "mean": probe.tensor(3), "done": False}
    learner.save_checkpoint(str(scratch / "run.pt"), *run.parts, progress=progress)
    assert_close(learner.load_checkpoint(str(scratch / "run.pt"), *run.parts), progress)


# load_checkpoint


def broken_off(learner, probe, scratch, rule="SGD"):
    """A run that was saved after three steps, what it was then, and another run, astray, with the path to resume it from."""
    run, other, path = Training(learner, probe, rule), Training(learner, probe, rule), str(scratch / "run.pt")
    batches = some_batches(probe)
    run.seed(7).train(batches[:3])
    learner.save_checkpoint(path, *run.parts, {"epoch": 3, "best": [0.5, 0.25]})
    other.seed(99).train(batches[4:])
    return run, other, path, batches


def onto_a_gpu(path):
    """Let a file say that its tensors lay on a GPU. No machine has so many that it has this one."""
    with zipfile.ZipFile(path) as file:
        entries = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, "w") as file:
        for name, content in entries.items():
            file.writestr(name, content.replace(b"X\x03\0\0\0cpu", b"X\x07\0\0\0cuda:97"))


@pytest.mark.stage("shape")
@pytest.mark.task("load_checkpoint")
def test_load_checkpoint_returns_the_progress(learner, probe, scratch):
    _, other, path, _ = broken_off(learner, probe, scratch)
    assert learner.load_checkpoint(path, *other.parts) == {"epoch": 3, "best": [0.5, 0.25]}


@pytest.mark.task("load_checkpoint")
def test_load_checkpoint_brings_the_model_back(learner, probe, scratch):
    run, other, path, _ = broken_off(learner, probe, scratch)
    learner.load_checkpoint(path, *other.parts)
    assert_close(other.model.state_dict(), run.model.state_dict())


@pytest.mark.task("load_checkpoint")
def test_load_checkpoint_brings_the_optimizer_back(learner, probe, scratch):
    for rule in ("SGD", "Adam"):
        run, other, path, _ = broken_off(learner, probe, scratch, rule)
        learner.load_checkpoint(path, *other.parts)
        assert_close(
            other.optimizer.state_dict()["state"], run.optimizer.state_dict()["state"], name=f"the state of {rule}"
        )


@pytest.mark.task("load_checkpoint")
def test_load_checkpoint_brings_schedule_and_learning_rate_back(learner, probe, scratch):
    run, other, path, batches = broken_off(learner, probe, scratch)
    learner.load_checkpoint(path, *other.parts)
    assert_close(other.optimizer.param_groups[0]["lr"], 0.1, name="the learning rate after three steps")
    assert other.scheduler.last_epoch == 3, "the schedule has made three steps"
    assert_close(other.scheduler.state_dict(), run.scheduler.state_dict(), name="the state of the schedule")
    other.train(batches[3:4])
    assert_close(other.optimizer.param_groups[0]["lr"], 0.05, name="the learning rate after four steps")


@pytest.mark.task("load_checkpoint")
def test_load_checkpoint_brings_random_numbers_of_torch_back(learner, probe, scratch):
    run, other, path, _ = broken_off(learner, probe, scratch)
    run.seed(21)
    learner.save_checkpoint(path, *run.parts)
    expected = run.torch.rand(5)
    run.torch.rand(2)
    learner.load_checkpoint(path, *other.parts)
    assert_close(run.torch.rand(5), expected, name="the random numbers after loading")


@pytest.mark.task("load_checkpoint")
def test_load_checkpoint_brings_random_numbers_of_python_back(learner, probe, scratch):
    run, other, path, _ = broken_off(learner, probe, scratch)
    run.seed(21)
    learner.save_checkpoint(path, *run.parts)
    source = learner.library("random")
    expected = [source.random() for _ in range(3)]
    learner.load_checkpoint(path, *other.parts)
    assert [source.random() for _ in range(3)] == expected, "the numbers after loading are those after saving"


@pytest.mark.stage("whole")
@pytest.mark.task("load_checkpoint")
def test_load_checkpoint_lets_a_run_go_on_bit_for_bit(learner, probe, scratch):
    for rule in ("SGD", "Adam"):
        run, other, path, batches = broken_off(learner, probe, scratch, rule)
        learner.load_checkpoint(path, *other.parts)
        resumed = other.train(batches[3:])
        learner.load_checkpoint(path, *run.parts)
        for name, value in run.train(batches[3:]).items():
            assert torch.equal(resumed[name], value), (
                f"two runs resumed from one file have the same {name}, in every bit"
            )


@pytest.mark.stage("whole")
@pytest.mark.task("load_checkpoint")
def test_load_checkpoint_resumes_what_an_unbroken_run_would_have_done(learner, reference, probe, scratch):
    for rule in ("SGD", "Adam"):
        unbroken = Training(reference, probe, rule)
        run, other, path = Training(learner, probe, rule), Training(learner, probe, rule), str(scratch / "run.pt")
        unbroken.model.load_state_dict(run.model.state_dict())
        batches = some_batches(probe)
        run.seed(7).train(batches[:3])
        learner.save_checkpoint(path, *run.parts)
        other.seed(8)
        learner.load_checkpoint(path, *other.parts)
        resumed = other.train(batches[3:])
        assert_close(resumed, unbroken.seed(7).train(batches), name=f"the parameters after resuming with {rule}")


@pytest.mark.stage("robust")
@pytest.mark.task("load_checkpoint")
def test_load_checkpoint_of_the_model_alone(learner, probe, scratch):
    run, other, path, _ = broken_off(learner, probe, scratch)
    before = [other.optimizer.state_dict(), other.scheduler.state_dict()]
    learner.load_checkpoint(path, *run.parts)
    numbers = [run.torch.rand(3).tolist(), learner.library("random").random()]
    assert learner.load_checkpoint(path, other.model) == {"epoch": 3, "best": [0.5, 0.25]}, "the progress comes back"
    assert [run.torch.rand(3).tolist(), learner.library("random").random()] == numbers, "both generators go back, too"
    assert_close(other.model.state_dict(), run.model.state_dict(), name="the parameters")
    assert_close([other.optimizer.state_dict(), other.scheduler.state_dict()], before, name="optimizer and scheduler")


@pytest.mark.stage("robust")
@pytest.mark.task("load_checkpoint")
def test_load_checkpoint_leaves_the_model_in_its_mode(learner, probe, scratch):
    _, other, path, _ = broken_off(learner, probe, scratch)
    for training in (True, False):
        for given in ((other.model,), other.parts):
            other.model.train(training)
            learner.load_checkpoint(path, *given)
            assert other.model.training is training, "training mode and evaluation mode are the caller's affair"


@pytest.mark.stage("robust")
@pytest.mark.task("load_checkpoint")
def test_load_checkpoint_refuses_a_model_of_another_shape(learner, probe, scratch):
    run, same, path, _ = broken_off(learner, probe, scratch)
    nn = run.torch.nn
    learner.load_checkpoint(path, same.model)
    assert_close(same.model.state_dict(), run.model.state_dict(), name="the parameters of a model of the same shape")
    for other in (
        nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Tanh(), nn.Linear(8, 3)),
        nn.Sequential(nn.Linear(5, 7)),
    ):
        with pytest.raises(RuntimeError):
            learner.load_checkpoint(path, other.double())


@pytest.mark.stage("robust")
@pytest.mark.task("load_checkpoint")
def test_load_checkpoint_of_a_machine_with_another_device(learner, probe, scratch):
    run, other, path, _ = broken_off(learner, probe, scratch)
    onto_a_gpu(path)
    learner.load_checkpoint(path, *other.parts)
    assert_close(other.model.state_dict(), run.model.state_dict(), name="the parameters")


@pytest.mark.stage("robust")
def test_load_checkpoint_of_a_file_that_is_not_there(learner, probe, scratch):
    run = Training(learner, probe)
    with pytest.raises(FileNotFoundError):
        learner.load_checkpoint(str(scratch / "none.pt"), *run.parts)


class Trap:
    """Pickled, it makes a folder when it is loaded by someone who trusts it."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.mark.stage("robust")
def test_load_checkpoint_runs_no_code_that_a_file_brings(learner, probe, scratch):
    run, path = Training(learner, probe), scratch / "trap.pt"
    torch.save({"model": Trap(str(scratch / "executed"))}, path)
    with pytest.raises((pickle.UnpicklingError, LearnerError)) as caught:
        learner.load_checkpoint(str(path), run.model)
    assert not (scratch / "executed").exists(), "code in the file was executed"
    assert getattr(caught.value, "etype", "UnpicklingError") == "UnpicklingError", "torch.load refuses the file"


# BestK


def offered(best, run, scores, first=0):
    """What `update` answers to scores at steps 0, 1, 2, …"""
    return [best.update(score, step, run.model, run.optimizer) for step, score in enumerate(scores, start=first)]


def steps(folder, *numbers):
    return [str(folder / f"step-{number}.pt") for number in numbers]


@pytest.mark.stage("shape")
def test_best_k_writes_a_file_named_after_the_step(learner, probe, scratch):
    run, best = Training(learner, probe), learner.BestK(str(scratch), 2)
    assert best.paths() == [], "at first no file is kept"
    assert best.update(0.5, 40, *run.parts) is True, "update returns True where it writes"
    assert files(scratch) == ["step-40.pt"], f"the file is step-40.pt, not {files(scratch)}"
    assert best.paths() == steps(scratch, 40), "paths gives the path as text"


def test_best_k_keeps_the_k_highest_scores(learner, probe, scratch):
    run, best = Training(learner, probe), learner.BestK(str(scratch), 3)
    assert offered(best, run, [0.5, 0.2, 0.4, 0.9, 0.1, 0.45]) == [True, True, True, True, False, True]
    assert best.paths() == steps(scratch, 3, 0, 5), "the best comes first"
    assert files(scratch) == ["step-0.pt", "step-3.pt", "step-5.pt"], f"the others are deleted: {files(scratch)}"


def test_best_k_keeps_the_lowest_scores_where_low_is_good(learner, probe, scratch):
    run, best = Training(learner, probe), learner.BestK(str(scratch), 2, mode="min")
    assert offered(best, run, [0.5, 0.8, 0.9, 0.3, 0.6, -0.2]) == [True, True, False, True, False, True]
    assert best.paths() == steps(scratch, 5, 3), "the lowest score comes first"
    assert files(scratch) == ["step-3.pt", "step-5.pt"], f"the others are deleted: {files(scratch)}"


def test_best_k_keeps_at_most_k_at_any_time(learner, probe, scratch):
    run, best = Training(learner, probe), learner.BestK(str(scratch), k=2)
    for step, score in enumerate([0.1, 0.2, 0.3, 0.4]):
        best.update(score, step, run.model, run.optimizer)
        kept = [f"step-{number}.pt" for number in range(max(0, step - 1), step + 1)]
        assert files(scratch) == kept, f"after step {step} there are {kept}, not {files(scratch)}"


def test_best_k_of_one_keeps_the_best_only(learner, probe, scratch):
    run, best = Training(learner, probe), learner.BestK(str(scratch), 1)
    assert offered(best, run, [-3.0, -5.0, -1.0, -2.0]) == [True, False, True, False]
    assert files(scratch) == ["step-2.pt"], f"only the best file is there, not {files(scratch)}"


def test_best_k_prefers_the_earlier_of_equal_scores(learner, probe, scratch):
    for mode in ("max", "min"):
        folder = scratch / mode
        run, best = Training(learner, probe), learner.BestK(str(folder), 3, mode)
        answers = offered(best, run, [0.5, 0.9 if mode == "max" else 0.1, 0.5, 0.5])
        assert best.paths() == steps(folder, 1, 0, 2), f"the earlier of equal scores comes first ({mode})"
        assert answers == [True, True, True, False], f"the third of equal scores is not kept ({mode})"


@pytest.mark.task("BestK")
def test_best_k_files_are_checkpoints_with_score_and_step(learner, probe, scratch):
    run, best = Training(learner, probe).seed(1), learner.BestK(str(scratch), 2, "min")
    states, batches = [], some_batches(probe)
    for step, score in enumerate([0.6, 0.3, 0.4]):
        states.append(run.train(batches[2 * step : 2 * step + 2]))
        best.update(score, step, *run.parts)
    for path, step, score in zip(best.paths(), (1, 2), (0.3, 0.4), strict=True):
        other = Training(learner, probe)
        assert learner.load_checkpoint(path, *other.parts) == {"score": score, "step": step}, (
            f"the progress of step {step}"
        )
        assert_close(other.model.state_dict(), states[step], name=f"the parameters of step {step}")
        assert other.scheduler.last_epoch == 2 * step + 2, "the scheduler is kept, too"


@pytest.mark.stage("whole")
def test_best_k_agrees_with_sorting_on_a_long_run(learner, probe, scratch):
    scores = probe.integers(16, high=7).tolist()
    for mode, sign in (("max", -1), ("min", 1)):
        run, best = Training(learner, probe), learner.BestK(str(scratch / mode), 4, mode)
        for n in range(1, 17):
            best.update(float(scores[n - 1]), n - 1, run.model, run.optimizer)
            expected = sorted(range(n), key=lambda step: (sign * scores[step], step))[:4]
            assert best.paths() == steps(scratch / mode, *expected), f"{mode} of {scores[:n]}"
        kept = sorted(f"step-{step}.pt" for step in expected)
        assert files(scratch / mode) == kept, f"in the folder are {kept}, not {files(scratch / mode)}"


@pytest.mark.stage("whole")
def test_best_k_keeps_three_of_the_highest_unless_told(learner, reference, probe, scratch):
    answers = []
    for module, folder in ((learner, scratch / "learner"), (reference, scratch / "reference")):
        run, best = Training(module, probe), module.BestK(str(folder))
        answers.append([offered(best, run, [0.1, 0.7, 0.3, 0.5, 0.2, 0.9]), files(folder)])
    assert answers[0] == answers[1], f"k is 3 and mode is max by default: {answers[1]}, not {answers[0]}"


@pytest.mark.stage("robust")
def test_best_k_never_keeps_a_score_that_is_nan(learner, probe, scratch):
    run, best = Training(learner, probe), learner.BestK(str(scratch), 2)
    nan = float("nan")
    assert offered(best, run, [nan, 0.3, nan, 0.1, nan, 0.2]) == [False, True, False, True, False, True]
    assert best.paths() == steps(scratch, 1, 5), "nan is never among the best"
    assert files(scratch) == ["step-1.pt", "step-5.pt"], f"nan is never written: {files(scratch)}"


@pytest.mark.stage("robust")
def test_best_k_leaves_files_of_others_alone(learner, probe, scratch):
    (scratch / "notes.txt").write_text("mine")
    (scratch / "step-77.pt").write_text("of an earlier run")
    run, best = Training(learner, probe), learner.BestK(str(scratch), 1)
    assert offered(best, run, [0.1, 0.2, 0.3]) == [True, True, True]
    assert files(scratch) == ["notes.txt", "step-2.pt", "step-77.pt"], f"only own files are deleted: {files(scratch)}"


@pytest.mark.stage("robust")
def test_best_k_keeps_two_runs_apart(learner, probe, scratch):
    run, first = Training(learner, probe), learner.BestK(str(scratch / "a"), 1)
    offered(first, run, [0.5])
    second = learner.BestK(str(scratch / "b"), 1)
    answers = [offered(second, run, [0.2]), offered(first, run, [0.3], first=1)]
    assert answers == [[True], [False]], "each has its own list of what is best"
    assert [first.paths(), second.paths()] == [steps(scratch / "a", 0), steps(scratch / "b", 0)]


@pytest.mark.stage("robust")
def test_best_k_makes_its_folder(learner, probe, scratch):
    run, folder = Training(learner, probe), scratch / "runs" / "first"
    for _ in range(2):  # the second time it is there
        best = learner.BestK(str(folder), 1)
        assert best.update(0.5, 0, run.model, run.optimizer) is True, "the folder is made if it does not exist"
    assert files(scratch) == ["runs/first/step-0.pt"]


@pytest.mark.stage("robust")
def test_best_k_keeps_all_when_a_write_fails(learner, probe, scratch):
    run, best = Training(learner, probe), learner.BestK(str(scratch), 2)
    offered(best, run, [0.5, 0.4])
    broken = learner.library("types").SimpleNamespace(state_dict=learner.library("threading").Lock)
    with pytest.raises(TypeError):
        best.update(0.9, 2, run.model, run.optimizer, broken)
    assert files(scratch) == ["step-0.pt", "step-1.pt"], f"both files are still there, and no other: {files(scratch)}"
    assert best.paths() == steps(scratch, 0, 1), "what was not written is not listed"
    assert best.update(0.45, 3, run.model, run.optimizer) is True, "afterwards all goes on as before"
    assert files(scratch) == ["step-0.pt", "step-3.pt"], f"afterwards all goes on as before: {files(scratch)}"


@pytest.mark.stage("robust")
def test_best_k_keeps_infinite_scores_in_order(learner, probe, scratch):
    run, best = Training(learner, probe), learner.BestK(str(scratch), 2)
    assert offered(best, run, [-float("inf"), 2.0, float("inf")]) == [True, True, True]
    assert best.paths() == steps(scratch, 2, 1)


@pytest.mark.stage("robust")
def test_best_k_refuses_what_makes_no_sense(learner, scratch):
    for k, mode in ((0, "max"), (-1, "min"), (2, "best"), (2, "MAX")):
        with pytest.raises(ValueError):
            learner.BestK(str(scratch), k, mode)
