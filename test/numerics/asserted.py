# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Asserted bounds of decays: data inside of them runs, at the ends too; one number outside of them refuses the call.
NaN is not outside: it shows in the results of its head, but must not hide a number that is."""

import numpy as np

import bounds
from recurrences.common import SMALL
from recurrences.linear import GLA
from spec import Recurrence, Types, bounded, spec_text
from tool import Failed, Kernel

LO, HI = float(np.float32(-0.6)), 0.0
R = Recurrence(
    name="asserted",
    sizes=SMALL[2:3],
    **{**GLA, "body": GLA["body"].replace('"key0"', '"key0" bound [-0.6 : f32, 0.0 : f32]')},
)


def run(tool, report, seed, kinds, selected, make=Kernel):
    """`kinds` of schedules; `make` makes kernels. Seven tokens are two chunks of three and one more."""
    run_schedule(tool, report, seed, "asserted", [], True, selected, make)
    for kind, options in (("step", []), ("scan", []), ("chunk", ["--chunk=3"])):
        if kind in kinds:
            options = [f"--schedule={kind}", *options]
            run_schedule(tool, report, seed, f"asserted/{kind}", options, kind == "step", selected, make)


def run_schedule(tool, report, seed, prefix, options, in_order, selected, make):
    sizes, types = R.sizes[0], Types()
    names = [*R.over, *R.states]
    spec = tool.folder / "asserted.mlir"
    spec.write_text(spec_text(R, sizes, types, False))
    kernel = make(tool, spec, "f", prefix, ["f32"] * len(names), ["f32", "f32"])
    rng = np.random.default_rng([seed, 5])
    shapes = {n: (2, 7, 3, sizes[o.axes[0]]) for n, o in R.over.items()} | {"S": (2, 3, sizes["K"], sizes["V"])}
    inside = {n: rng.standard_normal(s).astype(np.float32).astype(np.float64) for n, s in shapes.items()}
    inside["g"] = rng.uniform(LO, HI, shapes["g"]).astype(np.float32).astype(np.float64)
    inside["g"].flat[:2] = LO, HI

    def passes():
        found = dict(zip([*R.outputs, *R.states], kernel.run([inside[n] for n in names], options)))
        outputs, states = bounded(R, inside, sizes["H"], bounds.F32)
        for n, x in {**outputs, **states}.items():
            room = x.e if in_order else 2e-5 * np.abs(x.v).max()  # other schedules sum otherwise: schedules.py
            if not (np.abs(found[n] - x.v) <= room).all():
                raise Failed(f"{n} is outside of its bound")

    def shows():
        b, t, h, k = (int(rng.integers(n)) for n in shapes["g"])
        broken = dict(inside, g=inside["g"].copy())
        broken["g"][b, t, h, k] = np.nan
        found = np.isnan(kernel.run([broken[n] for n in names], options)[0])
        expected = np.zeros(found.shape, bool)
        expected[b, t:, h] = True
        if not in_order:
            found[b, :t, h] = False  # the tokens of a chunk may share it
        if not np.array_equal(found, expected):
            raise Failed("expected NaN in the outputs of its head from its token on, and nowhere else")

    def refused(value, beside=None):
        outside = dict(inside, g=inside["g"].copy())
        at = rng.integers(outside["g"].size // sizes["K"]) * sizes["K"] + rng.permutation(sizes["K"])[:2]
        outside["g"].flat[at[0]] = value
        if beside is not None:  # in the same vector
            outside["g"].flat[at[1]] = beside
        arrays = [outside[n] for n in names]
        try:
            kernel.run(arrays, options)
        except Failed as failure:
            if "bound" not in str(failure):
                raise
        else:
            raise Failed(f"a decay of {value:.9g} was taken, outside of {LO:.9g} .. {HI:g}")
        if tool.library:
            status, outputs = kernel.refuse(arrays)
            if not status.startswith("RWKV_E_BOUND"):
                raise Failed(f"expected RWKV_E_BOUND, found {status or 'success'}")
            if not all(np.isnan(x).all() for x in outputs):
                raise Failed("outputs of a refused call are not all NaN")

    below, above = float(np.nextafter(np.float32(LO), np.float32(-1))), float(np.float32(1e-30))
    for name, method, arguments in [
        ("inside", passes, []),
        ("below", refused, [below]),
        ("above", refused, [above]),
        ("infinite", refused, [-np.inf]),
        ("nan", shows, []),
        ("nan-and-below", refused, [-0.7, np.nan]),
        ("nan-and-above", refused, [0.1, np.nan]),
    ]:
        if selected(f"{prefix}/{name}"):
            with report.case(f"{prefix}/{name}"):
                method(*arguments)
    kernel.close()
