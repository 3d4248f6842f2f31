# %% [markdown]
# # TensorFlow and Keras
#
# Every figure in this notebook is drawn by the functions that you write in this folder. Fill a function, run its cell
# again, and look at what your code does. Where a function is still empty, the cell says so in one line and the rest of
# the notebook goes on.
#
# The sections follow the exercises: tensors, keras_models, custom_layers, data_pipeline, training_loop, export, parity.
# Formulas, shapes and examples worked by hand are in `README.md` beside this notebook. Most sections ask a question
# before their figure: decide on an answer first, then run the cell.
#
# Letters: N rows, D features, C classes, B batch, T time, F filters, Y and X height and width of an image.

# %%
# %load_ext autoreload
# %autoreload 2
# %env TF_CPP_MIN_LOG_LEVEL=3

# %%
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

sys.path.insert(0, "..")  # the folder that holds m05_tensorflow_keras
from m05_tensorflow_keras import custom_layers, data_pipeline, export, keras_models, tensors, training_loop

warnings.filterwarnings("ignore", message=r"\s*Warning: tf.lite.Interpreter is deprecated")  # the README says more
BLUE, ORANGE, GREEN, PURPLE, BLACK = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#222222"  # for any eyes
plt.rcParams.update({"font.size": 11, "axes.grid": True, "grid.alpha": 0.25, "figure.constrained_layout.use": True})
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "lines.linewidth": 2})


def figure(draw):
    """Draw a figure at once, or say which function it still waits for."""
    try:
        draw()
    except NotImplementedError as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        plt.close("all")
        file = f"exercises/m05_tensorflow_keras/{Path(last.filename).name}"
        print(f"not started yet: {last.name} — fill {file} and run this cell again")
    plt.show()


# %% [markdown]
# ## 1. A tape, and a tape inside a tape
#
# `gradient` and `second_derivative` differentiate any function that is made of TensorFlow's operations, at as many
# points as the tensor has entries, at once.
#
# *Before you run the cell:* a ReLU has a kink. What does a tape say of its slope at 0, and of its second derivative?


# %%
@figure
def functions_and_what_the_tape_makes_of_them():
    x = tf.linspace(-4.0, 4.0, 401)  # (401,)
    drawn = (("tanh", tf.tanh), ("softplus", tf.math.softplus), ("swish", tf.nn.silu), ("ReLU", tf.nn.relu))
    _, panels = plt.subplots(1, 4, figsize=(13, 3.4), sharey=True)
    for axes, (name, function) in zip(panels, drawn, strict=True):
        axes.plot(x, function(x), color=BLUE, label="f")
        axes.plot(x, tensors.gradient(function, x), "--", color=ORANGE, label="f′")
        axes.plot(x, tensors.second_derivative(function, x), "-.", color=GREEN, label="f″")
        axes.set(title=name, xlabel="x", ylim=(-1.2, 2.2))
    panels[0].legend()


# %% [markdown]
# The slope of softplus is the sigmoid, and its bend the sigmoid's slope. For the ReLU the tape says 0 at the kink, and 0
# for the second derivative everywhere: it differentiates the formula of each side and knows nothing of the jump.
#
# ## 2. Where the parameters are
#
# *Before you run the cell:* you double the width of two hidden layers. By how much does the number of parameters grow?


# %%
@figure
def parameters_grow_with_the_square_of_the_width():
    widths = [2**k for k in range(3, 9)]
    learned = [keras_models.count_parameters(keras_models.sequential_classifier(16, [m, m], 10))[0] for m in widths]
    _, axes = plt.subplots(figsize=(6.5, 3.8))
    axes.loglog(widths, learned, "o-", color=BLUE, label="16 → M → M → 10")
    axes.loglog(widths, [16 * m + 10 * m for m in widths], "--", color=ORANGE, label="first and last kernel alone")
    axes.set(title="parameters", xlabel="width of the two hidden layers, M", xticks=widths, xticklabels=widths)
    axes.legend()


# %% [markdown]
# The kernel between the hidden layers has M² numbers, and for a wide model it is nearly all there is. Twice the width
# is four times the model. (`functional_two_tower` has a merge of 2M · M for the same reason.)
#
# ## 3. A loss that keeps its head
#
# Your `huber_loss`, and a line through points of which three are absurd, once by the squared error and once by the Huber loss.
# The descent uses your `gradient`.
#
# *Before you run the cell:* which of the two lines will look at the three points?


