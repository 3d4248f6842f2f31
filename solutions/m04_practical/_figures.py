"""Draws exercises/m04_practical/camera.svg: run `python solutions/m04_practical/_figures.py`.

Above, digits 0 to 4 as the pre-trained network has met them; below, digits 5 to 9 as the camera of `fine_tuning` sees them.
"""

import base64
import io
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

FILE = Path(__file__).parents[2] / "exercises" / "m04_practical" / "camera.svg"
SIDE, GAP = 60, 6


def on_a_screen(digit: np.ndarray, rng: np.random.Generator, noise: float, stripes: float) -> np.ndarray:
    """An image of 8 x 8 pixels somewhere on a screen of 12 x 12."""
    screen = rng.normal(0.0, noise, (12, 12))  # (12, 12)
    screen[1::2] += stripes
    y, x = rng.integers(0, 5, 2)
    screen[y : y + 8, x : x + 8] += digit / 16
    return screen


def strip(screens: list[np.ndarray]) -> str:
    """The images side by side as a PNG in text."""
    gap = np.full((12, 1), np.nan)  # (12, 1), transparent
    pixels = np.concatenate([part for screen in screens for part in (screen, gap)][:-1], axis=1)  # (12, 13 n - 1)
    file = io.BytesIO()
    plt.imsave(file, np.ma.masked_invalid(pixels), cmap="gray", vmin=-0.3, vmax=1.6)
    return base64.b64encode(file.getvalue()).decode()


def main() -> None:
    digits, rng = load_digits(), np.random.default_rng(4)
    rows, width = [], SIDE * (13 * 10 - 1) // 12
    titles = ("what the network has learned: 0 to 4", "what your camera sees: 5 to 9")
    for i, (title, classes, noise, stripes) in enumerate(
        zip(titles, (range(5), range(5, 10)), (0.25, 0.15), (0.0, 0.6), strict=True)
    ):
        chosen = [rng.choice(np.flatnonzero(digits.target == k)) for k in classes for _ in range(2)]
        image = strip([on_a_screen(digits.images[n], rng, noise, stripes) for n in chosen])
        y = i * (SIDE + 34)
        rows.append(f'<text x="0" y="{y + 14}" font-family="sans-serif" font-size="14" fill="#888">{title}</text>')
        rows.append(
            f'<image x="0" y="{y + 20}" width="{width}" height="{SIDE}" style="image-rendering:pixelated" '
            f'preserveAspectRatio="none" href="data:image/png;base64,{image}"/>'
        )
    height = 2 * (SIDE + 34) - GAP
    FILE.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">\n'
        + "\n".join(rows)
        + "\n</svg>\n"
    )


if __name__ == "__main__":
    main()
