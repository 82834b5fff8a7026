# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Interpreters with a mistake. The test must be able to tell each of them from what a compiled region gives."""

import numpy as np

from . import interpret
from .interpret import FIRST, decay, evaluate, outer, read, select, transform
from .operands import Case


def _write(region, op, values, roots, keys=lambda k: k, scaled=True):
    names, value, scale = region.write_parts(op, roots[op.name])
    z = values[value]
    if scale and scaled:
        z = values[scale][:, :, None] * z
    return values[op.args[0]] + outer(keys([values[k] for k in names]), z)


def _swapped(keys):
    return keys[::-1] if len(keys) == 2 and keys[0].shape == keys[1].shape else keys


def _nearly(keys):
    """One element of a key is 0.3 % off."""
    if not keys:
        return keys
    factor = np.ones(keys[0].shape[-1])
    factor[-1] = 1.003
    return [keys[0] * factor, *keys[1:]]


def base_of_decays(region, op, values, roots):
    if op.kind == "decay":
        return decay(values[op.args[0]], np.log(2) * values[op.args[1]], op.axis)
    return None


def value_decay_on_a_key(region, op, values, roots):
    state = values[op.args[0]] if op.args else None
    if op.kind == "decay" and op.axis == "value" and state.ndim > FIRST + 1 and state.shape[FIRST] == state.shape[-1]:
        return decay(state, values[op.args[1]], "key0")
    return None


def transposed(region, op, values, roots):
    if op.kind == "transform":
        return transform(values[op.args[0]], values[op.args[1]].swapaxes(-1, -2), op.axis)
    return None


def scale_ignored(region, op, values, roots):
    return _write(region, op, values, roots, scaled=False) if op.kind == "write" else None


def reads_before_all_ops(region, op, values, roots):
    if op.kind == "read":
        return read(values[roots[op.args[0]].name], [values[k] for k in op.args[1:]])
    return None


def keys_of_writes_swapped(region, op, values, roots):
    return _write(region, op, values, roots, _swapped) if op.kind == "write" else None


def keys_of_reads_swapped(region, op, values, roots):
    return read(values[op.args[0]], _swapped([values[k] for k in op.args[1:]])) if op.kind == "read" else None


def key_nearly_right(region, op, values, roots):
    return _write(region, op, values, roots, _nearly) if op.kind == "write" else None


def peeks_carried(region, op, values, roots):
    """An op on a state sees the last one before it in the text, though that may be a peek."""
    if op.kind in ("write", "decay", "transform"):
        here = region.ops.index(op)
        last = next((o.name for o in reversed(region.ops[:here]) if roots.get(o.name) is roots[op.name]), None)
        if last is not None and last != op.args[0]:
            return evaluate(region, op, {**values, op.args[0]: values[last]}, roots)
    return None


def maximum_without_what_is_added(region, op, values, roots):
    return np.maximum(values[op.args[0]], values[op.args[2]]) if op.kind == "maximum" else None


def held_forever(region, op, values, roots):
    return values[op.args[0]] if op.kind == "hold" else None


def counter_never_starts_again(region, op, values, roots):
    return values[op.args[0]] + 1 if op.kind == "count" else None


def the_other_one_selected(region, op, values, roots):
    if op.kind != "select":
        return None
    condition, positive, other = (values[n] for n in op.args)
    return select(condition, other, positive)


OF_OPS = [
    base_of_decays,
    value_decay_on_a_key,
    transposed,
    scale_ignored,
    reads_before_all_ops,
    keys_of_writes_swapped,
    keys_of_reads_swapped,
    key_nearly_right,
    peeks_carried,
    maximum_without_what_is_added,
    held_forever,
    counter_never_starts_again,
    the_other_one_selected,
]


def boundary_off_by_one(case):
    """Packed sequences, the first shorter and the second longer by a token."""
    lengths = case.lengths
    if lengths is None or len(lengths) < 2 or lengths[0] == 0:
        return None
    return Case(case.batch, case.tokens, [lengths[0] - 1, lengths[1] + 1, *lengths[2:]], case.arrays)


NAMES = [m.__name__ for m in OF_OPS] + [boundary_off_by_one.__name__]


def apply(name, case):
    """(case, function that stands for interpret.run) of a mistake; None where it cannot be made."""
    if name == boundary_off_by_one.__name__:
        moved = boundary_off_by_one(case)
        return moved and (moved, interpret.run)
    mistake = next(m for m in OF_OPS if m.__name__ == name)

    def wrong(region, op, values, roots):
        result = mistake(region, op, values, roots)
        return evaluate(region, op, values, roots) if result is None else result

    return case, lambda region, inputs, disturb=None: interpret.run(region, inputs, disturb, wrong)
