"""Hidden checks of the augmentations: each draw is replayed from the generator's seed, and its effect is told by slices."""

import math

import pytest
import torch

from autograder.testing import assert_close, assert_shape


def a_seed(probe):
    return int(probe.integers(1, high=2**31)[0])


def generator(module, seed):
    """A torch.Generator that lives where `module` does. The global one, should it be used by mistake, draws alike, too."""
    module.library("torch").manual_seed(5)
    made = module.library("torch").Generator()
    made.manual_seed(seed)
    return made


def draws(seed):
    return torch.Generator().manual_seed(seed)


def pictures(probe, n=6):
    """Images with three channels, higher than wide or the other way round, of both signs and without zeros."""
    probe.fix("Y", 7)
    probe.fix("X", 5)
    return probe.tensor(n, "3 Y X")


def colours(probe, n=6):
    """Images whose values lie in (0, 1)."""
    probe.fix("Y", 4)
    probe.fix("X", 5)
    return torch.tensor(probe.uniform((n, 3, "Y", "X"), 0.02, 0.98), dtype=torch.float32)


def grey_of(image):
    """(3, Y, X) to (Y, X)."""
    return 0.299 * image[0] + 0.587 * image[1] + 0.114 * image[2]


def windows(images, size, padding, seed):
    """The windows that the generator chooses, told by indices into the image itself."""
    rng, (b, c, height, width) = draws(seed), images.shape
    tops = torch.randint(0, height + 2 * padding - size[0] + 1, (b,), generator=rng) - padding
    lefts = torch.randint(0, width + 2 * padding - size[1] + 1, (b,), generator=rng) - padding
    result = torch.zeros(b, c, *size)
    for i in range(b):
        for y in range(size[0]):
            for x in range(size[1]):
                row, column = int(tops[i]) + y, int(lefts[i]) + x
                if 0 <= row < height and 0 <= column < width:
                    result[i, :, y, x] = images[i, :, row, column]
    return result


def squares(images, size, seed):
    """True where the squares that the generator chooses are, (B, Y, X)."""
    rng, (b, _, height, width) = draws(seed), images.shape
    centres = zip(
        torch.randint(0, height, (b,), generator=rng), torch.randint(0, width, (b,), generator=rng), strict=True
    )
    covered = torch.zeros(b, height, width, dtype=torch.bool)
    for i, (y, x) in enumerate(centres):
        top, left = int(y) - size // 2, int(x) - size // 2
        covered[i, max(top, 0) : max(top + size, 0), max(left, 0) : max(left + size, 0)] = True
    return covered


def factors_of(n, strengths, seed):
    u = torch.rand(3, n, generator=draws(seed))
    return [1.0 + strength * (2.0 * row - 1.0) for strength, row in zip(strengths, u, strict=True)]


def first_after_writing(module, function, images, *rest):
    """Zero the images that `function` returns, where it is, and give those back that it was handed."""
    builtins, operator, torch_ = module.library("builtins"), module.library("operator"), module.library("torch")
    kept = module.library("types").SimpleNamespace(images=images)
    handed = builtins.map(operator.attrgetter("images"), [kept])
    results = builtins.map(function, handed, *([value] for value in rest))
    assert_close(builtins.next(builtins.map(torch_.Tensor.zero_, results)).count_nonzero(), torch.tensor(0))
    return kept.images


def a_share(alpha, seed):
    """λ and the order that mixup draws for six images."""
    rng = draws(seed)
    u, v = torch.rand(2, generator=rng).tolist()
    s, c = u ** (1.0 / alpha), math.cos(2.0 * math.pi * v)
    return 0.5 + 0.5 * c / math.sqrt(s / (1.0 - s) + c * c), torch.randperm(6, generator=rng)


def a_mixing_seed(probe, alpha):
    """A seed whose λ is far from 0 and 1, and whose order is not its own inverse."""
    while True:
        share, order = a_share(alpha, seed := a_seed(probe))
        if 0.1 < share < 0.9 and abs(share - 0.5) > 0.05 and (order[order] != torch.arange(6)).any():
            return seed


# random_horizontal_flip


