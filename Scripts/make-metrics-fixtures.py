#!/usr/bin/env python3
"""Makes Tests/MetricsTests/Fixtures/metrics.json: scores of borders, outlines and objects as
scikit-image and scipy compute them.

    python3 -m venv /tmp/fixtures-venv
    /tmp/fixtures-venv/bin/pip install scikit-image==0.26.0 scipy==1.17.1
    /tmp/fixtures-venv/bin/python Scripts/make-metrics-fixtures.py

Probabilities are distinct float32 numbers, so that no two floods wait at one height.
"""

import json
import pathlib

import numpy as np
from scipy import ndimage
from skimage.metrics import adapted_rand_error, contingency_table, variation_of_information
from skimage.segmentation import watershed

OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "Tests/MetricsTests/Fixtures"
EDGES = ndimage.generate_binary_structure(2, 1)
THRESHOLDS = [np.float32(k) / np.float32(20) for k in range(1, 20)]
IGNORED = 255


def flat(array, kind=int):
    return [kind(value) for value in np.asarray(array).ravel()]


def cells(random, height, width, count):
    """Cells around random seeds, parted by lines of one to three pixels of 0."""
    markers = np.zeros((height, width), np.int32)
    for number in range(count):
        markers[random.integers(height), random.integers(width)] = number + 1
    relief = ndimage.gaussian_filter(random.normal(size=(height, width)), 1)
    lines = watershed(relief, markers, watershed_line=True) == 0
    thick = ndimage.binary_dilation(lines, EDGES)
    return ~np.where(random.random((height, width)) < 0.5, thick, lines)


def agreement(cells, segments, known):
    """V_Rand and V_Info of the foreground, each pixel without a segment one of its own."""
    chosen = known & (cells > 0)
    if not chosen.any():
        return None
    truth, found = cells[chosen].astype(np.int64), segments[chosen].astype(np.int64)
    single = found == 0
    found[single] = found.max() + 1 + np.arange(single.sum())
    table = contingency_table(truth, found).toarray().astype(np.float64)
    n = table.sum()
    pairs, truths, founds = (table ** 2).sum(), (table.sum(1) ** 2).sum(), (table.sum(0) ** 2).sum()
    rand = pairs / (0.5 * founds + 0.5 * truths)
    # The reference's own scores, which leave out the pairs of a pixel with itself, and count in bits.
    error, _, _ = adapted_rand_error(truth, found, ignore_labels=())
    assert abs(error - (1 - (pairs - n) / (0.5 * (founds - n) + 0.5 * (truths - n)))) < 1e-9
    split, merge = variation_of_information(truth, found, ignore_labels=())
    entropy = lambda counts: -sum(c / n * np.log2(c / n) for c in counts if c)
    h_truth, h_found = entropy(table.sum(1)), entropy(table.sum(0))
    shared = (h_truth + h_found - split - merge) / 2
    mean = (h_truth + h_found) / 2
    return {"rand": rand, "information": shared / mean if mean > 0 else 1.0}


def outline(inside, known):
    return inside & known & ~ndimage.binary_erosion(inside | ~known, EDGES, border_value=1)


def surface(truth, prediction, label, known):
    one, two = outline(truth == label, known), outline(prediction == label, known)
    if not one.any() or not two.any():
        return None
    there = ndimage.distance_transform_edt(~two)[one]
    back = ndimage.distance_transform_edt(~one)[two]
    return {"average": np.concatenate([there, back]).mean(),
            "hausdorff95": max(np.percentile(there, 95), np.percentile(back, 95))}


def borders(seed, height, width, count):
    random = np.random.default_rng(seed)
    interior = cells(random, height, width, count)
    truth = np.where(interior, 1 + random.integers(2), 0).astype(np.uint8)
    truth[interior & (np.mgrid[0:height, 0:width][1] > width // 2)] = 2
    if seed % 2:
        truth[height // 3:height // 2, :5] = IGNORED
    known = truth != IGNORED
    noise = ndimage.gaussian_filter(random.normal(size=(height, width)), 1)
    smooth = ndimage.gaussian_filter(interior.astype(float), 0.8) + 1.2 * noise
    ranks = np.argsort(np.argsort(smooth.ravel())).reshape(smooth.shape)
    probability = ((ranks + 0.5) / ranks.size).astype(np.float32)
    assert len(np.unique(probability)) == ranks.size
    reference = ndimage.label(known & (truth > 0), EDGES)[0]
    scores = []
    for threshold in THRESHOLDS:
        found = probability > threshold
        plain = ndimage.label(found, EDGES)[0]
        thinned = watershed(-probability, plain, EDGES, watershed_line=True)
        scores.append({
            "plain": agreement(reference, plain, known),
            "thinned": agreement(reference, thinned, known),
            "truePositives": int((known & (truth > 0) & found).sum()),
            "falsePositives": int((known & (truth == 0) & found).sum()),
            "falseNegatives": int((known & (truth > 0) & ~found).sum())})
    prediction = np.where(probability > 0.5, np.where(noise > 0.3, 2, 1), 0).astype(np.uint8)
    return {"width": width, "height": height, "truth": flat(truth),
            "interior": flat(probability, float), "prediction": flat(prediction),
            "thresholds": scores,
            "surfaces": [surface(truth, prediction, label, known) for label in range(4)]}


def objects(seed, height, width, count):
    random = np.random.default_rng(seed)
    truth = ndimage.label(cells(random, height, width, count), EDGES)[0]
    truth[:, width // 2:][truth[:, width // 2:] % 3 == 0] = 0
    moved = np.roll(truth, (0, 1), (0, 1))
    found = np.where(random.random(truth.shape) < 0.02, 0, moved)
    found[found % 5 == 0] = 0
    found[found == 2] = 1
    known = np.ones(truth.shape, bool)
    if seed % 2:
        known[: height // 4, : width // 3] = False
    a, b = truth[known], found[known]
    ids_a, ids_b = [i for i in np.unique(a) if i], [j for j in np.unique(b) if j]
    seg = matched = 0.0
    matches = [0] * 9
    for i in ids_a:
        for j in ids_b:
            shared = int(((a == i) & (b == j)).sum())
            union = int(((a == i) | (b == j)).sum())
            if 2 * shared > (a == i).sum():
                seg += shared / union
            if 2 * shared > union:
                matched += shared / union
            for k in range(9):
                matches[k] += 20 * shared > (10 + k) * union
    precisions = [m / (len(ids_a) + len(ids_b) - m) for m in matches]
    sq = matched / matches[0]
    rq = matches[0] / (matches[0] + (len(ids_b) - matches[0]) / 2 + (len(ids_a) - matches[0]) / 2)
    return {"reference": flat(truth), "prediction": flat(found), "known": flat(known),
            "referenceCount": len(ids_a), "predictedCount": len(ids_b),
            "seg": seg / len(ids_a), "averagePrecisions": precisions,
            "mean": float(np.mean(precisions)), "sq": sq, "rq": rq, "pq": sq * rq}


if __name__ == "__main__":
    OUTPUT.mkdir(parents=True, exist_ok=True)
    result = {"borders": [borders(1, 36, 44, 9), borders(2, 41, 29, 6)],
              "objects": [objects(3, 48, 60, 12), objects(4, 50, 61, 14)]}
    text = json.dumps(result, separators=(",", ":"))
    (OUTPUT / "metrics.json").write_text(text.replace('{"width"', '\n{"width"')
                                         .replace('{"reference":', '\n{"reference":') + "\n")
