# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What is asserted, bounds of decays and that matrices are orthogonal: data of that kind runs, at the ends of a bound
too; one number that is not refuses the call, and the message says of what it was asserted where. NaN is no such number: it
shows in the results of its head, but must not hide one that is."""

import dataclasses
import re
from typing import Callable

import numpy as np

import bounds
from recurrences import turns
from recurrences.common import ALL, SMALL
from recurrences.linear import GLA
from spec import Recurrence, Types, bounded, spec_text
from tool import Failed, Kernel

LO, HI = float(np.float32(-0.6)), 0.0
BELOW, ABOVE = float(np.nextafter(np.float32(LO), np.float32(-1))), float(np.float32(1e-30))


@dataclasses.dataclass
class Assertion:
    """`operand` is what something is asserted of. `breaches`: {name: (numbers of one head of one token, rng), which are
    to be changed in place}."""

    name: str
    recurrence: Recurrence
    operand: str
    inside: Callable
    breaches: dict
    kinds: tuple


def decays(rng, shape):
    g = rng.uniform(LO, HI, shape)
    g.flat[:2] = LO, HI
    return g


def placed(*values):
    """In different places of one vector."""

    def breach(x, rng):
        x[rng.permutation(len(x))[: len(values)]] = values

    return breach


DECAYS = Assertion(
    name="asserted",
    recurrence=Recurrence(
        name="asserted",
        sizes=SMALL[2:3],
        **{**GLA, "body": GLA["body"].replace('"key0"', '"key0" bound [-0.6 : f32, 0.0 : f32]')},
    ),
    operand="g",
    inside=decays,
    breaches={
        "below": placed(BELOW),
        "above": placed(ABOVE),
        "infinite": placed(-np.inf),
        "nan-and-below": placed(-0.7, np.nan),
        "nan-and-above": placed(0.1, np.nan),
    },
    kinds=("step", "scan", "chunk"),
)


def orthogonal(rng, shape):
    """Of either determinant."""
    return np.linalg.qr(rng.standard_normal(shape))[0]


def multiplied(factor):
    def breach(blocks, rng):
        blocks[rng.integers(len(blocks))] *= factor

    return breach


def sheared(blocks, rng):
    """Columns of length one that are not at right angles: R^T R has ones on its diagonal."""
    block = blocks[rng.integers(len(blocks))]
    block[:, 1] += 1e-4 * block[:, 0]
    block[:, 1] /= np.linalg.norm(block[:, 1])


def with_nan(breach):
    """In another block."""

    def both(blocks, rng):
        order = rng.permutation(len(blocks))
        blocks[order[0], 0, 0] = np.nan
        part = blocks[order[1:2]]
        breach(part, rng)
        blocks[order[1:2]] = part

    return both


def turn(size):
    """Small blocks are checked element by element, large ones by products of matrices."""
    known = next(r for r in ALL if r.name == "transform")
    names = dict(H=3, K=3 * size, V=7, P=3)
    if size == 2:
        names["two"] = 2
        body, dims = known.body, "P two two"
    else:
        names["Z"] = size
        body, dims = known.body.replace("!Ptwotwo", "!PZZ"), "P Z Z"
    over = {**known.over, "R": dataclasses.replace(known.over["R"], dims=dims)}
    fields = dict(
        name=f"asserted-orthogonal-{size}",
        sizes=(names,),
        over=over,
        body=body.replace('"key0"', '"key0" orthogonal'),
        step=lambda x, s, mistake: turns.turned_and_written(x, s),
        transition=lambda x, s: turns.blocks(x.R),
    )
    return dataclasses.replace(known, **fields)


def turned(size):
    return Assertion(
        name=f"asserted-orthogonal/{size}x{size}",
        recurrence=turn(size),
        operand="R",
        inside=orthogonal,
        breaches={
            "longer": multiplied(1 + 1e-4),
            "shorter": multiplied(1 - 1e-4),
            "zero": multiplied(0),
            "infinite": multiplied(np.inf),
            "sheared": sheared,
            "nan-and-longer": with_nan(multiplied(1 + 1e-4)),
            "nan-and-sheared": with_nan(sheared),
        },
        kinds=("step", "chunk"),
    )


ASSERTIONS = (DECAYS, turned(2), turned(17))


def run(tool, report, seed, kinds, selected, make=Kernel):
    """`kinds` of schedules; `make` makes kernels. Seven tokens are two chunks of three and one more."""
    for assertion in ASSERTIONS:
        run_schedule(tool, report, seed, assertion, assertion.name, [], True, selected, make)
        for kind, options in (("step", []), ("scan", []), ("chunk", ["--chunk=3"])):
            if kind in kinds and kind in assertion.kinds:
                options = [f"--schedule={kind}", *options]
                run_schedule(
                    tool, report, seed, assertion, f"{assertion.name}/{kind}", options, kind == "step", selected, make
                )


def run_schedule(tool, report, seed, assertion, prefix, options, in_order, selected, make):
    r = assertion.recurrence
    sizes, types, operand = r.sizes[0], Types(), assertion.operand
    names = [*r.over, *r.states]
    spec = tool.folder / "asserted.mlir"
    spec.write_text(spec_text(r, sizes, types, False))
    kernel = make(tool, spec, "f", prefix.replace("/", "-"), ["f32"] * len(names), ["f32", "f32"])
    rng = np.random.default_rng([seed, 5])
    shapes = {n: (2, 7, 3, *(sizes[a] for a in o.axes)) for n, o in r.over.items()} | {"S": (2, 3, sizes["K"], sizes["V"])}
    inside = {n: rng.standard_normal(s) for n, s in shapes.items()}
    inside[operand] = assertion.inside(rng, shapes[operand])
    inside = {n: x.astype(np.float32).astype(np.float64) for n, x in inside.items()}

    def passes():
        found = dict(zip([*r.outputs, *r.states], kernel.run([inside[n] for n in names], options)))
        outputs, states = bounded(r, inside, sizes["H"], bounds.F32)
        for n, x in {**outputs, **states}.items():
            room = x.e if in_order else 2e-5 * np.abs(x.v).max()  # other schedules sum otherwise: schedules.py
            if not (np.abs(found[n] - x.v) <= room).all():
                raise Failed(f"{n} is outside of its bound")

    def somewhere():
        return tuple(int(rng.integers(n)) for n in shapes[operand][:3])

    def shows():
        b, t, h = somewhere()
        broken = dict(inside, **{operand: inside[operand].copy()})
        one = broken[operand][b, t, h]
        one.flat[rng.integers(one.size)] = np.nan
        found = np.isnan(kernel.run([broken[n] for n in names], options)[0])
        expected = np.zeros(found.shape, bool)
        expected[b, t:, h] = True
        if not in_order:
            found[b, :t, h] = False  # the tokens of a chunk may share it
        if not np.array_equal(found, expected):
            raise Failed("expected NaN in the outputs of its head from its token on, and nowhere else")

    def check_named(message):
        found = re.search(r"asserted\.mlir:(\d+):(\d+): '([\w.]+)' expected over operand (\d+) (in|of) ", message)
        if not found:
            raise Failed(f"expected the place of what is asserted, and its operand, found: {message}")
        text = spec.read_text().splitlines()[int(found[1]) - 1][int(found[2]) - 1 :]
        words = f"{found[3]} ", "bound [" if found[5] == "in" else "orthogonal"
        if not all(word in text for word in words) or int(found[4]) != list(r.over).index(operand):
            raise Failed(f"expected the place and the number of {operand}, found: {message}")

    def refused(breach):
        outside = dict(inside, **{operand: inside[operand].copy()})
        with np.errstate(invalid="ignore"):
            breach(outside[operand][somewhere()], rng)
        arrays = [outside[n] for n in names]
        try:
            kernel.run(arrays, options)
        except Failed as failure:
            if "bound" not in str(failure):
                raise
            check_named(str(failure))
        else:
            raise Failed(f"{operand} was taken though it is not what is asserted of it")
        if tool.library:
            status, outputs = kernel.refuse(arrays)
            if not status.startswith("RWKV_E_BOUND"):
                raise Failed(f"expected RWKV_E_BOUND, found {status or 'success'}")
            check_named(status)
            if not all(np.isnan(x).all() for x in outputs):
                raise Failed("outputs of a refused call are not all NaN")

    cases = [("inside", passes, []), ("nan", shows, [])]
    cases += [(name, refused, [breach]) for name, breach in assertion.breaches.items()]
    for name, method, arguments in cases:
        if selected(f"{prefix}/{name}"):
            with report.case(f"{prefix}/{name}"):
                method(*arguments)
    kernel.close()