@pytest.mark.stage("shape")
def test_random_horizontal_flip_keeps_the_shape(learner, probe):
    images = pictures(probe)
    assert_shape(learner.random_horizontal_flip(images, 0.3, generator(learner, 1)), tuple(images.shape), torch.float32)


def test_random_horizontal_flip_with_probability_one_mirrors_every_row(learner, probe):
    images = pictures(probe)
    expected = torch.stack([images[..., x] for x in reversed(range(5))], dim=-1)
    assert_close(learner.random_horizontal_flip(images, 1.0, generator(learner, a_seed(probe))), expected)


def test_random_horizontal_flip_with_probability_zero_changes_nothing(learner, probe):
    images = pictures(probe)
    assert_close(learner.random_horizontal_flip(images, 0.0, generator(learner, a_seed(probe))), images)


def test_random_horizontal_flip_decides_for_every_image_by_itself(learner, probe):
    images = pictures(probe, 40)
    flipped = learner.random_horizontal_flip(images, 0.3, generator(learner, a_seed(probe)))
    as_before = (flipped == images).flatten(1).all(dim=1)
    mirrored = (flipped == images.flip(3)).flatten(1).all(dim=1)
    assert (as_before | mirrored).all(), "each image is as it was, or mirrored"
    assert as_before.any() and mirrored.any(), "of 40 images some are mirrored and some are not"


@pytest.mark.stage("whole")
def test_random_horizontal_flip_flips_where_the_draw_is_below_p(learner, probe):
    images = pictures(probe, 17)
    for p in (0.2, 0.5, 0.8):
        seed = a_seed(probe)
        chosen = torch.rand(17, generator=draws(seed)) < p
        expected = torch.stack([image.flip(2) if flip else image for image, flip in zip(images, chosen, strict=True)])
        assert_close(learner.random_horizontal_flip(images, p, generator(learner, seed)), expected)


@pytest.mark.stage("whole")
def test_random_horizontal_flip_equals_the_reference_twice_in_a_row(learner, reference, probe):
    images, seed = pictures(probe, 9), a_seed(probe)
    mine, theirs = generator(learner, seed), generator(reference, seed)
    for p in (1.0, 0.6, 0.0, 0.6):  # where p leaves no choice the draws are made, too
        expected = reference.random_horizontal_flip(images, p, theirs)
        assert_close(learner.random_horizontal_flip(images, p, mine), expected)


@pytest.mark.stage("robust")
def test_random_horizontal_flip_returns_a_new_tensor_even_if_nothing_is_flipped(learner, probe):
    images = pictures(probe)
    left = first_after_writing(learner, learner.random_horizontal_flip, images, 0.0, generator(learner, 1))
    assert_close(left, images, name="the images, after the result was written into")


@pytest.mark.stage("robust")
def test_random_horizontal_flip_leaves_global_random_numbers_alone(learner, probe):
    library = learner.library("torch")
    library.manual_seed(5)
    flipped = learner.random_horizontal_flip(pictures(probe), 1.0, generator(learner, 1))
    assert_shape(flipped, (6, 3, 7, 5))
    assert_close(library.rand(3), torch.rand(3, generator=draws(5)), name="global random numbers")


# random_crop


@pytest.mark.stage("shape")
def test_random_crop_returns_windows_of_the_size_asked_for(learner, probe):
    images = pictures(probe)
    for size in ((3, 4), (6, 2), (9, 8)):
        assert_shape(learner.random_crop(images, size, 2, generator(learner, 1)), (6, 3, *size), torch.float32)


def test_random_crop_of_all_of_the_image_is_the_image(learner, probe):
    images = pictures(probe)
    assert_close(learner.random_crop(images, (7, 5), 0, generator(learner, a_seed(probe))), images)


def test_random_crop_of_all_that_is_padded_has_zeros_around_the_image(learner, probe):
    images = pictures(probe)
    expected = torch.zeros(6, 3, 11, 9)
    expected[:, :, 2:-2, 2:-2] = images
    assert_close(learner.random_crop(images, (11, 9), 2, generator(learner, a_seed(probe))), expected)


