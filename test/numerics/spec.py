# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A recurrence to be tested: its region, its reference, the mistakes that the test must notice, and the text of its
spec."""

import dataclasses
import pathlib
import re
import types
from typing import Callable, Optional

import numpy as np

import bounds
from bounds import Num

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"


@dataclasses.dataclass
class Operand:
    """`dims`: axes after the head, "" for a scalar per head, "K", "V", "K V"; for states the keys, "|", the value axis.
    `kind` says what random numbers it is made of (see inputs.py). Its heads are H / `group`."""

    dims: str
    kind: str = "normal"
    group: int = 1

    @property
    def axes(self):
        return self.dims.replace("|", " ").split()


@dataclasses.dataclass
class Recurrence:
    """`body`: the region without its yield; operands and states have their names in `over`, `consts`, `states`; types
    are !f (scalar), !K, !V, .. (vectors), !KV (matrices), !S, .. (states). `yields`: names of the yielded values. With
    `file`, a file of examples/, its function `function` is the recurrence instead; the order of operands is the same.

    `step(x, s, mistake)` is one token in numpy: x has the slices [B, H, ..] of the operands, s the states; it returns
    (outputs, next states). It is called with plain arrays and with bounds.Num.

    `transition(x, s)` is [B, H, n, n]: how the next states depend on the states, stacked along the key axis (one key
    axis, equal value axes). It is only needed where the entrywise bound would grow though the recurrence does not."""

    name: str
    over: dict
    states: dict
    outputs: dict
    step: Callable
    mistakes: tuple
    body: str = ""
    yields: tuple = ()
    consts: dict = dataclasses.field(default_factory=dict)
    sizes: tuple = ()  # of {"H": .., "K": .., ..}: what is compiled by default
    more: tuple = ()  # with --full
    transition: Optional[Callable] = None
    linearise: bool = False  # the same through derivatives of `step`, for vector states
    adjust: Optional[Callable] = None  # (inputs, rng, profile): relations between the operands
    types: tuple = ()  # of Types; empty: f32 everywhere
    profiles: tuple = ("normal",)
    rung: str = ""  # the named op that stands for the region; its operands are in the order of `over` and `consts`
    file: str = ""
    function: str = "f"
    tokens: int = 0  # at most, where the bound of a nonlinear recurrence grows with T
    exact: tuple = ()  # operands that stay f32 where others have 16 bits: what is asserted of them would not hold
    aliases: dict = dataclasses.field(default_factory=dict)
    text: Optional[Callable] = None  # (sizes): the whole spec, where there is more than one recurrence in f32

    def operands(self):
        return {**self.over, **self.consts, **self.states}


@dataclasses.dataclass(frozen=True)
class Types:
    """Element types outside of the region: of the operands, of the states, of the outputs; `but` names exceptions."""

    over: str = "f32"
    state: str = "f32"
    output: str = "f32"
    but: tuple = ()  # ((name, type), ..)

    @property
    def name(self):
        parts = [self.over] if self.over == self.state == self.output else [self.over, self.state, self.output]
        return "-".join(parts + [f"{n}:{t}" for n, t in self.but])

    @property
    def compute(self):
        return "f64" if self.over == "f64" else "f32"

    def of(self, name, group):
        return dict(self.but).get(name, getattr(self, group))


def shape_text(parts, element):
    return "tensor<" + "x".join([*map(str, parts), element]) + ">"


def closing(text, start):
    """Position of the parenthesis that closes the first one at or after `start`."""
    depth = 0
    for i in range(text.index("(", start), len(text)):
        depth += {"(": 1, ")": -1}.get(text[i], 0)
        if not depth:
            return i
    raise ValueError("expected a closing parenthesis")


def example_text(r, element_types, packed):
    """An example with other element types outside of its region, which stays as it is: aliases of operands begin with a
    capital letter, those of states with State. Packed: with cu_seqlens as its last argument."""
    text = (EXAMPLES / r.file).read_text()
    kept = {re.search(rf"%{name}: (!\w+)", text)[1] for name, element in element_types.but if element == "f32"}
    if element_types.compute != "f32" or element_types.over != element_types.output or len(kept) < len(element_types.but):
        raise ValueError(f"{r.file}: no variant with types {element_types.name}")

    def retyped(match):
        if match[1] in kept:
            return match[0]
        element = element_types.state if match[1].startswith("!State") else element_types.over
        return f"{match[1]}{match[2]}{element}>"

    text = re.sub(r"^(![A-Z]\w*)( *= tensor<[?0-9x]*x)f32>", retyped, text, flags=re.MULTILINE)
    if packed:
        end = closing(text, text.index(f"func.func @{r.function}("))
        text = text[:end] + ", %cu: tensor<?xi32>" + text[end:]
        end = closing(text, text.index("init(", end)) + 1
        text = text[:end] + " reset(%cu : tensor<?xi32>)" + text[end:]
    return text


def spec_text(r, sizes, element_types, packed):
    """The recurrence as a function of a spec: @f, or that of its example."""
    if r.text:
        return r.text(sizes)
    if r.file:
        return example_text(r, element_types, packed)
    f = element_types.compute
    alias, seen = [f"!f = {f}"], set()

    def add(name, text):
        if name not in seen:
            seen.add(name)
            alias.append(f"!{name} = {text}")

    for operand in [*r.over.values(), *r.consts.values(), *r.outputs.values(), *r.states.values()]:
        for axis in operand.axes:
            add(axis, shape_text([sizes[axis]], f))
        if len(operand.axes) > 1:
            add("".join(operand.axes), shape_text([sizes[a] for a in operand.axes], f))
    for name, dims in r.aliases.items():
        add(name, shape_text([sizes[a] for a in dims.split()], f))
    for name, state in r.states.items():
        keys, axis = state.dims.split("|")
        add(name, f"!rwkv.state<{'x'.join(str(sizes[k]) for k in keys.split())}|{sizes[axis.strip()]}x{f}>")

    def outer(name, group, operand, lead):
        heads = sizes["H"] // operand.group
        return shape_text([*lead, heads, *(sizes[a] for a in operand.axes)], element_types.of(name, group))

    declared = {}
    for name, operand in r.over.items():
        declared[name] = outer(name, "over", operand, ["?", "?"])
    for name, operand in r.consts.items():
        declared[name] = outer(name, "over", operand, [])
    for name, operand in r.states.items():
        declared[name] = outer(name, "state", operand, ["?"])
    results = [outer(n, "output", o, ["?", "?"]) for n, o in r.outputs.items()] + [declared[n] for n in r.states]
    arguments = [f"%in_{n}: {t}" for n, t in declared.items()] + (["%cu: tensor<?xi32>"] if packed else [])
    reset = " reset(%cu : tensor<?xi32>)" if packed else ""
    returned = ", ".join(results)
    lines = alias + [f"func.func @f({', '.join(arguments)}) -> ({returned}) {{"]
    if r.rung:
        over = ", ".join(f"%in_{n}" for n in r.over)
        init = ", ".join(f"%in_{n}" for n in r.states)
        const = " const(" + ", ".join(f"%in_{n}" for n in r.consts) + ")" if r.consts else ""
        given = ", ".join(declared.values()) + (", tensor<?xi32>" if packed else "")
        reset = " reset(%cu)" if packed else ""
        clauses = f"over({over}){const} init({init}){reset}"
        lines.append(f"  %y:{len(results)} = {r.rung} {clauses} : ({given}) -> ({returned})")
    else:
        clauses = []
        for clause, group in [("over", r.over), ("const", r.consts), ("init", r.states)]:
            if group:
                clauses.append(f"{clause}(" + ", ".join(f"%{n} = %in_{n} : {declared[n]}" for n in group) + ")")
        lines.append(f"  %y:{len(results)} = rwkv.recurrence {' '.join(clauses)}{reset} -> ({returned}) {{")
        lines += ["    " + line.strip() for line in r.body.strip().splitlines()]
        kinds = ["!" + "".join(o.axes) if o.axes else "!f" for o in r.outputs.values()] + [f"!{n}" for n in r.states]
        lines.append(f"    rwkv.yield {', '.join(r.yields)} : {', '.join(kinds)}")
        lines.append("  }")
    lines.append(f"  return {', '.join(f'%y#{i}' for i in range(len(results)))} : {returned}")
    return "\n".join(lines + ["}", ""])


# ---- running the reference


def slices(r, inputs, heads, wide):
    """Operands as wide numbers with one group per head: over [T][B, H, ..], const [1, H, ..], states [B, H, ..]."""

    def spread(array, axis):
        return (
            np.repeat(array.astype(wide), heads // array.shape[axis], axis) if array.shape[axis] else array.astype(wide)
        )

    over = {n: spread(inputs[n], 2) for n in r.over}
    consts = {n: spread(inputs[n], 0)[None] for n in r.consts}
    states = {n: inputs[n].astype(wide) for n in r.states}
    return over, consts, states


def reference(r, inputs, heads, wide=np.float64, mistake=None):
    """Values: ({output: [B, T, H, ..]}, {state: [B, H, ..]})."""
    over, consts, states = slices(r, inputs, heads, wide)
    tokens = next(iter(over.values())).shape[1]
    collected = []
    with np.errstate(all="ignore"):  # a mistake may overflow
        for t in range(tokens):
            x = types.SimpleNamespace(**{n: a[:, t] for n, a in over.items()}, **consts)
            outputs, states = r.step(x, types.SimpleNamespace(**states), mistake)
            collected.append(outputs)
            states = dict(zip(r.states, states))
    results = {}
    for i, name in enumerate(r.outputs):
        results[name] = np.stack([c[i] for c in collected], 1) if tokens else None
    return results, states


def stacked(errors, vectors):
    return np.concatenate([e[..., None] if vectors else e for e in errors], -2)


def jacobian(r, x, states):
    """[B, H, n, n]: derivatives of the next states in the states, all of them one after the other: central
    differences in float64, whose error is far below what a bound needs."""
    names, sizes = list(states), [s.shape[-1] for s in states.values()]
    flat = np.concatenate([states[n].astype(np.float64) for n in names], -1)
    step = 1e-6
    moves = step * np.concatenate([np.eye(flat.shape[-1]), -np.eye(flat.shape[-1])])
    moved = np.split(flat + moves[:, None, None, :], np.cumsum(sizes)[:-1], -1)
    _, following = r.step(x, types.SimpleNamespace(**dict(zip(names, moved))), None)
    up, down = np.split(np.concatenate(following, -1), 2)
    return np.moveaxis((up - down) / (2 * step), 0, -1)


def bounded(r, inputs, heads, precision):
    """As reference, with Num for every result."""
    with bounds.precision(precision):
        over, consts, states = slices(r, inputs, heads, precision.wide)
        tokens = next(iter(over.values())).shape[1]
        consts = {n: Num(a) for n, a in consts.items()}
        states = {n: Num(a) for n, a in states.items()}
        # States as matrices one above the other; vectors are columns.
        rows = [s.shape[-1] if r.linearise or len(s.shape) < 4 else s.shape[-2] for s in states.values()]
        accumulator = None
        if tokens and (r.transition or r.linearise):
            accumulator = bounds.Accumulator(stacked([s.e for s in states.values()], r.linearise))
        collected = []
        for t in range(tokens):
            x = types.SimpleNamespace(**{n: Num(a[:, t]) for n, a in over.items()}, **consts)
            outputs, following = r.step(x, types.SimpleNamespace(**states), None)
            following = dict(zip(r.states, following))
            if accumulator:
                # What this token's roundings add, from an exact state; what they add up to, through the transitions.
                exact = types.SimpleNamespace(**{n: Num(s.v) for n, s in states.items()})
                _, local = r.step(x, exact, None)
                plain = types.SimpleNamespace(**{n: bounds.value(getattr(x, n)).astype(np.float64) for n in vars(x)})
                values = {n: s.v for n, s in states.items()}
                transition = (
                    jacobian(r, plain, values) if r.linearise else r.transition(plain, types.SimpleNamespace(**values))
                )
                total = accumulator.step(transition, stacked([s.e for s in local], r.linearise))
                parts = np.split(total, np.cumsum(rows)[:-1], -2)
                parts = [p[..., 0] for p in parts] if r.linearise else parts
                following = {n: Num(s.v, e) for (n, s), e in zip(following.items(), parts)}
            states = following
            collected.append(outputs)
        results = {}
        for i, name in enumerate(r.outputs):
            if tokens:
                results[name] = Num(np.stack([c[i].v for c in collected], 1), np.stack([c[i].e for c in collected], 1))
        return results, states
