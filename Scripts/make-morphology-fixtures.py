#!/usr/bin/env python3
"""Makes Tests/MorphologyTests/Fixtures/morphology.json: components, distances and watersheds as
scipy and scikit-image compute them.

    python3 -m venv /tmp/fixtures-venv
    /tmp/fixtures-venv/bin/pip install scikit-image==0.26.0 scipy==1.17.1
    /tmp/fixtures-venv/bin/python Scripts/make-morphology-fixtures.py

Reliefs have no two pixels of the same height, since scikit-image orders equal markers by the chance of
its heap, where here the first one is first.
"""

import json
import pathlib

import numpy as np
from scipy import ndimage
from skimage.segmentation import watershed

OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "Tests/MorphologyTests/Fixtures"
EDGES = ndimage.generate_binary_structure(2, 1)
ALL = ndimage.generate_binary_structure(2, 2)


def case(seed, height, width):
    random = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(random.normal(size=(height, width)), 1.5)
    ranks = np.argsort(np.argsort(smooth.ravel())).reshape(smooth.shape)  # 0 ... n - 1, distinct
    pixels = ranks > 0.6 * ranks.size
    relief = ranks.astype(np.float64)

    # Markers: minima of the relief that are at least three pixels apart.
    markers = np.zeros_like(ranks, dtype=np.int32)
    for place in np.argsort(ranks.ravel()):
        y, x = divmod(int(place), width)
        around = markers[max(0, y - 3):y + 4, max(0, x - 3):x + 4]
        if relief[y, x] == relief[max(0, y - 1):y + 2, max(0, x - 1):x + 2].min() and not around.any():
            markers[y, x] = markers.max() + 1
    mask = ranks < 0.9 * ranks.size
    flat = lambda array: np.asarray(array).astype(int).ravel().tolist()
    return {
        "width": width, "height": height, "pixels": flat(pixels), "relief": flat(relief),
        "markers": flat(markers), "mask": flat(mask),
        "components4": flat(ndimage.label(pixels, EDGES)[0]),
        "components8": flat(ndimage.label(pixels, ALL)[0]),
        "squares": flat(np.rint(ndimage.distance_transform_edt(~pixels) ** 2)),
        "watershed4": flat(watershed(relief, markers, EDGES)),
        "watershed8": flat(watershed(relief, markers, ALL)),
        "lines4": flat(watershed(relief, markers, EDGES, watershed_line=True)),
        "lines8": flat(watershed(relief, markers, ALL, watershed_line=True)),
        "masked4": flat(watershed(relief, markers, EDGES, mask=mask)),
        "maskedLines4": flat(watershed(relief, markers, EDGES, mask=mask, watershed_line=True)),
    }


if __name__ == "__main__":
    cases = [case(1, 24, 31), case(2, 40, 17), case(3, 33, 33)]
    OUTPUT.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
    (OUTPUT / "morphology.json").write_text(f"[{lines}]\n")