def test_random_crop_cuts_every_image_in_its_own_place(learner, probe):
    image = pictures(probe, 1)
    images = image.repeat(30, 1, 1, 1)
    cropped = learner.random_crop(images, (3, 3), 1, generator(learner, a_seed(probe)))
    different = {tuple(window.flatten().tolist()) for window in cropped}
    assert len(different) > 5, f"30 windows of the same image lie in {len(different)} places only"


def test_random_crop_reaches_every_place(learner, probe):
    columns = torch.arange(1.0, 5.0).reshape(1, 1, 1, 4).repeat(400, 1, 2, 1)  # the columns hold 1, 2, 3, 4
    cropped = learner.random_crop(columns, (1, 2), 1, generator(learner, a_seed(probe)))
    found = {tuple(window.flatten().tolist()) for window in cropped}
    expected = {(0.0, 0.0), (0.0, 1.0), (1.0, 2.0), (2.0, 3.0), (3.0, 4.0), (4.0, 0.0)}
    assert found == expected, f"the windows are {sorted(expected)}, not {sorted(found)}"


def test_random_crop_draws_rows_first_and_then_columns(learner, probe):
    images, seed = pictures(probe), a_seed(probe)
    cropped = learner.random_crop(images, (4, 2), 0, generator(learner, seed))
    assert_close(cropped, windows(images, (4, 2), 0, seed))


@pytest.mark.stage("whole")
def test_random_crop_cuts_where_the_generator_says(learner, probe):
    for size, padding in (((5, 5), 1), ((7, 5), 2), ((2, 6), 3), ((9, 3), 1), ((3, 2), 2)):
        images, seed = pictures(probe), a_seed(probe)
        cropped = learner.random_crop(images, size, padding, generator(learner, seed))
        assert_close(cropped, windows(images, size, padding, seed))


@pytest.mark.stage("whole")
def test_random_crop_equals_the_reference_twice_in_a_row(learner, reference, probe):
    images, seed = pictures(probe), a_seed(probe)
    mine, theirs = generator(learner, seed), generator(reference, seed)
    for _ in range(2):
        expected = reference.random_crop(images, (6, 4), 1, theirs)
        assert_close(learner.random_crop(images, (6, 4), 1, mine), expected)


@pytest.mark.stage("robust")
def test_random_crop_refuses_a_window_that_does_not_fit(learner, probe):
    for size, padding in (((8, 5), 0), ((7, 6), 0), ((12, 5), 2), ((3, 10), 2)):
        with pytest.raises(ValueError):
            learner.random_crop(pictures(probe), size, padding, generator(learner, 1))


@pytest.mark.stage("robust")
def test_random_crop_returns_a_new_tensor_even_if_nothing_is_cut_off(learner, probe):
    images = pictures(probe)
    left = first_after_writing(learner, learner.random_crop, images, (7, 5), 0, generator(learner, 1))
    assert_close(left, images, name="the images, after the result was written into")


@pytest.mark.stage("robust")
def test_random_crop_leaves_global_random_numbers_alone(learner, probe):
    library = learner.library("torch")
    library.manual_seed(5)
    assert_shape(learner.random_crop(pictures(probe), (3, 4), 1, generator(learner, 1)), (6, 3, 3, 4))
    assert_close(library.rand(3), torch.rand(3, generator=draws(5)), name="global random numbers")


# cutout


@pytest.mark.stage("shape")
def test_cutout_keeps_the_shape(learner, probe):
    images = pictures(probe)
    assert_shape(learner.cutout(images, 3, generator(learner, 1)), tuple(images.shape), torch.float32)


def test_cutout_leaves_everything_outside_the_square_as_it_was(learner, probe):
    images = pictures(probe)
    cut = learner.cutout(images, 3, generator(learner, a_seed(probe)))
    outside = cut != 0
    assert_close(cut[outside], images[outside], name="what is not zero")
    assert 0 < int((~outside).sum()) < images.numel(), "a part of each image is zero"


def test_cutout_blackens_all_channels_alike(learner, probe):
    black = learner.cutout(pictures(probe), 3, generator(learner, a_seed(probe))) == 0
    assert_close(black, black[:, :1].repeat(1, 3, 1, 1), name="where the image is black")


