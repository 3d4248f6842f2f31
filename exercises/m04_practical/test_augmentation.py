"""Public checks of the augmentations: run `pytest exercises/m04_practical/test_augmentation.py`."""

import math

import pytest
import torch

from autograder.testing import assert_close, assert_shape


def generator(module, seed):
    """A torch.Generator where your code runs."""
    made = module.library("torch").Generator()
    made.manual_seed(seed)
    return made


def draws(seed):
    """A generator of the check's own, to draw the same numbers."""
    return torch.Generator().manual_seed(seed)


def grey_of(image):
    return 0.299 * image[0] + 0.587 * image[1] + 0.114 * image[2]


# random_horizontal_flip


@pytest.mark.stage("shape")
def test_random_horizontal_flip_keeps_the_shape(learner, probe):
    assert_shape(learner.random_horizontal_flip(probe.tensor(5, 3, 2, 4), 0.3, generator(learner, 1)), (5, 3, 2, 4))


def test_random_horizontal_flip_always_and_never(learner):
    images = torch.tensor([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]])
    mirrored = torch.tensor([[[[3.0, 2.0, 1.0], [6.0, 5.0, 4.0]]]])
    assert_close(
        learner.random_horizontal_flip(images, 1.0, generator(learner, 2)), mirrored, name="the image at p = 1"
    )
    assert_close(learner.random_horizontal_flip(images, 0.0, generator(learner, 2)), images, name="the image at p = 0")


def test_random_horizontal_flip_flips_where_the_draw_is_below_p(learner, probe):
    images, u = probe.tensor(12, 1, 2, 3), torch.rand(12, generator=draws(3))
    expected = torch.stack([image.flip(2) if draw < 0.3 else image for image, draw in zip(images, u, strict=True)])
    assert_close(learner.random_horizontal_flip(images, 0.3, generator(learner, 3)), expected)


# random_crop


@pytest.mark.stage("shape")
def test_random_crop_returns_windows_of_the_size_asked_for(learner, probe):
    assert_shape(learner.random_crop(probe.tensor(4, 3, 6, 5), (3, 7), 1, generator(learner, 1)), (4, 3, 3, 7))


def test_random_crop_of_all_that_is_padded_has_zeros_around_the_image(learner, probe):
    images = probe.tensor(2, 3, 4, 5)
    expected = torch.zeros(2, 3, 6, 7)
    expected[:, :, 1:5, 1:6] = images
    assert_close(learner.random_crop(images, (6, 7), 1, generator(learner, 2)), expected)


def test_random_crop_cuts_where_the_generator_says(learner, probe):
    images, rng = probe.tensor(6, 2, 5, 8), draws(3)
    tops, lefts = torch.randint(0, 4, (6,), generator=rng), torch.randint(0, 3, (6,), generator=rng)
    expected = torch.stack([image[:, y : y + 2, x : x + 6] for image, y, x in zip(images, tops, lefts, strict=True)])
    assert_close(learner.random_crop(images, (2, 6), 0, generator(learner, 3)), expected)


def test_random_crop_reaches_every_place(learner):
    images = torch.arange(1.0, 4.0).reshape(1, 1, 1, 3).repeat(300, 1, 1, 1)
    cropped = learner.random_crop(images, (3, 2), 1, generator(learner, 4))
    found = {tuple(window.tolist()) for window in cropped[:, 0, 1]}
    assert found == {(0.0, 1.0), (1.0, 2.0), (2.0, 3.0), (3.0, 0.0)}


@pytest.mark.stage("robust")
def test_random_crop_refuses_a_window_that_does_not_fit(learner, probe):
    for size in ((7, 5), (4, 8)):
        with pytest.raises(ValueError):
            learner.random_crop(probe.tensor(2, 1, 4, 5), size, 1, generator(learner, 5))


# cutout


@pytest.mark.stage("shape")
def test_cutout_keeps_the_shape(learner, probe):
    assert_shape(learner.cutout(probe.tensor(4, 3, 6, 5), 2, generator(learner, 1)), (4, 3, 6, 5))


def test_cutout_blackens_the_square_around_the_pixel_that_was_drawn(learner):
    for size, above in ((1, 0), (3, 1), (4, 2)):
        rng, expected = draws(size), torch.ones(30, 2, 7, 9)
        centres = torch.randint(0, 7, (30,), generator=rng).tolist(), torch.randint(0, 9, (30,), generator=rng).tolist()
        for image, y, x in zip(expected, *centres, strict=True):
            image[:, max(0, y - above) : y - above + size, max(0, x - above) : x - above + size] = 0.0
        got = learner.cutout(torch.ones(30, 2, 7, 9), size, generator(learner, size))
        assert_close(got, expected, name=f"the images with squares of {size}")


