#!/usr/bin/env python3
"""Makes Tests/MorphologyTests/Fixtures/peaks.json: h-maxima as scikit-image finds them.

    python3 -m venv /tmp/fixtures-venv
    /tmp/fixtures-venv/bin/pip install scikit-image==0.26.0 scipy==1.17.1
    /tmp/fixtures-venv/bin/python Scripts/make-peaks-fixtures.py

Heights are whole numbers, no two of them the same, so that no rounding and no order of equals decides.
"""

import json
import pathlib

import numpy as np
from scipy import ndimage
from skimage.morphology import h_maxima

OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "Tests/MorphologyTests/Fixtures"
EDGES = ndimage.generate_binary_structure(2, 1)
ALL = ndimage.generate_binary_structure(2, 2)


def case(seed, height, width, h):
    random = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(random.normal(size=(height, width)), 1.2)
    relief = np.argsort(np.argsort(smooth.ravel())).reshape(smooth.shape).astype(np.int64)

    # The highest pixel of each maximum that is left.
    def peaks(footprint):
        regions, count = ndimage.label(h_maxima(relief, h, footprint), footprint)
        places = [int(np.argmax(np.where(regions == n, relief, -1))) for n in range(1, count + 1)]
        return sorted(places)

    return {"width": width, "height": height, "dynamics": h, "relief": relief.ravel().tolist(),
            "peaks4": peaks(EDGES), "peaks8": peaks(ALL)}


if __name__ == "__main__":
    cases = [case(1, 24, 31, 40), case(2, 40, 17, 1), case(3, 33, 33, 150), case(4, 33, 33, 400)]
    lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
    (OUTPUT / "peaks.json").write_text(f"[{lines}]\n")