def test_cutout_of_size_one_blackens_the_pixel_that_was_drawn(learner, probe):
    images, seed = pictures(probe), a_seed(probe)
    black = (learner.cutout(images, 1, generator(learner, seed)) == 0).all(dim=1)
    assert_close(black.flatten(1).sum(dim=1), torch.ones(6).long(), name="the number of black pixels")
    assert_close(black, squares(images, 1, seed), name="where the image is black")


def test_cutout_centres_a_square_of_odd_size(learner, probe):
    images, seed = torch.ones(40, 1, 9, 11), a_seed(probe)
    black = (learner.cutout(images, 3, generator(learner, seed)) == 0)[:, 0]
    rng = draws(seed)
    y, x = torch.randint(0, 9, (40,), generator=rng), torch.randint(0, 11, (40,), generator=rng)
    inside = (y > 0) & (y < 8) & (x > 0) & (x < 10)  # the square does not touch the edge
    assert_close(
        black[inside].flatten(1).sum(dim=1), torch.full((int(inside.sum()),), 9), name="the size of the squares"
    )
    place = black[inside].nonzero().double().reshape(-1, 9, 3).mean(dim=1)[:, 1:]
    assert_close(place, torch.stack([y, x], dim=1)[inside].double(), name="the middle of the squares")


def test_cutout_of_even_size_has_the_centre_right_of_the_middle(learner, probe):
    images, seed = pictures(probe, 12), a_seed(probe)
    black = (learner.cutout(images, 4, generator(learner, seed)) == 0).all(dim=1)
    assert_close(black, squares(images, 4, seed), name="where the image is black")


def test_cutout_cuts_off_what_sticks_out(learner, probe):
    images, seed = pictures(probe, 30), a_seed(probe)
    black = (learner.cutout(images, 5, generator(learner, seed)) == 0).all(dim=1)
    sizes = black.flatten(1).sum(dim=1)
    assert_close(sizes, squares(images, 5, seed).flatten(1).sum(dim=1), name="the size of the squares")


@pytest.mark.stage("whole")
def test_cutout_equals_the_reference(learner, reference, probe):
    for size in (1, 2, 3, 6, 20):
        images, seed = pictures(probe), a_seed(probe)
        expected = images * ~squares(images, size, seed)[:, None]
        assert_close(learner.cutout(images, size, generator(learner, seed)), expected)
        assert_close(reference.cutout(images, size, generator(reference, seed)), expected, name="the reference")


@pytest.mark.stage("robust")
def test_cutout_leaves_global_random_numbers_alone(learner, probe):
    library = learner.library("torch")
    library.manual_seed(5)
    assert_shape(learner.cutout(pictures(probe), 3, generator(learner, 1)), (6, 3, 7, 5))
    assert_close(library.rand(3), torch.rand(3, generator=draws(5)), name="global random numbers")


# color_jitter


def jitter(learner, images, strengths, seed):
    return learner.color_jitter(images, *strengths, generator(learner, seed))


@pytest.mark.stage("shape")
def test_color_jitter_keeps_shape_and_range(learner, probe):
    images = colours(probe)
    jittered = jitter(learner, images, (0.9, 0.8, 0.7), a_seed(probe))
    assert_shape(jittered, tuple(images.shape), torch.float32)
    assert (jittered >= 0).all() and (jittered <= 1).all(), "all values are from 0 to 1"


def test_color_jitter_of_strength_zero_changes_nothing(learner, probe):
    images = colours(probe)
    assert_close(jitter(learner, images, (0.0, 0.0, 0.0), a_seed(probe)), images)


def test_color_jitter_scales_the_brightness_of_every_image(learner, probe):
    images, seed = 0.5 * colours(probe), a_seed(probe)
    f, _, _ = factors_of(6, (0.9, 0.0, 0.0), seed)
    expected = torch.stack([factor * image for factor, image in zip(f, images, strict=True)])
    assert_close(jitter(learner, images, (0.9, 0.0, 0.0), seed), expected)


def test_color_jitter_clamps_what_gets_too_bright(learner, probe):
    images = torch.full((6, 3, 2, 5), 0.9)
    seed = a_seed(probe)
    f, _, _ = factors_of(6, (0.8, 0.0, 0.0), seed)
    expected = (0.9 * f).clamp(0, 1)[:, None, None, None].repeat(1, 3, 2, 5)
    assert_close(jitter(learner, images, (0.8, 0.0, 0.0), seed), expected)


