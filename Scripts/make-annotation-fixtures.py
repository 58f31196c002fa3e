#!/usr/bin/env python3
"""Makes Tests/AnnotationsTests/Fixtures/annotations.json: polygons filled by scikit-image, run lengths of
pycocotools, and regions.zip beside it: ImageJ's regions as roifile writes them.

    python3 -m venv /tmp/fixtures-venv
    /tmp/fixtures-venv/bin/pip install scikit-image==0.26.0 pycocotools==2.0.11 roifile==2026.2.10
    /tmp/fixtures-venv/bin/python Scripts/make-annotation-fixtures.py

scikit-image has the centre of the first pixel at 0, this program at 0.5; vertices are drawn from decimals that
put no centre on an edge, where the two decide differently.
"""

import json
import pathlib
import zipfile

import numpy as np
from pycocotools import mask as coco
from roifile import ROI_OPTIONS, ROI_TYPE, ImagejRoi
from skimage.draw import polygon

OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "Tests/AnnotationsTests/Fixtures"


def filled(seed, count, height, width, reach):
    """A polygon that crosses itself where it has many vertices, partly outside where reach is above 0."""
    random = np.random.default_rng(seed)
    x = np.round(random.uniform(-reach, width + reach, count), 3) + 0.0001
    y = np.round(random.uniform(-reach, height + reach, count), 3) + 0.0001
    rows, columns = polygon(y - 0.5, x - 0.5, (height, width))
    pixels = sorted((rows * width + columns).tolist())
    return {"width": width, "height": height, "points": np.stack([x, y], 1).round(4).tolist(),
            "pixels": pixels}


def runs(seed, height, width, share):
    random = np.random.default_rng(seed)
    mask = (random.uniform(size=(height, width)) < share).astype(np.uint8)
    if share == 0.5:
        # Long runs, whose differences need several characters.
        mask = np.repeat(mask, 40, 0)
        height *= 40
    text = coco.encode(np.asfortranarray(mask))["counts"].decode()
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat, [2]])))
    counts = np.diff(np.concatenate([[0], edges])).tolist()
    if counts and counts[-1] == 0:
        counts.pop()
    return {"width": width, "height": height, "text": text, "counts": counts,
            "pixels": np.flatnonzero(mask.ravel()).tolist()}


def regions(path):
    """Regions of every kind that is read, and a line; stored and deflated in turn. The last one is a square of
    12 with a hole of 4, joined to a square of 4 beside it, and lies on page 1 of a stack."""
    whole = np.array([[1, 2], [9, 2], [9, 7], [5, 12], [1, 7]])
    made = {}
    for name, kind in [("polygon", ROI_TYPE.POLYGON), ("freehand", ROI_TYPE.FREEHAND),
                       ("traced", ROI_TYPE.TRACED), ("line", ROI_TYPE.POLYLINE)]:
        made[name] = ImagejRoi.frompoints(whole + [10 * len(made), 0])
        made[name].roitype = kind
    made["parts"] = ImagejRoi.frompoints(np.array([[1.25, 15.5], [8.75, 15.5], [5, 20.25]]))
    made["parts"].options |= ROI_OPTIONS.SUB_PIXEL_RESOLUTION
    for name, kind in [("rectangle", ROI_TYPE.RECT), ("oval", ROI_TYPE.OVAL)]:
        made[name] = ImagejRoi.frompoints(whole)
        made[name].roitype = kind
        made[name].n_coordinates = 0
        made[name].integer_coordinates = None
        made[name].left, made[name].top = (12, 14) if name == "oval" else (22, 15)
        made[name].right, made[name].bottom = made[name].left + 8, made[name].top + 6
    path_of = lambda *corners: sum(
        [[0 if i == 0 else 1, *corner] for i, corner in enumerate(corners)], []) + [4]
    square = lambda x, y, side: path_of((x, y), (x + side, y), (x + side, y + side), (x, y + side))
    composed = np.array(square(26, 24, 12) + square(30, 28, 4) + square(38, 30, 4), ">f4")
    made["composed"] = ImagejRoi.frompoints(np.array([[26, 24], [42, 24], [42, 36]]))
    made["composed"].roitype = ROI_TYPE.RECT
    made["composed"].n_coordinates = 0
    made["composed"].integer_coordinates = None
    made["composed"].shape_roi_size = len(composed)
    made["composed"].multi_coordinates = composed
    made["composed"].position = 1
    with zipfile.ZipFile(path, "w") as archive:
        for number, (name, region) in enumerate(made.items()):
            entry = zipfile.ZipInfo(f"{name}.roi")
            entry.compress_type = zipfile.ZIP_DEFLATED if number % 2 else zipfile.ZIP_STORED
            archive.writestr(entry, region.tobytes())


if __name__ == "__main__":
    fixtures = {
        "polygons": [filled(1, 3, 20, 30, 0), filled(2, 5, 25, 25, 4), filled(3, 9, 31, 17, 8),
                     filled(4, 24, 24, 24, 2), filled(5, 4, 9, 40, 60)],
        "runs": [runs(1, 7, 9, 0.3), runs(2, 9, 7, 0.9), runs(3, 3, 5, 0), runs(4, 3, 5, 1),
                 runs(5, 4, 6, 0.5)],
    }
    OUTPUT.mkdir(parents=True, exist_ok=True)
    parts = [f'"{key}": [\n' + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]"
             for key, cases in fixtures.items()]
    (OUTPUT / "annotations.json").write_text("{" + ",\n".join(parts) + "}\n")
    regions(OUTPUT / "regions.zip")
