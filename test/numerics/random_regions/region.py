# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A token region as data, and its text in the `rwkv` dialect.

Sizes have names, so that a region can be made smaller by changing one number: a dim is the name of an axis ("A"), a
number of blocks ("A/2": the blocks of 2 on axis A) or a literal ("2"). A value's type is the tuple of its dims, () for
a scalar; the type of a state is the State it descends from."""

import dataclasses

BINARY = {
    "add": "arith.addf",
    "sub": "arith.subf",
    "mul": "arith.mulf",
    "div": "arith.divf",
    "max": "arith.maximumf",
    "min": "arith.minimumf",
}
UNARY = {
    "neg": "arith.negf",
    "exp": "math.exp",
    "tanh": "math.tanh",
    "abs": "math.absf",
    "sigmoid": "rwkv.sigmoid",
    "silu": "rwkv.silu",
    "relu": "rwkv.relu",
    "softplus": "rwkv.softplus",
}
STATE_OPS = ("write", "decay", "transform", "maximum", "hold", "count")  # those that make a state


@dataclasses.dataclass
class Operand:
    """`heads`: the number of groups, which divides the heads of the states. `kind`: what numbers it is made of."""

    name: str
    clause: str  # over, const
    dims: tuple
    kind: str
    heads: int
    low: float = 0.0  # of the kind "bounded"
    high: float = 0.0


@dataclasses.dataclass
class State:
    name: str
    keys: tuple
    value: str

    @property
    def dims(self):
        return (*self.keys, self.value)


@dataclasses.dataclass
class Op:
    """`args` in the order of the text: read: state, keys; write: state, keys, value, scale if there is one; decay:
    state, logarithm; transform: state, matrix; maximum: state, what is added, value; hold: state, source, counter;
    count: state; select: a number or one per element, what is taken where it is above 0, and elsewhere. `dims` is None for
    ops that make a state."""

    name: str
    kind: str
    args: list
    dims: tuple
    axis: str = ""  # of decay and transform; of sum, a position
    number: float = 0.0  # of fill
    bound: tuple = ()  # of decay: (low, high)
    scaled: bool = False  # write: the last argument is a scale
    orthogonal: bool = False  # transform: asserted
    period: int = 0  # of count


@dataclasses.dataclass
class Region:
    sizes: dict
    heads: int
    operands: list
    states: list
    ops: list
    outputs: list
    yields: list  # names of the last states, in the order of `states`
    element: str = "f32"
    dynamic: bool = False  # sizes are left open in the text
    packed: bool = False

    def size(self, dim):
        if "/" in dim:
            axis, block = dim.split("/")
            return self.sizes[axis] // int(block)
        return int(dim) if dim.isdigit() else self.sizes[dim]

    def shape(self, dims):
        return tuple(self.size(d) for d in dims)

    def of_clause(self, clause):
        return [o for o in self.operands if o.clause == clause]

    def roots(self):
        """{value that is a state: the State it descends from}."""
        result = {s.name: s for s in self.states}
        for op in self.ops:
            if op.kind in STATE_OPS:
                result[op.name] = result[op.args[0]]
        return result

    def types(self):
        """{value that is no state: its dims}."""
        result = {o.name: o.dims for o in self.operands}
        result.update({op.name: op.dims for op in self.ops if op.kind not in STATE_OPS})
        return result

    def write_parts(self, op, root):
        """(keys, value, scale or None) of a write."""
        count = len(root.keys)
        return op.args[1 : 1 + count], op.args[1 + count], op.args[2 + count] if op.scaled else None

    def counters(self):
        """{state that counts tokens: its period}."""
        roots = self.roots()
        return {roots[op.name].name: op.period for op in self.ops if op.kind == "count"}

    def names(self):
        """Of the results of the function."""
        return [*self.outputs, *(s.name for s in self.states)]

    # ---- text

    def text(self):
        return _Printer(self).text()


class _Printer:
    def __init__(self, region):
        self.r = region
        self.aliases = {}

    def number(self, dim):
        return "?" if self.r.dynamic and not dim.isdigit() else str(self.r.size(dim))

    def tensor(self, dims, lead=()):
        parts = [*lead, *map(self.number, dims)]
        return "tensor<" + "x".join([*parts, self.r.element]) + ">"

    def condition(self, dims):
        return self.tensor(dims).replace(self.r.element + ">", "i1>")

    def value(self, dims):
        if not dims:
            return self.r.element
        name = "!" + "_".join(d.replace("/", "by") if not d.isdigit() else d for d in dims)
        self.aliases[name] = self.tensor(dims)
        return name

    def state(self, state):
        name = "!" + state.name
        keys = "x".join(self.number(k) for k in state.keys)
        self.aliases[name] = f"!rwkv.state<{keys}|{self.number(state.value)}x{self.r.element}>"
        return name

    def outer(self, operand):
        heads = "?" if self.r.dynamic else str(operand.heads)
        return self.tensor(operand.dims, ["?", "?", heads] if operand.clause == "over" else [heads])

    def op(self, op, types, roots):
        def joined(names):
            return ", ".join("%" + n for n in names)

        a = ["%" + n for n in op.args]
        left = f"%{op.name} = "
        if op.kind == "read":
            return f"{left}rwkv.read {a[0]}[{joined(op.args[1:])}] : {self.state(roots[op.args[0]])}"
        if op.kind == "write":
            root = roots[op.name]
            keys, value, scale = self.r.write_parts(op, root)
            scale = f" scale %{scale}" if scale else ""
            return f"{left}rwkv.write {a[0]}[{joined(keys)}], %{value}{scale} : {self.state(root)}"
        if op.kind == "decay":
            low_high = ", ".join(f"{x!r} : f32" for x in op.bound)
            bound = f" bound [{low_high}]" if op.bound else ""
            return f'{left}rwkv.decay {a[0]}, {a[1]} on "{op.axis}"{bound} : {self.state(roots[op.name])}'
        if op.kind == "transform":
            matrix = self.value(types[op.args[1]])
            orthogonal = " orthogonal" if op.orthogonal else ""
            state = self.state(roots[op.name])
            return f'{left}rwkv.transform {a[0]}, {a[1]} on "{op.axis}"{orthogonal} : {state}, {matrix}'
        if op.kind == "maximum":
            return f"{left}rwkv.maximum {', '.join(a)} : {self.state(roots[op.name])}"
        if op.kind == "hold":
            return f"{left}rwkv.hold {a[0]}, {a[1]} at {a[2]} : {self.state(roots[op.name])}"
        if op.kind == "count":
            return f"{left}rwkv.count {a[0]} every {op.period} : {self.state(roots[op.name])}"
        to = self.value(op.dims)
        if op.kind == "fill":
            return f"{left}rwkv.fill {op.number!r} : {to}" if op.dims else f"{left}arith.constant {op.number!r} : {to}"
        given = [self.value(types[n]) for n in op.args]
        if op.kind == "select":
            dims = types[op.args[0]]
            zero = f"rwkv.fill 0.0 : {given[0]}" if dims else f"arith.constant 0.0 : {given[0]}"
            which = f"{self.condition(dims)}, " if dims else ""
            return (
                f"%{op.name}_0 = {zero}\n    %{op.name}_c = arith.cmpf ogt, {a[0]}, %{op.name}_0 : {given[0]}\n"
                f"    {left}arith.select %{op.name}_c, {a[1]}, {a[2]} : {which}{to}"
            )
        if op.kind == "broadcast":
            on = f" on [{op.axis}]" if op.axis else ""
            return f"{left}rwkv.broadcast {a[0]}{on} : {given[0]} -> {to}"
        if op.kind == "sum":
            return f"{left}rwkv.sum {a[0]} over {op.axis} : {given[0]} -> {to}"
        if op.kind == "dot":
            return f"{left}rwkv.dot {a[0]}, {a[1]} : {given[0]} -> {to}"
        if op.kind == "matvec":
            return f"{left}rwkv.matvec {a[0]}, {a[1]} : {given[0]}, {given[1]} -> {to}"
        name = BINARY.get(op.kind) or UNARY[op.kind]
        return f"{left}{name} {', '.join(a)} : {to}"

    def text(self):
        r = self.r
        types, roots = r.types(), r.roots()
        heads = "?" if r.dynamic else str(r.heads)
        declared = {o.name: self.outer(o) for o in r.operands}
        declared.update({s.name: self.tensor(s.dims, ["?", heads]) for s in r.states})
        ordered = [*r.of_clause("over"), *r.of_clause("const"), *r.states]
        arguments = [f"%in_{x.name}: {declared[x.name]}" for x in ordered]
        results = [self.tensor(types[o], ["?", "?", heads]) for o in r.outputs] + [declared[s.name] for s in r.states]
        returned = ", ".join(results)
        groups = [("over", r.of_clause("over")), ("const", r.of_clause("const")), ("init", r.states)]
        clauses = []
        for clause, group in groups:
            if group:
                inner = ", ".join(f"%{x.name} = %in_{x.name} : {declared[x.name]}" for x in group)
                clauses.append(f"      {clause}({inner})")
        if r.packed:
            arguments.append("%cu: tensor<?xi32>")
            clauses.append("      reset(%cu : tensor<?xi32>)")
        body = ["    " + self.op(op, types, roots) for op in r.ops]
        yielded = ", ".join("%" + n for n in [*r.outputs, *r.yields])
        kinds = ", ".join([self.value(types[o]) for o in r.outputs] + [self.state(s) for s in r.states])
        lines = [f"{name} = {text}" for name, text in sorted(self.aliases.items())]
        lines.append(f"func.func @f({', '.join(arguments)})")
        lines.append(f"    -> ({returned}) {{")
        lines.append(f"  %y:{len(results)} = rwkv.recurrence")
        lines += clauses
        lines.append(f"      -> ({returned}) {{")
        lines += body
        lines.append(f"    rwkv.yield {yielded} : {kinds}")
        lines.append("  }")
        lines.append(f"  return {', '.join(f'%y#{i}' for i in range(len(results)))} : {returned}")
        return "\n".join([*lines, "}", ""])