def test_color_jitter_stretches_contrast_around_the_mean_grey(learner, probe):
    tint = torch.tensor([-0.1, 0.1, -0.05])[:, None, None]  # so that the mean of the grey is not that of the colours
    images, seed = 0.4 + tint + 0.2 * colours(probe), a_seed(probe)  # nothing is clamped
    _, g, _ = factors_of(6, (0.0, 0.9, 0.0), seed)
    expected = [
        factor * (image - grey_of(image).mean()) + grey_of(image).mean()
        for factor, image in zip(g, images, strict=True)
    ]
    assert_close(jitter(learner, images, (0.0, 0.9, 0.0), seed), torch.stack(expected))


def test_color_jitter_stretches_saturation_around_the_grey_of_each_pixel(learner, probe):
    images, seed = 0.4 + 0.2 * colours(probe), a_seed(probe)
    _, _, h = factors_of(6, (0.0, 0.0, 0.9), seed)
    expected = [factor * (image - grey_of(image)) + grey_of(image) for factor, image in zip(h, images, strict=True)]
    assert_close(jitter(learner, images, (0.0, 0.0, 0.9), seed), torch.stack(expected))


def test_color_jitter_leaves_grey_images_grey_when_saturation_changes(learner, probe):
    images = torch.tensor(probe.uniform((6, 1, 4, 5), 0.1, 0.9), dtype=torch.float32).repeat(1, 3, 1, 1)
    assert_close(jitter(learner, images, (0.0, 0.0, 0.9), a_seed(probe)), images)


def test_color_jitter_changes_contrast_after_brightness_and_saturation_last(learner, probe):
    images, seed = 0.3 + 0.2 * colours(probe), a_seed(probe)
    f, g, h = factors_of(6, (0.5, 0.6, 0.7), seed)
    expected = []
    for i, image in enumerate(images):
        bright = f[i] * image
        contrasted = grey_of(bright).mean() + g[i] * (bright - grey_of(bright).mean())
        expected.append(grey_of(contrasted) + h[i] * (contrasted - grey_of(contrasted)))
    assert_close(jitter(learner, images, (0.5, 0.6, 0.7), seed), torch.stack(expected))


@pytest.mark.stage("whole")
def test_color_jitter_equals_the_reference(learner, reference, probe):
    for strengths in ((0.9, 0.2, 0.5), (0.3, 0.9, 0.6), (0.4, 0.3, 0.95), (1.0, 1.0, 1.0)):
        images, seed = colours(probe), a_seed(probe)
        expected = reference.color_jitter(images, *strengths, generator(reference, seed))
        assert_close(jitter(learner, images, strengths, seed), expected)


@pytest.mark.stage("whole")
def test_color_jitter_clamps_after_every_step(learner, probe):
    for strengths in ((1.0, 1.0, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, 0.0), (0.0, 1.0, 1.0)):
        images, seed = colours(probe, 40), a_seed(probe)
        f, g, h = factors_of(40, strengths, seed)
        expected = []
        for i, image in enumerate(images):
            image = (f[i] * image).clamp(0, 1)
            image = (g[i] * image + (1 - g[i]) * grey_of(image).mean()).clamp(0, 1)
            expected.append((h[i] * image + (1 - h[i]) * grey_of(image)).clamp(0, 1))
        assert_close(jitter(learner, images, strengths, seed), torch.stack(expected))


@pytest.mark.stage("robust")
def test_color_jitter_leaves_global_random_numbers_alone(learner, probe):
    library = learner.library("torch")
    library.manual_seed(5)
    assert_shape(jitter(learner, colours(probe), (0.3, 0.3, 0.3), 1), (6, 3, 4, 5))
    assert_close(library.rand(3), torch.rand(3, generator=draws(5)), name="global random numbers")


# mixup


def mixed(learner, probe, alpha, seed):
    images, labels = pictures(probe), torch.tensor([3, 0, 2, 3, 0, 1])  # the last class does not occur
    return images, labels, learner.mixup(images, labels, 5, alpha, generator(learner, seed))


def one_hot(labels):
    return (labels[:, None] == torch.arange(5)).float()


