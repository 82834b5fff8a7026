# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Random operands. A profile bends them:

near0, near1   factors of decays near 0, or near 1
strong         all logarithms of decays are -5: what a chunk multiplies up leaves the range of f32
steep          they are anywhere from -5 to 0
cliffs         hardly any decay, but for a few tokens and channels that forget everything: -50, -1e4, -inf
slow           little decay: memories of tens of tokens and more
duplicate      keys that are almost the same for all tokens
similar        keys whose cosine with a common one is 0.98 to 1
reflections    such keys, all of them with beta 2: nothing contracts
small, large   what is no key, decay or gate is 1e-6, or 1e6 times as large: far from what 16 bits of an f16 hold
spikes         it is 1e6 times as large for a few tokens
lone           only a few elements of states are 1e6 times as large, the others as usual"""

import numpy as np

import tool


def numbers(kind, shape, rng, profile):
    x = rng.standard_normal(shape)
    if kind == "key":  # of length one
        if profile == "duplicate" and x.ndim == 4:
            x = x[:, :1] + 1e-3 * x
        if profile in ("similar", "reflections") and x.ndim == 4:
            lengths = np.sqrt((x * x).sum(-1, keepdims=True))
            x = x / lengths
            x = x[:, :1] + rng.uniform(0, 0.2, lengths.shape) * x
        return x / np.maximum(np.sqrt((x * x).sum(-1, keepdims=True)), 1e-6)
    if kind == "decay":  # natural logarithm
        if profile == "near0":
            x = -rng.uniform(5, 90, shape)
            x[rng.random(shape) < 0.1] = -130.0  # a factor below the smallest denormal of f32
            return x
        if profile == "near1":
            x = -rng.uniform(0, 1e-5, shape)
            x[rng.random(shape) < 0.1] = 0.0
            return x
        if profile == "strong":
            return np.full(shape, -5.0)
        if profile == "steep":
            return -rng.uniform(0, 5, shape)
        if profile == "slow":
            return -rng.uniform(0, 0.03, shape)
        if profile == "cliffs":
            x = -rng.uniform(0, 0.02, shape)
            fallen = rng.random(shape) < 0.02
            fallen |= rng.random(shape[:3] + (1,) * len(shape[3:])) < 0.03
            x[fallen] = rng.choice([-50.0, -1e4, -np.inf], int(fallen.sum()))
            return x
        return -np.exp(rng.uniform(-7, 1.5, shape))
    if kind == "beta":
        return np.full(shape, 2.0) if profile == "reflections" else rng.uniform(0, 2, shape)
    if kind == "gate":
        return rng.uniform(0, 1, shape)
    if kind == "count":  # of tokens, modulo 16
        return rng.integers(0, 16, shape).astype(float)
    if kind == "recurrent":
        return 0.5 * x / np.sqrt(shape[-1])
    if kind == "rotation":
        angle = rng.uniform(-np.pi, np.pi, shape[:-2])
        c, s = np.cos(angle), np.sin(angle)
        return np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], -2)
    if profile in ("small", "large"):
        return x * (1e-6 if profile == "small" else 1e6)
    if profile == "spikes":
        x[:, rng.random(x.shape[1]) < 0.03] *= 1e6
    return x


def make(r, types, sizes, batch, tokens, rng, profile, sequences=None):
    """(as given to rwkv-run, as the kernel sees them): {name: array}. With `sequences`, states are per sequence."""
    given = {}
    for group, operands, lead in [
        ("over", r.over, (batch, tokens)),
        ("over", r.consts, ()),
        ("state", r.states, (batch if sequences is None else sequences,)),
    ]:
        for name, operand in operands.items():
            shape = lead + (sizes["H"] // operand.group,) + tuple(sizes[a] for a in operand.axes)
            given[name] = numbers(operand.kind, shape, rng, profile)
            if profile == "lone" and group == "state":
                given[name][rng.random(shape) < 3e-3] *= 1e6
    if r.adjust:
        r.adjust(given, rng, profile)
    if types.compute != "f64":
        given = {n: x.astype(np.float32) for n, x in given.items()}
    seen = {}
    for name, array in given.items():
        seen[name] = tool.rounded(array, types.of(name, "state" if name in r.states else "over"))
    return given, seen
