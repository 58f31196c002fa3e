#!/usr/bin/env python3
"""Makes the files of Tests/Fixtures: what PyTorch computes, for the tests to compare with.

Run it in a virtual environment outside the tree:

    python3 -m venv /tmp/fixtures-venv
    /tmp/fixtures-venv/bin/pip install 'torch==2.13.0+cpu' numpy safetensors \
        --extra-index-url https://download.pytorch.org/whl/cpu
    /tmp/fixtures-venv/bin/python Scripts/make-fixtures.py

The files are committed, so the tests need no Python. `make-fixtures.py --check FILE...` instead
reads files that this project wrote with the safetensors library and verifies their checksums.

Conventions, in all files:
- inputs, outputs and their gradients are channels-last, H x W x C; labels are H x W, as float32;
- weights are [out, in, kH, kW], those of transposed convolutions [in, out, kH, kW];
- every number that goes in is rounded to float32 first, then all is computed in float64, and what
  comes out is rounded to float32 once;
- a network file holds `input`, `labels` (of the output's size), `class_weights`, `logits`, `loss`,
  `parameter.NAME`, `gradient.NAME`, the losses of ten steps of SGD on the same input (`trajectory`,
  each taken before its update; `trajectory.float32` by float32 arithmetic) and `final.NAME`;
- mirror padding repeats the border value first: c b a | a b c.
"""

import argparse
import hashlib
import json
import struct
from pathlib import Path

import numpy as np
import safetensors.numpy
import torch
from torch import nn
from torch.nn import functional as F

FIXTURES = Path(__file__).resolve().parent.parent / "Tests" / "Fixtures"