# color_jitter


@pytest.mark.stage("shape")
def test_color_jitter_of_strength_zero_changes_nothing(learner, probe):
    images = torch.tensor(probe.uniform((4, 3, 2, 5), 0.0, 1.0), dtype=torch.float32)
    assert_close(learner.color_jitter(images, 0.0, 0.0, 0.0, generator(learner, 1)), images)


def test_color_jitter_scales_and_clamps_the_brightness(learner):
    images, u = torch.full((8, 3, 2, 2), 0.8), torch.rand(3, 8, generator=draws(2))
    expected = (0.8 * (1 + 0.9 * (2 * u[0] - 1))).clamp(0, 1)[:, None, None, None].repeat(1, 3, 2, 2)
    assert_close(learner.color_jitter(images, 0.9, 0.0, 0.0, generator(learner, 2)), expected)


def test_color_jitter_stretches_contrast_around_the_mean_grey(learner, probe):
    images = torch.tensor(probe.uniform((4, 3, 2, 5), 0.4, 0.6), dtype=torch.float32)
    factors = 1 + 0.7 * (2 * torch.rand(3, 4, generator=draws(3))[1] - 1)
    means = torch.stack([grey_of(image).mean() for image in images])
    expected = torch.stack([f * image + (1 - f) * mean for f, image, mean in zip(factors, images, means, strict=True)])
    assert_close(learner.color_jitter(images, 0.0, 0.7, 0.0, generator(learner, 3)), expected)


def test_color_jitter_stretches_saturation_around_the_grey_of_each_pixel(learner, probe):
    images = torch.tensor(probe.uniform((4, 3, 2, 5), 0.4, 0.6), dtype=torch.float32)
    factors = 1 + 0.7 * (2 * torch.rand(3, 4, generator=draws(4))[2] - 1)
    expected = torch.stack([f * image + (1 - f) * grey_of(image) for f, image in zip(factors, images, strict=True)])
    assert_close(learner.color_jitter(images, 0.0, 0.0, 0.7, generator(learner, 4)), expected)


@pytest.mark.stage("whole")
def test_color_jitter_goes_from_brightness_to_contrast_to_saturation(learner, probe):
    images = torch.tensor(probe.uniform((9, 3, 2, 5), 0.0, 1.0), dtype=torch.float32)
    strength = torch.tensor([[0.9], [0.8], [0.7]])
    factors = (1 + strength * (2 * torch.rand(3, 9, generator=draws(5)) - 1)).T
    expected = []
    for image, (f, g, h) in zip(images, factors, strict=True):
        image = (f * image).clamp(0, 1)
        image = (g * image + (1 - g) * grey_of(image).mean()).clamp(0, 1)
        expected.append((h * image + (1 - h) * grey_of(image)).clamp(0, 1))
    assert_close(learner.color_jitter(images, 0.9, 0.8, 0.7, generator(learner, 5)), torch.stack(expected))


# mixup


@pytest.mark.stage("shape")
def test_mixup_returns_images_and_a_distribution_for_each(learner, probe):
    images, labels = probe.tensor(4, 3, 2, 5), torch.tensor([0, 2, 1, 2])
    mixed, targets = learner.mixup(images, labels, 6, 0.4, generator(learner, 1))
    assert_shape(mixed, (4, 3, 2, 5), torch.float32, name="the images")
    assert_shape(targets, (4, 6), torch.float32, name="the targets")
    assert_close(targets.sum(dim=1), torch.ones(4), name="the sums of the targets")


def test_mixup_of_alpha_zero_changes_nothing(learner, probe):
    images, labels = probe.tensor(3, 1, 2, 5), torch.tensor([1, 0, 2])
    mixed, targets = learner.mixup(images, labels, 3, 0.0, generator(learner, 2))
    assert_close(mixed, images, name="the images")
    assert_close(targets, torch.eye(3)[labels], name="the targets")


def test_mixup_draws_a_share_and_then_an_order(learner, probe):
    images, labels, rng = probe.tensor(5, 1, 2, 3), torch.tensor([3, 0, 2, 1, 0]), draws(9)
    u, v = torch.rand(2, generator=rng).tolist()
    s, c = u ** (1.0 / 0.6), math.cos(2.0 * math.pi * v)
    share, order = 0.5 + 0.5 * c / math.sqrt(s / (1.0 - s) + c * c), torch.randperm(5, generator=rng)
    mixed, targets = learner.mixup(images, labels, 4, 0.6, generator(learner, 9))
    one_hot = torch.eye(4)[labels]
    assert_close(mixed, share * images + (1 - share) * images[order], name="the images")
    assert_close(targets, share * one_hot + (1 - share) * one_hot[order], name="the targets")