# %%
@figure
def the_huber_loss_and_three_absurd_points():
    error = tf.linspace(-4.0, 4.0, 201)[:, None]  # (201, 1)
    _, panels = plt.subplots(1, 2, figsize=(11, 4))
    panels[0].plot(error, 0.5 * error**2, ":", color=BLACK, label="½ e²")
    for delta, colour, line in ((0.5, GREEN, "-."), (1.0, BLUE, "-"), (2.0, PURPLE, "--")):
        panels[0].plot(
            error,
            custom_layers.huber_loss(tf.zeros_like(error), error, delta),
            line,
            color=colour,
            label=f"δ = {delta}",
        )
    panels[0].set(title="the Huber loss", xlabel="error e", ylabel="loss", ylim=(-0.2, 5.0))
    panels[0].legend()

    rng = np.random.default_rng(0)
    x = rng.uniform(-2.0, 2.0, 40)
    y = 1.5 * x + 0.3 * rng.standard_normal(40)
    y[np.argsort(x)[-3:]] -= 12.0
    rows = tf.constant(np.stack([x, np.ones(40)], axis=1), tf.float32)  # (40, 2)
    targets = tf.constant(y[:, None], tf.float32)  # (40, 1)

    def descend(loss):
        w = tf.zeros((2, 1))
        for _ in range(100):
            w = w - 0.2 * tensors.gradient(lambda w: tf.reduce_mean(loss(targets, rows @ w)), w)
        return w

    panels[1].plot(x, y, "o", color=BLACK, markersize=5)
    ends = tf.constant([[-2.0, 1.0], [2.0, 1.0]])  # (2, 2)
    lines = (
        ("squared error", keras.losses.mean_squared_error, ORANGE, "--"),
        ("Huber", custom_layers.huber_loss, BLUE, "-"),
    )
    for name, loss, colour, line in lines:
        panels[1].plot(ends[:, 0], ends @ descend(loss), line, color=colour, label=name)
    panels[1].set(title="a line through 40 points", xlabel="x", ylabel="y")
    panels[1].legend()


# %% [markdown]
# The slope of the squared error is the error itself, and three errors of 12 pull as hard as a hundred small ones. The
# Huber loss cuts the pull off at δ.
#
# ## 4. What a shuffle does
#
# Your `make_dataset` shuffles over everything, anew in each epoch. On the right a buffer of 20 examples instead, set up by hand.
#
# *Before you run the cell:* with a buffer of 20, how early can example number 150 come?


# %%
@figure
def when_each_example_comes():
    n = 200
    dataset = data_pipeline.make_dataset(np.zeros(n, np.float32), np.arange(n), 20, seed=1)
    small = tf.data.Dataset.range(n).shuffle(20, seed=1)
    shown = [(f"epoch {epoch}", np.concatenate([y for _, y in dataset])) for epoch in (1, 2)]
    shown.append(("a buffer of 20", np.array(list(small))))
    _, panels = plt.subplots(1, 3, figsize=(12, 3.8), sharey=True)
    for axes, (name, order), colour in zip(panels, shown, (BLUE, GREEN, ORANGE), strict=True):
        axes.plot(np.arange(n), order, "o", color=colour, markersize=3)
        axes.set(title=name, xlabel="place in the epoch")
    panels[0].set(ylabel="number of the example")


# %% [markdown]
# A small buffer leaves the order nearly as it was: if the file is sorted by class, so is every epoch. Example 150
# cannot come before place 131.
#
# ## 5. A loop of your own
#
# Two moons, a classifier of yours, batches of yours, the loop of yours. The step is traced once; all 40 epochs run it as a graph.


# %%
def two_moons(rng, n):
    """Points (n, 2) on two half circles that reach into each other, and their classes (n,), 0 or 1."""
    angle, label = rng.uniform(0.0, np.pi, n), rng.integers(0, 2, n)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)  # (n, 2)
    lower = np.stack([1.0 - np.cos(angle), 0.5 - np.sin(angle)], axis=1)  # (n, 2)
    return np.where(label[:, None] == 0, upper, lower) + 0.15 * rng.standard_normal((n, 2)), label


RNG = np.random.default_rng(0)
(X, Y), (X_VAL, Y_VAL) = two_moons(RNG, 250), two_moons(RNG, 150)
MEAN, SCALE = X.mean(axis=0), X.std(axis=0)
TRAINED = {}


def standardized(x):
    return ((x - MEAN) / SCALE).astype(np.float32)


@figure
def two_moons_learned():
    keras.utils.set_random_seed(0)
    model = keras_models.sequential_classifier(2, [16, 16], 2, activation="tanh")
    history = training_loop.fit(
        model,
        keras.optimizers.Adam(0.01),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        keras.metrics.SparseCategoricalAccuracy(),
        data_pipeline.make_dataset(standardized(X), Y, 32, seed=0),
        data_pipeline.make_dataset(standardized(X_VAL), Y_VAL, 64),
        epochs=40,
    )
    TRAINED["model"] = model
    _, panels = plt.subplots(1, 3, figsize=(13, 3.9))
    for axes, name in zip(panels, ("loss", "metric"), strict=False):
        axes.plot(history[name], color=BLUE, label="training")
        axes.plot(history[f"val_{name}"], "--", color=ORANGE, label="validation")
        axes.set(title={"loss": "loss", "metric": "accuracy"}[name], xlabel="epoch")
    panels[0].legend()
    ticks = np.linspace(-1.8, 2.8, 80), np.linspace(-1.4, 1.9, 80)
    grid = np.stack(np.meshgrid(*ticks), axis=-1)  # (80, 80, 2)
    scores = model(standardized(grid.reshape(-1, 2))).numpy()  # (6400, 2)
    panels[2].contourf(
        *ticks, (scores[:, 1] > scores[:, 0]).reshape(80, 80), levels=1, colors=[BLUE, ORANGE], alpha=0.2
    )
    for label, colour, marker in ((0, BLUE, "o"), (1, ORANGE, "s")):
        panels[2].scatter(*X_VAL[label == Y_VAL].T, s=14, c=colour, marker=marker)
    panels[2].set(title="validation points", xlabel="feature 1", ylabel="feature 2")


