"""Public checks of checkpoints: run `pytest exercises/m04_practical/test_checkpointing.py`."""

import os

import pytest
import torch

from autograder.testing import assert_close


def a_run(module):
    """Model, optimizer and schedule, made where your code runs. Dropout draws from torch's global generator."""
    nn, optim = module.library("torch").nn, module.library("torch").optim
    model = nn.Sequential(nn.Linear(3, 5), nn.Dropout(0.5), nn.Linear(5, 2))
    optimizer = optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
    return model, optimizer, optim.lr_scheduler.StepLR(optimizer, 2, 0.5)


def train(module, run, batches):
    """One step for each pair (inputs, gradient of the outputs); the parameters afterwards."""
    model, optimizer, scheduler = run
    for x, cotangent in batches:
        x = x * (0.5 + module.library("random").random())
        _, grads = module.parameter_gradients(model, [x], cotangent)
        optimizer.zero_grad()
        module.library("torch").autograd.backward(model.parameters(), list(grads.values()))
        optimizer.step()
        scheduler.step()
    return model.state_dict()


def some_batches(probe, n=6):
    return [(probe.tensor(4, 3), probe.tensor(4, 2)) for _ in range(n)]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# save_checkpoint


@pytest.mark.stage("shape")
def test_save_checkpoint_writes_one_file(learner, scratch):
    for _ in range(2):
        assert learner.save_checkpoint(str(scratch / "run.pt"), *a_run(learner), {"epoch": 1}) is None, (
            "it returns None"
        )
        assert names(scratch) == ["run.pt"], f"in the folder is run.pt and nothing else, not {names(scratch)}"


def test_save_checkpoint_never_writes_into_the_old_file(learner, probe, scratch):
    run = a_run(learner)
    learner.save_checkpoint(str(scratch / "run.pt"), *run)
    os.link(scratch / "run.pt", scratch / "old.pt")  # a second name for the file as it is now
    content = (scratch / "old.pt").read_bytes()
    train(learner, run, some_batches(probe, 1))
    learner.save_checkpoint(str(scratch / "run.pt"), *run)
    assert (scratch / "old.pt").read_bytes() == content, "a new file takes the name; the old one is not written into"


def test_save_checkpoint_that_fails_keeps_the_old_file_and_leaves_no_litter(learner, scratch):
    run, path = a_run(learner), scratch / "run.pt"
    learner.save_checkpoint(str(path), *run, {"epoch": 1})
    content = path.read_bytes()
    with pytest.raises(TypeError):  # a lock cannot be pickled
        learner.save_checkpoint(str(path), *run, {"epoch": 2, "lock": learner.library("threading").Lock()})
    assert names(scratch) == ["run.pt"], f"in the folder is run.pt and nothing else, not {names(scratch)}"
    assert path.read_bytes() == content, "the old file is as it was, byte for byte"


@pytest.mark.stage("whole")
@pytest.mark.task("save_checkpoint")
def test_save_checkpoint_keeps_all_that_a_run_needs_to_go_on(learner, probe, scratch):
    run, other, batches = a_run(learner), a_run(learner), some_batches(probe)
    learner.library("torch").manual_seed(1)
    learner.library("random").seed(1)
    train(learner, run, batches[:3])
    learner.save_checkpoint(str(scratch / "run.pt"), *run)
    unbroken = train(learner, run, batches[3:])
    learner.load_checkpoint(str(scratch / "run.pt"), *other)
    resumed = train(learner, other, batches[3:])
    for name, value in unbroken.items():
        assert torch.equal(resumed[name], value), f"the resumed run has the {name} of the unbroken one, in every bit"


# load_checkpoint


@pytest.mark.stage("shape")
@pytest.mark.task("load_checkpoint")
def test_load_checkpoint_returns_the_progress(learner, scratch):
    run, path = a_run(learner), str(scratch / "run.pt")
    learner.save_checkpoint(path, *run, {"epoch": 3, "losses": [0.5, 0.25]})
    assert learner.load_checkpoint(path, *run) == {"epoch": 3, "losses": [0.5, 0.25]}
    learner.save_checkpoint(path, *run)
    assert learner.load_checkpoint(path, run[0]) == {}, "without progress an empty dict comes back"


@pytest.mark.task("load_checkpoint")
def test_load_checkpoint_brings_model_optimizer_and_schedule_back(learner, probe, scratch):
    run, other, path = a_run(learner), a_run(learner), str(scratch / "run.pt")
    train(learner, run, some_batches(probe, 3))
    learner.save_checkpoint(path, *run)
    learner.load_checkpoint(path, *other)
    for part, same, name in zip(other, run, ("model", "optimizer", "scheduler"), strict=True):
        assert_close(part.state_dict(), same.state_dict(), name=f"the state of the {name}")


