# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Random regions that are legal by construction; legality.py, which knows nothing of how they are made, is asked again.

States have levels. What is read from a state may become a key, a decay or, through any function, a value of states of
higher levels; in its own level it may only enter values, affinely and with coefficients that are the same along the
value axis. Two states of one level feed each other.

One region in ten is lawless: it may break these rules, so that a schedule has to refuse it, or to be right anyway."""

import numpy as np

from .legality import analyse
from .region import Op, Operand, Region, State

NONLINEAR = ("tanh", "sigmoid", "silu", "relu", "softplus", "exp", "abs")


class Generator:
    def __init__(self, seed):
        self.rng = np.random.default_rng([seed, 1])
        self.seed = seed
        self.count = 0
        self.level = {}  # state: level
        self.current = {}  # state: its value so far
        self.versions = {}  # state: every value that it had, peeks not among them
        self.frame = {}  # state value: how often it decayed along the value axis, in which ops
        self.reads_of = {}  # value: states whose reads it depends on
        self.read_frame = {}  # read: (state, frame, whether of a peek)
        self.outputs_only = set()  # reads that must not feed a state
        self.blocks = {}  # (state, axis): block size
        self.shared = {}  # (clause, dims, kind): operands
        self.used = set()

    # ---- dice

    def chance(self, p):
        return self.rng.random() < p

    def pick(self, choices, weights=None):
        choices = list(choices)
        p = None if weights is None else np.array(weights) / sum(weights)
        return choices[int(self.rng.choice(len(choices), p=p))]

    def between(self, low, high):
        return int(self.rng.integers(low, high + 1))

    # ---- values

    def name(self, prefix):
        self.count += 1
        return f"{prefix}{self.count}"

    def emit(self, kind, args, dims, prefix="x", **more):
        name = self.name(prefix)
        self.region.ops.append(Op(name, kind, list(args), dims, **more))
        self.used.update(args)
        if dims is not None:
            self.reads_of[name] = frozenset().union(*(self.reads_of.get(n, frozenset()) for n in args))
            if set(args) & self.outputs_only:
                self.outputs_only.add(name)
        return name

    def operand(self, dims, kind, const=0.1, reuse=0.3, **more):
        clause = "const" if self.chance(const) else "over"
        key = clause, dims, kind
        if self.shared.get(key) and self.chance(reuse):
            return self.pick(self.shared[key])
        heads = self.region.heads
        if self.chance(0.15):
            heads = self.pick(g for g in range(1, heads + 1) if heads % g == 0)
        name = self.name({"unit": "k", "value": "v", "decay": "g", "bounded": "g"}.get(kind, kind[0]))
        self.region.operands.append(Operand(name, clause, dims, kind, heads, **more))
        self.shared.setdefault(key, []).append(name)
        self.reads_of[name] = frozenset()
        return name

    def fill(self, number, dims):
        return self.emit("fill", [], dims, number=number)

    def function(self, x, dims):
        """A nonlinear function that does not grow faster than its argument."""
        kind = self.pick(NONLINEAR)
        if kind == "exp":
            x = self.emit("neg", [self.emit("abs", [x], dims)], dims)
        return self.emit(kind, [x], dims)

    def select(self, x, other, dims, each=False):
        """One or the other, by an operand: a comparison of what is computed would turn on the last bit."""
        choices = [x, other]
        self.rng.shuffle(choices)
        return self.emit("select", [self.operand(dims if each else (), "value"), *choices], dims)

    def squashed(self, x, dims):
        """The same, into -1 .. 1."""
        kind = self.pick(["tanh", "sigmoid", "exp"])
        if kind == "exp":
            x = self.emit("neg", [self.emit("abs", [x], dims)], dims)
        return self.emit(kind, [x], dims)

    def lower(self, state, dims):
        """Values that depend on reads, all of them of lower levels."""
        types, level = self.region.types(), self.level[state.name] + (self.lawless and self.chance(0.5))
        return [
            n
            for n, d in types.items()
            if d == dims
            and self.reads_of[n]
            and n not in self.outputs_only
            and all(self.level[s] < level for s in self.reads_of[n])
        ]

    # ---- parts of state ops

    def key(self, state, axis):
        dims = (axis,)
        below = self.lower(state, dims)
        if below and self.chance(0.4):
            squashed = self.squashed(self.pick(below), dims)
            size = self.region.size(axis)
            return self.emit("mul", [squashed, self.fill(0.5 ** int(np.ceil(np.log2(size) / 2)), dims)], dims)
        key = self.operand(dims, "unit", reuse=0.4)
        if self.chance(0.08):  # RWKV's bonus: a factor that is the same for all tokens
            key = self.emit("mul", [self.operand(dims, "gate", const=0.8), key], dims)
        if self.chance(0.08):
            key = self.emit("neg", [key], dims)
        return key

    def keys(self, state):
        return [self.key(state, axis) for axis in state.keys]

    def coefficient(self, dims):
        """A scalar that keeps corrections small enough (operands.py sees to it), repeated to `dims`."""
        scalar = self.operand((), "coefficient", const=0.15)
        if self.chance(0.2):
            scalar = self.emit("mul", [scalar, self.squashed(self.operand((), "value"), ())], ())
        return self.emit("broadcast", [scalar], dims) if dims else scalar

    def free_value(self, state):
        """A value without reads of the state's own level."""
        dims = (state.value,)
        below = self.lower(state, dims)
        if below and self.chance(0.5):
            value = self.pick(below)
            value = self.function(value, dims) if self.chance(0.7) else value
            if self.chance(0.4):
                value = self.emit(self.pick(["mul", "add", "max"]), [value, self.operand(dims, "value")], dims)
            return value
        if self.chance(0.07) or (self.region.size(state.value) == 1 and self.chance(0.5)):
            return self.fill(self.pick([1.0, 0.5]), dims)
        value = self.operand(dims, "value")
        if self.chance(0.15):
            value = self.emit("mul", [self.squashed(self.operand(dims, "value"), dims), value], dims)
        if self.chance(0.08):
            value = self.select(value, self.operand(dims, "value"), dims, each=self.chance(0.7))
        return value

    def corrections(self, state, version, peek):
        """Reads that may enter a value written to `version`."""
        names, result = {s for s, level in self.level.items() if level == self.level[state.name]}, []
        if self.each(state) and not self.lawless:
            return []
        for read, (other, frame, of_peek) in self.read_frame.items():
            if other.name not in names or read in self.outputs_only or other.value != state.value:
                continue
            if len(names) == 1 and frame != self.frame[version] and not self.lawless:
                continue
            if len(names) > 1 and not peek and other is state and self.chance(0.5):
                continue
            if of_peek and not self.chance(0.15):
                continue
            result.append(read)
        return result

    def value(self, state, version, peek):
        """(value, scale or None) to be written to `version`."""
        dims = (state.value,)
        possible = self.corrections(state, version, peek)
        scale = None
        coupled = any(self.read_frame[n][0] is not state for n in possible)
        if not possible or not self.chance(0.9 if coupled else 0.6 if state.keys else 0.15):
            value = self.free_value(state)
            if self.chance(0.3):
                scale = self.operand((), "gate")
                below = self.lower(state, (state.value,))
                if below and self.chance(0.3):
                    scale = self.squashed(self.emit("sum", [self.pick(below)], (), axis="0"), ())
            return value, scale
        weights = [3 if self.read_frame[n][0] is not state else 1 for n in possible]
        chosen = [self.pick(possible, weights) for _ in range(self.between(1, min(3, len(possible))))]
        inside = len(chosen) > 1 or self.chance(0.5)  # coefficients on the reads, or one on the whole value
        terms = []
        for read in chosen:
            term = read
            if inside:
                parts = [self.coefficient(dims), read]
                self.rng.shuffle(parts)
                term = self.emit("mul", parts, dims)
                if self.chance(0.15):
                    term = self.emit("mul", [term, self.fill(self.pick([0.5, -0.25, 0.75]), dims)], dims)
            terms.append(self.emit("neg", [term], dims) if self.chance(0.25) else term)
        if self.chance(0.85):
            terms.insert(self.between(0, len(terms)), self.free_value(state))
        value = terms[0]
        for term in terms[1:]:
            value = self.emit(self.pick(["add", "sub"]), [value, term], dims)
        if self.chance(0.1):
            value = self.emit("neg", [value], dims)
        if self.chance(0.1):
            value = self.select(value, self.free_value(state), dims)
        if not inside:
            if self.chance(0.5):
                scale = self.coefficient(())
            else:
                value = self.emit("mul", [self.coefficient(dims), value], dims)
        elif self.chance(0.2):
            scale = self.operand((), "gate")
        if self.lawless and self.chance(0.5):
            value = self.squashed(value, dims)
        return value, scale

    def logarithm(self, state, dims, axis):
        """(value <= 0, bound)."""
        below = self.lower(state, dims) if dims else []
        if below and self.chance(0.35):
            read = self.pick(below)
            kind = self.pick(["softplus", "sigmoid", "exp"])
            if kind == "exp":
                read = self.emit("neg", [self.emit("abs", [read], dims)], dims)
            return self.emit("neg", [self.emit(kind, [read], dims)], dims), ()
        if not dims:
            vectors = [n for n in self.lower(state, (state.value,))]
            if vectors and self.chance(0.25):
                sum_ = self.emit("sum", [self.pick(vectors)], (), axis="0")
                return self.emit("neg", [self.emit("sigmoid", [sum_], ())], ()), ()
        if self.chance(0.15):
            x = self.operand(dims, "value")
            return self.emit("neg", [self.emit("softplus", [x], dims)], dims), ()
        if self.chance(0.25):
            low = float(np.float32(self.pick([-0.606531, -0.1, -5.0])))
            high = 0.0625 if self.chance(0.1) else 0.0
            name = self.operand(dims, "bounded", reuse=0.0, low=low, high=high)
            wider = self.chance(0.2)
            return name, (float(np.float32(low * 1.5)) if wider else low, high)
        return self.operand(dims, "decay", const=0.15), ()

    # ---- state ops

    def each(self, state):
        return state.name in self.elementwise

    def advance(self, state, version, peek, kind, args, **more):
        name = self.emit(kind, [version, *args], None, prefix=state.name + "_", **more)
        self.frame[name] = self.frame[version]
        if not peek:
            self.current[state.name] = name
            self.versions[state.name].append(name)
        return name

    def decay(self, state, version, peek):
        axes = ["all", *(f"key{i}" for i in range(len(state.keys)))] + ["value"] * (2 if not state.keys else 1)
        alone = sum(level == self.level[state.name] for level in self.level.values()) == 1
        if not alone and not self.lawless:
            axes.remove("value")
        if self.each(state):
            axes += ["each"] * 3
        axis = self.pick(axes)
        dims = {"all": (), "value": (state.value,), "each": state.dims}.get(axis) if axis[:3] != "key" else None
        dims = (state.keys[int(axis[3:])],) if dims is None else dims
        log, bound = self.logarithm(state, dims, axis)
        name = self.advance(state, version, peek, "decay", [log], axis=axis, bound=bound)
        if axis in ("value", "each"):
            self.frame[name] += (name,)
        return name

    def write(self, state, version, peek):
        keys = self.keys(state)
        value, scale = self.value(state, version, peek)
        more = [scale] if scale else []
        return self.advance(state, version, peek, "write", [*keys, value, *more], scaled=bool(scale))

    def transform(self, state, version, peek):
        choices = []
        for i, axis in enumerate(state.keys):
            n = self.region.size(axis)
            known = self.blocks.get((state.name, i))
            fresh = [p for p in (2, 3, 4) if n % p == 0] + [n] * (4 < n and self.chance(0.2))
            choices += [(i, p) for p in ([known] if known and self.chance(0.9) else fresh)]
        if not choices:
            return self.decay(state, version, peek)
        i, p = self.pick(choices)
        self.blocks.setdefault((state.name, i), p)
        dims = (f"{state.keys[i]}/{p}", str(p), str(p))
        kind = self.pick(["rotation", "contraction", "triangular", "singular"], [4, 3, 3, 1])
        matrix = self.operand(dims, kind, const=0.25)
        orthogonal = kind == "rotation" and self.chance(0.7)
        return self.advance(state, version, peek, "transform", [matrix], axis=f"key{i}", orthogonal=orthogonal)

    def maximum(self, state, version, peek):
        return self.advance(state, version, peek, "maximum", [self.of_state(state, "decay"), self.of_state(state, "value")])

    def of_state(self, state, kind):
        """A value of the shape of a state."""
        if not state.keys and kind == "value":
            return self.free_value(state)
        if len(state.keys) == 1 and self.chance(0.4):  # along one axis
            position = self.between(0, 1)
            vector = self.operand((state.dims[position],), kind)
            return self.emit("broadcast", [vector], state.dims, axis=str(position))
        return self.operand(state.dims, kind)

    def hold(self, source):
        """A state that holds another one, and its counter: at the start of the token."""
        held, counter = State("H0", source.keys, source.value), State("N0", (), "1")
        self.region.states += [held, counter]
        for s in (held, counter):
            self.level[s.name] = -1
            self.current[s.name] = s.name
            self.versions[s.name] = [s.name]
            self.frame[s.name] = ()
        self.advance(held, held.name, False, "hold", [source.name, counter.name])
        self.advance(counter, counter.name, False, "count", [], period=self.pick([1, 2, 3, 4, 6, 8, 12, 16, 48]))
        return held

    def read(self, state, version, peek=False, keys=None):
        keys = self.keys(state) if keys is None else keys
        own = [n for n in self.read_frame if self.read_frame[n][0] is state and state.value in state.keys]
        special = bool(own) and self.chance(0.05)
        if special:  # its key depends on a read of the same state, so it must go to outputs alone
            keys = list(keys)
            keys[state.keys.index(state.value)] = self.squashed(self.pick(own), (state.value,))
        name = self.emit("read", [version, *keys], (state.value,), prefix="y")
        self.reads_of[name] |= {state.name}
        self.read_frame[name] = (state, self.frame[version], peek)
        if special or any(k in self.outputs_only for k in keys):
            self.outputs_only.add(name)
        return name

    def delta(self, state):
        """The delta rule, whose transition contracts whatever the coefficient in 0 .. 2 is."""
        version = self.current[state.name]
        keys, dims = self.keys(state), (state.value,)
        y = self.read(state, version, keys=keys)
        if y in self.outputs_only:
            return
        if self.chance(0.3):
            self.read(state, version)
        v = self.free_value(state)
        beta = self.operand((), "beta")
        form = self.between(0, 2)
        if form == 0:
            value, scale = self.emit("sub", [v, y], dims), [beta]
        elif form == 1:
            e = self.emit("sub", [v, y], dims)
            value, scale = self.emit("mul", [self.emit("broadcast", [beta], dims), e], dims), []
        else:
            b = self.emit("broadcast", [beta], dims)
            value, scale = self.emit("sub", [v, self.emit("mul", [b, y], dims)], dims), []
        self.advance(state, version, False, "write", [*keys, value, *scale], scaled=bool(scale))

    def peek(self, state):
        version = self.pick(self.versions[state.name]) if self.chance(0.3) else self.current[state.name]
        for _ in range(self.between(1, 2)):
            kinds = [self.write, self.decay]
            if state.keys and not self.each(state):
                kinds.append(self.transform)
            if state.name in self.raised and not self.lawless:
                kinds = [self.maximum]
            version = self.pick(kinds, [3, 2, 1][: len(kinds)])(state, version, True)
            if self.chance(0.3):
                self.read(state, version, peek=True)
        if not self.chance(0.05):  # else nobody looks at it
            self.read(state, version, peek=True)

    def plain_read(self, state):
        version = self.pick(self.versions[state.name]) if self.chance(0.2) else self.current[state.name]
        self.read(state, version)

    def stale_read(self, state):
        """Of a state that is held; nothing changes what it reads."""
        version = self.versions[state.name][0 if self.lawless and self.chance(0.5) else -1]
        self.read(state, version)

    def actions(self, state):
        some = lambda p, n: self.between(1, n) if self.chance(p) else 0  # noqa: E731
        if state.name in self.raised:
            result = ["maximum"] * self.between(1, 2) + ["read"] * some(0.95, 3) + ["peek"] * some(0.2, 2)
            result += ["write"] * some(0.3 * self.lawless, 1)
            self.rng.shuffle(result)
            return result
        result = ["write"] * some(0.85, 2) + ["decay"] * some(0.75, 2) + ["read"] * some(0.95, 3)
        result += ["peek"] * some(0.2, 2)
        if state.keys and not self.each(state):
            result += ["delta"] * some(0.4, 2) + ["transform"] * some(0.3, 2)
        if self.each(state) and "decay" not in result:
            result.append("decay")
        if state.name in self.coupled:
            result += ["read", "write"]
        self.rng.shuffle(result)
        return result

    def act(self, state, action):
        version = self.current[state.name]
        if action in ("write", "decay", "transform", "maximum"):
            getattr(self, action)(state, version, False)
        else:
            {"read": self.plain_read, "delta": self.delta, "peek": self.peek, "held": self.stale_read}[action](state)

    # ---- outputs

    def output(self, read):
        """An output of which `read` is a part; any function of anything."""
        r, dims = self.region, self.region.types()[read]
        others = [n for n, d in r.types().items() if d == dims and self.reads_of[n] and n != read]
        form = self.between(0, 9)
        if self.chance(0.05):
            return self.select(read, self.pick([*others, self.operand(dims, "value")]), dims, each=self.chance(0.5))
        if form == 0:
            return self.function(read, dims)
        if form == 1:
            gate = self.emit(self.pick(["sigmoid", "silu"]), [self.operand(dims, "value")], dims)
            return self.emit("mul", [gate, read], dims)
        if form == 2 and others:
            return self.emit(self.pick(["add", "sub", "mul", "max", "min"]), [read, self.pick(others)], dims)
        if form == 3:
            return self.emit("dot", [read, self.operand(dims, "value")], ())
        if form == 4:
            scalar = self.emit("sum", [read], (), axis="0")
            return self.function(scalar, ()) if self.chance(0.3) else scalar
        if form == 5:
            gate = self.emit("broadcast", [self.operand((), "value", const=0.3)], dims)
            return self.emit("mul", [gate, read], dims)
        ones = [n for n, d in r.types().items() if len(d) == 1 and r.size(d[0]) == 1 and self.reads_of[n]]
        if form == 6 and ones:  # divided by a normaliser
            scalar = self.emit("abs", [self.emit("sum", [self.pick(ones)], (), axis="0")], ())
            bottom = self.emit("add", [self.fill(1.0, ()), scalar], ())
            return self.emit("div", [read, self.emit("broadcast", [bottom], dims)], dims)
        if form == 7 and self.chance(0.3):
            axis = self.pick(r.sizes)
            rows, columns = self.operand((axis,), "value"), read
            if axis == dims[0]:
                matrix = self.operand((axis, axis), "value", const=1.0)
                return self.emit("matvec", [matrix, read], (axis,))
            both = (axis, dims[0])
            left = self.emit("broadcast", [rows], both, axis="0")
            return self.emit("mul", [left, self.emit("broadcast", [columns], both, axis="1")], both)
        return read

    def outputs(self):
        outputs = self.region.outputs
        for read in list(self.read_frame):
            if self.chance(0.15 if read in self.used else 0.93):
                output = self.output(read)
                if output not in outputs:
                    outputs.append(output)
        if self.chance(0.03):
            outputs.append(self.emit("tanh", [self.operand((), "value", const=0.0)], ()))
        if not self.region.of_clause("over"):  # an op needs one, to know how many tokens there are
            outputs.append(self.emit("tanh", [self.operand((), "value", const=0.0, reuse=0.0)], ()))

    # ---- the whole

    def sizes(self):
        large = self.chance(0.08)
        names = "ABCD"[: self.between(2, 4)]
        sizes = {n: self.between(1, 9) for n in names}
        if self.chance(0.15):
            sizes[self.pick(names)] = 1
        if large:
            sizes[self.pick(names)] = self.pick([12, 16, 17, 24, 33])
        return sizes

    def state(self, i, kind, values):
        sizes = self.region.sizes
        keys = {"matrix": 1, "tensor": 2, "vector": 0, "each": self.pick([1, 1, 2]), "raised": self.pick([0, 0, 1, 2])}[kind]
        value = self.pick(values)
        while True:
            axes = tuple(self.pick(sizes) for _ in range(keys))
            if np.prod([sizes[a] for a in (*axes, value)]) <= 1500:
                return State(f"S{i}", axes, value)
            keys = min(keys, 1)

    def run(self):
        self.region = Region({}, self.between(1, 4), [], [], [], [], [], packed=self.chance(0.25))
        region = self.region
        region.sizes = self.sizes()
        region.element = "f64" if self.chance(0.12) else "f32"
        region.dynamic = self.chance(0.2)
        self.hard = self.chance(0.15)
        self.lawless = self.chance(0.1)
        mode = self.pick(["keyed", "flat", "mixed"], [76, 14, 10])
        kinds = {"keyed": ["matrix"] * 4 + ["tensor"], "flat": ["vector", "each", "raised"]}
        kinds["mixed"] = kinds["keyed"] + kinds["flat"] * 2
        count = self.pick([1, 2, 3], [45, 38, 17])
        chosen = [self.pick(kinds[mode]) for _ in range(count)]
        values = [self.pick(region.sizes)] if self.chance(0.7) else list(region.sizes)
        region.states = [self.state(i, kind, values) for i, kind in enumerate(chosen)]
        self.coupled = set()
        self.elementwise = {s.name for s, kind in zip(region.states, chosen) if kind == "each"}
        self.raised = {s.name for s, kind in zip(region.states, chosen) if kind == "raised"}
        levels = list(range(count))
        self.rng.shuffle(levels)
        self.level = {s.name: int(level) for s, level in zip(region.states, levels)}
        keyed = [s for s, kind in zip(region.states, chosen) if kind in ("matrix", "tensor")]
        if len(keyed) > 1 and keyed[0].value == keyed[1].value and self.chance(0.5):
            self.level[keyed[1].name] = self.level[keyed[0].name]
            self.coupled = {keyed[0].name, keyed[1].name}
        for s in region.states:
            self.current[s.name] = s.name
            self.versions[s.name] = [s.name]
            self.frame[s.name] = ()
        pending = [(s, a) for s in region.states for a in self.actions(s)]
        if self.chance(0.15):
            held = self.hold(self.pick(region.states))
            pending += [(held, "held")] * self.between(1, 2)
        order = [s for s, _ in pending]
        if self.chance(0.75):  # else one state after the other, as they are numbered
            self.rng.shuffle(order)
        if self.chance(0.4):  # lower states first, so that there is something to be fed with
            order.sort(key=lambda s: self.level[s.name])
        queues = {s.name: [a for x, a in pending if x is s] for s in region.states}
        for s in order:
            self.act(s, queues[s.name].pop(0))
        self.outputs()
        region.yields = [self.current[s.name] for s in region.states]
        return region


def generate(seed):
    """The region of a seed, and whether some of its decays are to be as hard as can be."""
    generator = Generator(seed)
    region = generator.run()
    broken = analyse(region).broken
    assert generator.lawless or not broken, f"seed {seed}: a region that is to be legal breaks a rule: {broken}"
    return region, generator.hard