def as_float32(values):
    """A contiguous float32 array of a tensor, or of anything numpy takes."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().numpy()
    return np.ascontiguousarray(values, dtype=np.float32)


def rounded(tensor):
    """Float64 values that float32 holds exactly."""
    return tensor.to(torch.float32).to(torch.float64)


def channels_last(tensor):
    """[1, C, H, W] as H x W x C."""
    return tensor[0].permute(1, 2, 0)


def save(name, tensors, metadata):
    """Writes one fixture, with the same bytes at every run.

    The library orders the tensors but leaves the metadata in the order of a hash table, so the
    header is written again with its keys sorted.
    """
    arrays = {key: as_float32(value) for key, value in tensors.items()}
    metadata = {key: str(value) for key, value in metadata.items()}
    blob = safetensors.numpy.save(arrays, metadata=metadata)
    (length,) = struct.unpack("<Q", blob[:8])
    header = json.loads(blob[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path = FIXTURES / f"{name}.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + blob[8 + length :])
    print(f"{path.name}: {len(arrays)} tensors, {path.stat().st_size} bytes")


# Padding and up-sampling


def mirror_indices(size, before, after):
    """Where each padded place takes its value from: a wave of period 2 * size."""
    places = torch.arange(-before, size + after) % (2 * size)
    return torch.where(places < size, places, 2 * size - 1 - places)


def pad(x, before, after, rule):
    """Pads rows and columns of [N, C, H, W] by `before` in front and `after` behind."""
    if rule == "zero":
        return F.pad(x, (before, after, before, after))
    if rule == "mirror":
        rows = mirror_indices(x.shape[2], before, after)
        columns = mirror_indices(x.shape[3], before, after)
        mirrored = x[:, :, rows][:, :, :, columns]
        if max(before, after) <= 1:
            assert torch.equal(
                mirrored, F.pad(x, (before, after, before, after), mode="replicate"))
        return mirrored
    assert rule == "none" and before == after == 0
    return x


def up_nearest(x, weight, bias, mirror):
    """Nearest doubling, then a 2x2 convolution with one padded row and column after the last."""
    doubled = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    assert torch.equal(doubled, F.interpolate(x, scale_factor=2, mode="nearest"))
    return F.conv2d(pad(doubled, 0, 1, "mirror" if mirror else "zero"), weight, bias)


# The network


class UNet(nn.Module):
    """The U-Net, its modules nested so that the parameters get the project's names."""

    def __init__(self, inputs, classes, base, depth, padding, upsampling, normalization="none"):
        super().__init__()
        self.depth, self.padding, self.upsampling = depth, padding, upsampling
        channels = [base << level for level in range(depth + 1)]

        def convolution(before, after):
            """A convolution, which may have its normalization as a child of its own."""
            result = nn.Conv2d(before, after, 3)
            if normalization != "none":
                size = {"instance": 1, "group": min(16, after & -after), "batch": None}
                size = size[normalization]
                result.norm = nn.GroupNorm(after // size, after) if size else nn.BatchNorm2d(after)
            return result

        def block(before, after):
            return nn.ModuleDict(
                {"conv1": convolution(before, after), "conv2": convolution(after, after)})

        self.down = nn.ModuleList(
            block(inputs if level == 0 else channels[level - 1], channels[level])
            for level in range(depth + 1))
        stages = {}
        for level in reversed(range(depth)):
            stage = block(2 * channels[level], channels[level])
            if upsampling == "transposed":
                stage["upconv"] = nn.ConvTranspose2d(channels[level + 1], channels[level], 2, 2)
            else:
                stage["upconv"] = nn.Conv2d(channels[level + 1], channels[level], 2)
            stages[str(level)] = stage
        self.up = nn.ModuleDict(stages)
        self.head = nn.Conv2d(base, classes, 1)

    def convolve(self, x, convolution):
        if self.padding != "valid":
            x = pad(x, 1, 1, self.padding)
        x = convolution(x)
        return F.relu(convolution.norm(x) if hasattr(convolution, "norm") else x)

    def forward(self, x):
        skips = []
        for level, stage in enumerate(self.down):
            if level > 0:
                x = F.max_pool2d(x, 2)
            x = self.convolve(self.convolve(x, stage["conv1"]), stage["conv2"])
            skips.append(x)
        for level in reversed(range(self.depth)):
            stage = self.up[str(level)]
            up = stage["upconv"]
            if self.upsampling == "transposed":
                x = up(x)
            else:
                x = up_nearest(x, up.weight, up.bias, mirror=self.padding == "mirror")
            skip = skips[level]
            top = (skip.shape[2] - x.shape[2]) // 2
            left = (skip.shape[3] - x.shape[3]) // 2
            skip = skip[:, :, top : top + x.shape[2], left : left + x.shape[3]]
            x = torch.cat([skip, x], dim=1)
            x = self.convolve(self.convolve(x, stage["conv1"]), stage["conv2"])
        return self.head(x)


def segmentation_loss(logits, labels, class_weights):
    """Weighted cross-entropy over the number of pixels, not over the sum of the weights."""
    total = F.cross_entropy(logits, labels, weight=class_weights, reduction="sum")
    return total / labels.numel()


def make_network(
    padding, upsampling, inputs, classes, tile, learning_rate, seed, normalization="none", base=4
):
    """Logits, loss, every gradient and ten steps of SGD of a small network."""
    depth, momentum, steps = 2, 0.9, 10
    torch.manual_seed(seed)
    statistics_before = {}
    sizes = (inputs, classes, base, depth, padding, upsampling, normalization)
    network = UNet(*sizes).double()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() == 4:
                fan_in = parameter[0].numel()
                if upsampling == "transposed" and parameter.shape[2] == 2:
                    fan_in = parameter.shape[0]
                parameter.copy_(rounded(torch.randn_like(parameter) * (2 / fan_in) ** 0.5))
            else:
                # Scales are about 1; shifts and biases about 0.
                scale = parameter[0].item() == 1 and normalization != "none"
                parameter.copy_(rounded(torch.randn_like(parameter) * 0.1 + scale))
    x = torch.randn(1, inputs, tile, tile, dtype=torch.float64)
    x = rounded(x + 1.5 * F.avg_pool2d(x, 5, 1, 2))
    # Running averages away from where they begin.
    statistics = {
        name: buffer for name, buffer in network.named_buffers() if "running" in name}
    for name, buffer in statistics.items():
        buffer.copy_(rounded(torch.rand_like(buffer) + (0.5 if name.endswith("var") else -0.5)))
        statistics_before[name] = buffer.clone()
    with torch.no_grad():
        evaluated = network.eval()(x)
        side = evaluated.shape[2]
    network.train()
    # Labels that follow the image, so that there is something to learn: quantiles of a smoothed
    # channel, which is not symmetric in rows and columns.
    border = (tile - side) // 2
    smooth = F.avg_pool2d(x, 3, 1, 1)[0, -1, border : border + side, border : border + side]
    shares = torch.arange(1, classes, dtype=torch.float64) / classes
    cuts = torch.quantile(smooth.flatten(), shares)
    labels = torch.bucketize(smooth.contiguous(), cuts)[None]
    class_weights = torch.tensor([0.75, 1.5, 2.25][:classes], dtype=torch.float64)

    logits = network(x)
    loss = segmentation_loss(logits, labels, class_weights)
    loss.backward()
    tensors = {
        "input": channels_last(x),
        "labels": labels[0],
        "class_weights": class_weights,
        "logits": channels_last(logits),
        "loss": loss.reshape(1),
    }
    for name, before in statistics_before.items():
        # What stands where others have a gradient: the statistics of the sample.
        after = network.get_buffer(name)
        tensors[f"parameter.{name}"] = before
        tensors[f"gradient.{name}"] = (after - 0.9 * before) / 0.1
    if statistics_before:
        tensors["logits.evaluation"] = channels_last(evaluated)
    for name, parameter in network.named_parameters():
        assert bool((parameter != 0).all()) and bool(parameter.grad.abs().max() > 0), name
        if normalization in ("instance", "batch") and name.endswith(("conv1.bias", "conv2.bias")):
            # The mean takes a bias off again; what is left is rounding.
            assert parameter.grad.abs().max() < 1e-12, name
        tensors[f"parameter.{name}"] = parameter.detach().clone()
        tensors[f"gradient.{name}"] = parameter.grad.clone()

    for dtype, suffix in [(torch.float64, ""), (torch.float32, ".float32")]:
        copy = UNet(*sizes).to(dtype)
        copy.load_state_dict(
            {name: tensors[f"parameter.{name}"].to(dtype)
             for name in copy.state_dict() if f"parameter.{name}" in tensors}, strict=False)
        optimizer = torch.optim.SGD(copy.parameters(), lr=learning_rate, momentum=momentum)
        losses = []
        for _ in range(steps):
            optimizer.zero_grad()
            step_loss = segmentation_loss(copy(x.to(dtype)), labels, class_weights.to(dtype))
            step_loss.backward()
            optimizer.step()
            losses.append(step_loss.item())
        tensors[f"trajectory{suffix}"] = losses
        if dtype == torch.float64:
            for name, parameter in copy.named_parameters():
                tensors[f"final.{name}"] = parameter
            for name in statistics_before:
                tensors[f"final.{name}"] = copy.get_buffer(name)
    # A trajectory that float32 already throws off course is no yardstick for anyone.
    rounding = np.abs(np.subtract(tensors["trajectory"], tensors["trajectory.float32"])).max()
    print("losses", " ".join(f"{value:.4f}" for value in tensors["trajectory"]),
          f"(float32 differs by {rounding:.1e})")
    assert rounding < 1e-6
    assert tensors["trajectory"][-1] < 0.8 * tensors["trajectory"][0]
    suffix = "" if normalization == "none" else f"-{normalization}"
    save(f"network-{padding}-{upsampling}{suffix}", tensors, {
        **({} if normalization == "none" else {"normalization": normalization}),
        "padding": padding, "upsampling": upsampling, "input_channels": inputs,
        "classes": classes, "base_channels": base, "depth": depth, "tile": tile,
        "output_side": side, "learning_rate": learning_rate, "momentum": momentum,
        "steps": steps,
    })


# Single kernels


def make_convolutions():
    """Single convolutions, each with its gradients."""
    torch.manual_seed(11)
    cases = [  # kernel, stride, rule, channels in, channels out, height, width
        (1, 1, "none", 5, 3, 4, 6),
        (1, 2, "none", 3, 4, 7, 6),
        (2, 1, "zero", 4, 3, 5, 6),
        (2, 1, "mirror", 3, 5, 6, 5),
        (2, 2, "none", 3, 2, 6, 8),
        (3, 1, "none", 1, 3, 7, 9),
        (3, 1, "zero", 5, 7, 6, 5),
        (3, 1, "mirror", 16, 8, 5, 7),
        (3, 2, "zero", 2, 3, 9, 8),
        (3, 3, "mirror", 3, 2, 8, 10),
        (5, 1, "none", 2, 3, 9, 7),
        (5, 1, "mirror", 3, 4, 6, 7),
        (5, 2, "zero", 4, 3, 8, 9),
        (5, 3, "mirror", 1, 2, 2, 9),
    ]
    tensors, metadata = {}, {}
    for kernel, stride, rule, inputs, outputs, height, width in cases:
        name = f"k{kernel}s{stride}-{rule}-{inputs}to{outputs}"
        before, after = (0, 0) if rule == "none" else ((kernel - 1) // 2, kernel // 2)
        x = rounded(torch.randn(1, inputs, height, width)).requires_grad_()
        weights = rounded(torch.randn(outputs, inputs, kernel, kernel)).requires_grad_()
        bias = rounded(torch.randn(outputs)).requires_grad_()
        y = F.conv2d(pad(x, before, after, rule), weights, bias, stride=stride)
        gradient = rounded(torch.randn(y.shape))
        y.backward(gradient)
        tensors |= {
            f"{name}.input": channels_last(x), f"{name}.weights": weights,
            f"{name}.bias": bias, f"{name}.output": channels_last(y),
            f"{name}.output_gradient": channels_last(gradient),
            f"{name}.input_gradient": channels_last(x.grad),
            f"{name}.weights_gradient": weights.grad, f"{name}.bias_gradient": bias.grad,
        }
        metadata[name] = f"{kernel} {stride} {rule} {before} {after}"
    metadata["format"] = "name: kernel stride rule padding-before padding-after"
    save("convolutions", tensors, metadata)


def make_upconvolutions():
    """The ways to double rows and columns, each with its gradients."""
    torch.manual_seed(12)
    tensors = {}
    for name in ["nearest-zero", "nearest-mirror", "transposed"]:
        for inputs, outputs, height, width in [(6, 3, 4, 5), (2, 1, 1, 3)]:
            shape = (inputs, outputs) if name == "transposed" else (outputs, inputs)
            x = rounded(torch.randn(1, inputs, height, width)).requires_grad_()
            weights = rounded(torch.randn(*shape, 2, 2)).requires_grad_()
            bias = rounded(torch.randn(outputs)).requires_grad_()
            if name == "transposed":
                y = F.conv_transpose2d(x, weights, bias, stride=2)
            else:
                y = up_nearest(x, weights, bias, mirror=name.endswith("mirror"))
            gradient = rounded(torch.randn(y.shape))
            y.backward(gradient)
            case = f"{name}-{inputs}to{outputs}"
            tensors |= {
                f"{case}.input": channels_last(x), f"{case}.weights": weights,
                f"{case}.bias": bias, f"{case}.output": channels_last(y),
                f"{case}.output_gradient": channels_last(gradient),
                f"{case}.input_gradient": channels_last(x.grad),
                f"{case}.weights_gradient": weights.grad, f"{case}.bias_gradient": bias.grad,
            }
    save("upconvolutions", tensors, {"format": "RULE-INtoOUT.ROLE"})


def make_pooling_and_loss():
    """2x2 maximum pooling with many ties, and the segmentation loss with class weights."""
    torch.manual_seed(13)
    x = torch.randint(0, 4, (1, 3, 6, 8)).double().requires_grad_()
    y = F.max_pool2d(x, 2)
    gradient = rounded(torch.randn(y.shape))
    y.backward(gradient)
    tensors = {
        "pooling.input": channels_last(x), "pooling.output": channels_last(y),
        "pooling.output_gradient": channels_last(gradient),
        "pooling.input_gradient": channels_last(x.grad),
    }
    logits = rounded(torch.randn(1, 4, 5, 7) * 4).requires_grad_()
    labels = torch.randint(0, 4, (1, 5, 7))
    class_weights = rounded(torch.tensor([0.5, 1.0, 2.0, 3.25]))
    loss = segmentation_loss(logits, labels, class_weights)
    loss.backward()
    tensors |= {
        "loss.logits": channels_last(logits), "loss.labels": labels[0],
        "loss.class_weights": class_weights, "loss.value": loss.reshape(1),
        "loss.probabilities": channels_last(torch.softmax(logits, dim=1)),
        "loss.logits_gradient": channels_last(logits.grad),
    }
    save("pooling-and-loss", tensors, {"format": "loss divided by the number of pixels"})


def make_losses():
    """Dice, its sum with the cross-entropy, and the focal loss, with weights and ignored pixels."""
    torch.manual_seed(15)
    logits = rounded(torch.randn(1, 4, 5, 7) * 3)
    labels = torch.randint(0, 4, (1, 5, 7))
    kept = torch.rand(1, 5, 7) > 0.2
    pixel_weights = rounded(torch.rand(1, 5, 7) * 3)
    class_weights = rounded(torch.tensor([0.5, 1.0, 2.0, 3.25]))

    def entropy(a, gamma):
        logs = torch.log_softmax(a, dim=1).gather(1, labels[:, None])[:, 0]
        factors = class_weights[labels] * pixel_weights * kept
        return (factors * (1 - logs.exp()) ** gamma * -logs).sum() / kept.sum()

    def dice(a):
        p = torch.softmax(a, dim=1) * kept[:, None]
        g = F.one_hot(labels, 4).movedim(-1, 1).to(a.dtype) * kept[:, None]
        both, size = (p * g).sum((0, 2, 3)), (p + g).sum((0, 2, 3))
        return 1 - (2 * both / size)[g.sum((0, 2, 3)) > 0].mean()

    tensors = {
        "logits": channels_last(logits), "labels": torch.where(kept, labels, 255)[0],
        "weights": pixel_weights[0], "class_weights": class_weights,
    }
    losses = {
        "cross-entropy": lambda a: entropy(a, 0), "dice": dice,
        "cross-entropy+dice": lambda a: entropy(a, 0) + dice(a), "focal": lambda a: entropy(a, 2),
    }
    for name, loss in losses.items():
        name = name.replace("+", "-")
        a = logits.clone().requires_grad_()
        value = loss(a)
        value.backward()
        tensors |= {f"{name}.value": value.reshape(1), f"{name}.gradient": channels_last(a.grad)}
    save("losses", tensors, {"format": "means over pixels whose label is not 255, the ignored one"})


def make_optimizers():
    """Five steps of each optimiser with given gradients; rows are steps."""
    torch.manual_seed(14)
    steps, count = 5, 10
    start = rounded(torch.randn(count))
    gradients = rounded(torch.randn(steps, count) * 0.5)
    tensors = {"parameter": start, "gradients": gradients}
    recipes = {
        "sgd": (torch.optim.SGD, {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01}),
        "adam": (torch.optim.Adam, {
            "lr": 0.01, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.02}),
        "adamw": (torch.optim.AdamW, {
            "lr": 0.01, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.1}),
    }
    states = {"momentum_buffer": "momentum", "exp_avg": "momentum", "exp_avg_sq": "variance"}
    metadata = {"steps": steps}
    for name, (kind, arguments) in recipes.items():
        parameter = nn.Parameter(start.clone())
        optimizer = kind([parameter], **arguments)
        rows = {"parameter": []}
        for gradient in gradients:
            parameter.grad = gradient.clone()
            optimizer.step()
            rows["parameter"].append(parameter.detach().clone())
            for key, role in states.items():
                if key in optimizer.state[parameter]:
                    value = optimizer.state[parameter][key]
                    rows.setdefault(role, []).append(value.clone())
        for role, values in rows.items():
            tensors[f"{name}.{role}"] = torch.stack(values)
        for key, value in arguments.items():
            if key == "betas":
                metadata[f"{name}.beta1"], metadata[f"{name}.beta2"] = value
            else:
                metadata[f"{name}.{key}"] = value
    save("optimizers", tensors, metadata)


def make_foreign_file():
    """A file exactly as the safetensors library writes it, other types included."""
    blob = safetensors.numpy.save({
        "floats": np.array([[1.5, -2.25, 3e-38], [3.25e38, 0.0, -0.0]], dtype=np.float32),
        "bytes": np.arange(5, dtype=np.uint8),
        "integers": np.array([-1, 2**62], dtype=np.int64),
        "scalar": np.array(0.125, dtype=np.float32),
        "empty": np.zeros((0, 3), dtype=np.float32),
    }, metadata={"note": "quotes \" and \\ and \u00e9\u4e16\U0001f600 and\ttabs"})
    (FIXTURES / "foreign.safetensors").write_bytes(blob)


def check(path):
    """Reads a file that this project wrote, with the library, and verifies its checksum."""
    blob = Path(path).read_bytes()
    with safetensors.safe_open(path, framework="np") as file:
        metadata, names = file.metadata(), list(file.keys())
        for name in names:
            assert file.get_tensor(name).dtype in (np.float32, np.uint8, np.int64), name
    digest = metadata["checksum"]
    (length,) = struct.unpack("<Q", blob[:8])
    place = blob.index(b'"checksum":"sha256:', 0, 8 + length) + len(b'"checksum":"sha256:')
    assert blob[place : place + 64].decode() == digest.removeprefix("sha256:")
    computed = hashlib.sha256(blob[:place] + b"0" * 64 + blob[place + 64 :]).hexdigest()
    assert f"sha256:{computed}" == digest, f"{path}: checksum differs"
    print(f"{path}: {len(names)} tensors, checksum right")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", nargs="+", metavar="FILE", help="read these files instead")
    arguments = parser.parse_args()
    if arguments.check:
        for path in arguments.check:
            check(path)
        return
    FIXTURES.mkdir(parents=True, exist_ok=True)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    make_network("valid", "nearest", inputs=1, classes=2, tile=64, learning_rate=0.008, seed=1)
    make_network("zero", "transposed", inputs=3, classes=2, tile=20, learning_rate=0.05, seed=2)
    make_network("mirror", "nearest", inputs=1, classes=3, tile=28, learning_rate=0.02, seed=3)
    make_network("valid", "nearest", inputs=1, classes=2, tile=64, learning_rate=0.1, seed=4,
                 normalization="instance")
    make_network("mirror", "transposed", inputs=3, classes=3, tile=24, learning_rate=0.05, seed=5,
                 normalization="group", base=8)
    make_network("zero", "nearest", inputs=1, classes=2, tile=20, learning_rate=0.05, seed=6,
                 normalization="batch")
    make_convolutions()
    make_upconvolutions()
    make_pooling_and_loss()
    make_losses()
    make_optimizers()
    make_foreign_file()


if __name__ == "__main__":
    main()