@pytest.mark.stage("shape")
def test_mixup_returns_images_and_a_distribution_for_each(learner, probe):
    *_, result = mixed(learner, probe, 0.7, a_seed(probe))
    assert isinstance(result, tuple | list) and len(result) == 2, "it returns the tuple (images, targets)"
    assert_shape(result[0], (6, 3, 7, 5), torch.float32, name="the images")
    assert_shape(result[1], (6, 5), torch.float32, name="the targets")


def test_mixup_targets_sum_to_one(learner, probe):
    *_, (_, targets) = mixed(learner, probe, 0.7, a_mixing_seed(probe, 0.7))
    assert_close(targets.sum(dim=1), torch.ones(6))
    assert (targets >= 0).all(), "no class has a negative share"


def test_mixup_of_alpha_zero_changes_nothing(learner, probe):
    images, labels, (got, targets) = mixed(learner, probe, 0.0, a_seed(probe))
    assert_close(got, images, name="the images")
    assert_close(targets, one_hot(labels), name="the targets")


def test_mixup_lays_images_over_each_other_by_the_drawn_share(learner, probe):
    seed = a_mixing_seed(probe, 0.7)
    share, order = a_share(0.7, seed)
    images, _, (got, _) = mixed(learner, probe, 0.7, seed)
    assert_close(got, torch.stack([share * images[i] + (1 - share) * images[order[i]] for i in range(6)]))


def test_mixup_mixes_labels_by_the_share_of_their_images(learner, probe):
    seed = a_mixing_seed(probe, 0.7)
    share, order = a_share(0.7, seed)
    _, labels, (_, targets) = mixed(learner, probe, 0.7, seed)
    assert_close(targets, share * one_hot(labels) + (1 - share) * one_hot(labels[order]))


def test_mixup_mixes_targets_like_images(learner, probe):
    labels = torch.tensor([3, 0, 2, 4, 0, 1])
    images = one_hot(labels).reshape(6, 5, 1, 1)  # each image shows its own label
    got, targets = learner.mixup(images, labels, 5, 0.5, generator(learner, a_mixing_seed(probe, 0.5)))
    assert_close(got.flatten(1), targets)


def test_mixup_uses_its_alpha(learner, probe):
    shares = {}
    for alpha in (0.1, 8.0):
        rng, images, labels = generator(learner, a_seed(probe)), torch.ones(6, 1, 1, 1), torch.arange(6)
        targets = torch.stack([learner.mixup(images, labels, 6, alpha, rng)[1] for _ in range(60)])
        shares[alpha] = 1.0 - targets.amax(dim=2).amin(dim=1).mean().item()  # the smaller of λ and 1 - λ
    # Their means are 0.06 and 0.40, with standard deviations of 0.015 and 0.01.
    assert shares[0.1] < 0.2 < shares[8.0], "a small alpha mixes little, a large one much"


@pytest.mark.stage("whole")
def test_mixup_equals_the_reference(learner, reference, probe):
    for alpha in (0.06, 0.2, 1.0, 3.0):
        seed = a_mixing_seed(probe, alpha)
        images, labels, got = mixed(learner, probe, alpha, seed)
        assert_close(got, reference.mixup(images, labels, 5, alpha, generator(reference, seed)))


@pytest.mark.stage("robust")
def test_mixup_works_in_the_dtype_of_the_images(learner, probe):
    seed = a_mixing_seed(probe, 0.7)
    share, order = a_share(0.7, seed)
    images, labels = pictures(probe).double(), torch.tensor([3, 0, 2, 4, 0, 1])
    got, targets = learner.mixup(images, labels, 5, 0.7, generator(learner, seed))
    assert_close(got, share * images + (1 - share) * images[order], name="the images")
    assert_close(targets, share * one_hot(labels).double() + (1 - share) * one_hot(labels[order]).double())


@pytest.mark.stage("robust")
def test_mixup_leaves_global_random_numbers_alone(learner, probe):
    library = learner.library("torch")
    library.manual_seed(5)
    *_, (got, _) = mixed(learner, probe, math.e, 3)
    assert_shape(got, (6, 3, 7, 5))
    assert_close(library.rand(3), torch.rand(3, generator=draws(5)), name="global random numbers")