@pytest.mark.task("load_checkpoint")
def test_load_checkpoint_brings_random_numbers_back(learner, scratch):
    run, path = a_run(learner), str(scratch / "run.pt")
    learner.save_checkpoint(path, *run)
    sources = learner.library("torch").rand, learner.library("random").random
    expected = sources[0](3), sources[1]()
    learner.load_checkpoint(path, *run)
    assert_close((sources[0](3), sources[1]()), expected, name="the random numbers of torch and of Python")


@pytest.mark.stage("robust")
def test_load_checkpoint_of_a_file_that_is_not_there(learner, scratch):
    with pytest.raises(FileNotFoundError):
        learner.load_checkpoint(str(scratch / "none.pt"), *a_run(learner))


@pytest.mark.stage("robust")
@pytest.mark.task("load_checkpoint")
def test_load_checkpoint_refuses_a_model_of_another_shape(learner, scratch):
    learner.save_checkpoint(str(scratch / "run.pt"), *a_run(learner))
    with pytest.raises(RuntimeError):
        learner.load_checkpoint(str(scratch / "run.pt"), learner.library("torch").nn.Linear(3, 5))


# BestK


def offered(best, run, scores):
    """What `update` answers to scores at steps 0, 1, 2, …"""
    return [best.update(score, step, *run) for step, score in enumerate(scores)]


@pytest.mark.stage("shape")
def test_best_k_keeps_the_k_highest_scores(learner, scratch):
    best = learner.BestK(str(scratch / "best"), 2)
    assert offered(best, a_run(learner), [0.5, 0.2, 0.4, 0.9, 0.1]) == [True, True, True, True, False]
    assert best.paths() == [str(scratch / "best" / name) for name in ("step-3.pt", "step-0.pt")], "the best comes first"
    assert names(scratch / "best") == ["step-0.pt", "step-3.pt"], "the others are deleted"


def test_best_k_keeps_the_lowest_scores_where_low_is_good(learner, scratch):
    best = learner.BestK(str(scratch), 1, mode="min")
    assert offered(best, a_run(learner), [0.5, 0.7, 0.3, -0.1, 0.2]) == [True, False, True, True, False]
    assert names(scratch) == ["step-3.pt"], "the others are deleted"


def test_best_k_prefers_the_earlier_of_equal_scores_and_never_keeps_nan(learner, scratch):
    best = learner.BestK(str(scratch), 2)
    assert offered(best, a_run(learner), [float("nan"), 0.5, 0.5, 0.5, float("nan")]) == [
        False,
        True,
        True,
        False,
        False,
    ]
    assert best.paths() == [str(scratch / name) for name in ("step-1.pt", "step-2.pt")], "the earlier comes first"


def test_best_k_leaves_files_of_others_alone(learner, scratch):
    (scratch / "step-77.pt").write_text("of an earlier run")
    assert offered(learner.BestK(str(scratch), 1), a_run(learner), [0.1, 0.2]) == [True, True]
    assert names(scratch) == ["step-1.pt", "step-77.pt"], "only own files are deleted"


@pytest.mark.stage("whole")
@pytest.mark.task("BestK")
def test_best_k_files_are_checkpoints_with_score_and_step(learner, probe, scratch):
    run, best = a_run(learner), learner.BestK(str(scratch), 1)
    best.update(0.25, 8, *run)
    state = run[0].state_dict()
    train(learner, run, some_batches(probe, 1))
    best.update(0.2, 9, *run)
    assert learner.load_checkpoint(best.paths()[0], *run) == {"score": 0.25, "step": 8}
    assert_close(run[0].state_dict(), state, name="the parameters of step 8")


@pytest.mark.stage("robust")
def test_best_k_keeps_all_when_a_write_fails(learner, scratch):
    run, best = a_run(learner), learner.BestK(str(scratch), 1)
    best.update(0.5, 0, *run)
    broken = learner.library("types").SimpleNamespace(state_dict=learner.library("threading").Lock)
    with pytest.raises(TypeError):
        best.update(0.9, 1, run[0], run[1], broken)
    assert names(scratch) == ["step-0.pt"], "the file that was there still is, and no other"
    assert best.paths() == [str(scratch / "step-0.pt")], "what was not written is not listed"


@pytest.mark.stage("robust")
def test_best_k_refuses_what_makes_no_sense(learner, scratch):
    for k, mode in ((0, "max"), (1, "best")):
        with pytest.raises(ValueError):
            learner.BestK(str(scratch), k, mode)