# %% [markdown]
# The training loss of an epoch is the mean over its steps, while the weights were moving; the validation loss is that of
# the weights at its end. That is why the validation curve can lie below the other in the first epochs.
#
# ## 6. The model leaves Python
#
# The same model as a SavedModel, as a TFLite flatbuffer, and as one with 8-bit weights; all three take raw points. (The
# kernels of this model are too small for the converter to quantize, so a wider one is used for that.)
#
# *Before you run the cell:* how far apart are the probabilities of the first two? 10⁻², 10⁻⁴, 10⁻⁷?


# %%
@figure
def one_model_in_three_formats():
    points = X_VAL.astype(np.float32)
    wide = keras_models.sequential_classifier(2, [128, 128], 2, activation="tanh")
    _, panels = plt.subplots(1, 2, figsize=(11, 3.9))
    for axes, (name, model) in zip(
        panels, (("16 units", TRAINED.get("model", wide)), ("128 units", wide)), strict=True
    ):
        with tempfile.TemporaryDirectory() as folder:
            export.export_saved_model(model, f"{folder}/model", MEAN, SCALE)
            serve = tf.saved_model.load(f"{folder}/model").signatures["serving_default"]
            expected = serve(features=tf.constant(points))["probabilities"].numpy()  # (150, 2)
            for quantize, colour in ((False, BLUE), (True, ORANGE)):
                flatbuffer = export.convert_to_tflite(f"{folder}/model", quantize=quantize)
                got = export.tflite_predict(flatbuffer, points)["probabilities"]  # (150, 2)
                distances = np.sort(np.abs(got - expected).max(axis=1)) + 1e-10
                label = f"{'8' if quantize else '32'} bits, {len(flatbuffer) / 1024:.0f} kB"
                axes.semilogy(distances, color=colour, label=label, linestyle="--" if quantize else "-")
        axes.set(title=f"hidden layers of {name}", xlabel="points, sorted", ylabel="distance from the SavedModel")
        axes.legend()


# %% [markdown]
# The flatbuffer with 32 bits computes the same, up to rounding. With 8 bits the wide model is a third of the size, and its
# probabilities move by about a thousandth.
#
# ## 7. The same numbers in the other framework
#
# A convolution with stride 2, carried over from PyTorch by your `conv_to_keras`, and what you get with Keras'
# `padding="same"` and the same weights.
#
# *Before you run the cell:* both have the same shape. Which values differ: those at the border, or all?


# %%
@figure
def padding_is_not_padding():
    import torch  # only here: who did not install it can read the other sections
    from m05_tensorflow_keras import parity

    torch.manual_seed(0)
    conv = torch.nn.Conv2d(1, 1, kernel_size=3, stride=2, padding=1)
    rows, columns = np.mgrid[0:16, 0:16]
    image = np.sin(rows / 2.0) + np.cos(columns / 3.0)  # (16, 16)
    expected = conv(torch.tensor(image, dtype=torch.float32)[None, None]).detach().numpy()[0, 0]  # (8, 8)
    carried = parity.conv_to_keras(conv)
    same = keras.layers.Conv2D(1, 3, strides=2, padding="same")
    same.build((None, 16, 16, 1))
    same.set_weights(carried.get_weights())
    inputs = tf.constant(image[None, :, :, None], tf.float32)  # (1, 16, 16, 1)
    _, panels = plt.subplots(1, 3, figsize=(11, 3.6))
    for axes, (name, layer) in zip(panels[1:], (("conv_to_keras", carried), ('padding="same"', same)), strict=True):
        error = np.abs(layer(inputs).numpy()[0, :, :, 0] - expected)  # (8, 8)
        shown = axes.imshow(np.log10(error + 1e-8), vmin=-8, vmax=0, cmap="cividis")
        axes.set(title=f"{name}\nlargest error {error.max():.1g}", xticks=[], yticks=[])
        axes.grid(False)
    plt.colorbar(shown, ax=panels[2], label="log₁₀ of the error")
    panels[0].imshow(expected, cmap="cividis")
    panels[0].set(title="PyTorch's output", xticks=[], yticks=[])
    panels[0].grid(False)


# %% [markdown]
# All of them. With an even size and stride 2, "same" pads on the right and below only, so every window lies one pixel
# off. Nothing complains: the shapes agree. That is why `parity` is tested on numbers, with sizes that differ in every direction.
#
# ## What next
#
# A pipeline, a loop, an export and a bridge: with these four you can take a model from a notebook to a place where
# somebody uses it. m18 goes on from here, with PyTorch's formats, a server, and what to watch once it runs.
