# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Which schedules a region allows, from its ops alone.

Every region can run token by token (`step`). The rules of `chunk`, which solves for many tokens at once, where C is a
set of states that feed each other through reads (a strongly connected component):

  keys     keys, decays, matrices and scales of a state in C do not depend on reads of states in C of the same token;
           the keys of a read that feeds no state are exempt
  values   a written value is affine in reads of states in C, with coefficients that are the same along the value axis
  frames   between such a read and the write that it feeds, the state does not decay along its value axis; where C has
           several states, none of them does anywhere

`scan` runs states whose every element is on its own: vectors, and states that decay element by element. What feeds them
may be anything of other states, but nothing of themselves.

Two more kinds of states have both forms:

  raised   a maximum is all that ever happens to it, in peeks too
  held     it takes the place of another state, as that was before the token, where a counter is 0, and stays what it is
           elsewhere; reads are of what it is after that. The counter counts, and nothing else; nobody sees it otherwise

`cut` is `chunk` with sequences cut into segments, for states of which each does the same to all columns. `split` is `chunk`
with the values of a head over two tasks, for values that do not know of each other.

A verdict per schedule: "must" (the compiler has to accept it), "may" (it is not wrong, but asks for more than the rules
promise: the compiler may refuse, and what it accepts has to be right), "no"."""

import dataclasses

from .region import BINARY, STATE_OPS, UNARY


@dataclasses.dataclass
class Verdict:
    schedules: dict
    features: set
    broken: list  # rules, in words


class _Analysis:
    def __init__(self, region):
        self.r = region
        self.roots = region.roots()
        self.ops = {op.name: op for op in region.ops}
        self.reads = {}  # value: names of the states whose reads it depends on
        for operand in region.operands:
            self.reads[operand.name] = frozenset()
        for op in region.ops:
            if op.kind in STATE_OPS:
                continue
            of = [self.reads[n] for n in (op.args[1:] if op.kind == "read" else op.args)]
            own = {self.roots[op.args[0]].name} if op.kind == "read" else set()
            self.reads[op.name] = frozenset().union(own, *of)
        self.feeds = self._feeding()
        self.frames = self._value_frames()
        self.edges = self._edges()
        self.components = {s.name: self._component(s.name) for s in region.states}

    def _feeding(self):
        """Names of the values that flow into a state op other than a read that goes to outputs alone."""
        result = set()
        for op in reversed(self.r.ops):
            if op.kind in STATE_OPS or op.name in result:
                result.update(n for n in op.args if n not in self.roots)
        return result

    def _value_frames(self):
        """{state value: its decays along the value axis since the start of the token}."""
        frames = {s.name: () for s in self.r.states}
        for op in self.r.ops:
            if op.kind in STATE_OPS:
                more = (op.name,) if op.kind == "decay" and op.axis in ("value", "each") else ()
                frames[op.name] = frames[op.args[0]] + more
        return frames

    def operands_of(self, op):
        """Values that an op takes, if what it does may change a state."""
        if op.kind in ("hold", "count"):  # states only
            return []
        if op.kind in STATE_OPS or (op.kind == "read" and op.name in self.feeds):
            return op.args[1:]
        return []

    def _edges(self):
        """Pairs (A, B): reads of A flow into ops of B."""
        result = set()
        for op in self.r.ops:
            for n in self.operands_of(op):
                result.update((a, self.roots[op.args[0]].name) for a in self.reads[n])
        names = [s.name for s in self.r.states]
        for middle in names:  # transitive closure
            for a in names:
                for b in names:
                    if (a, middle) in result and (middle, b) in result:
                        result.add((a, b))
        return result

    def _component(self, name):
        return {name} | {s.name for s in self.r.states if (s.name, name) in self.edges and (name, s.name) in self.edges}

    # ---- rules

    def uniform(self, name):
        """Whether a vector is the same number everywhere."""
        op = self.ops.get(name)
        if op is None:
            return False
        if op.kind == "fill" or (op.kind == "broadcast" and not op.axis):
            return True
        return (op.kind in BINARY or op.kind in UNARY) and all(self.uniform(n) for n in op.args)

    def affine(self, name, component):
        """The reads of the component that a value is affine in; None if it is not affine or not uniform."""
        if not self.reads[name] & component:
            return []
        op = self.ops[name]
        if op.kind == "read":
            return [op] if self.roots[op.args[0]].name in component else None
        if op.kind in ("add", "sub", "neg"):
            parts = [self.affine(n, component) for n in op.args]
            return None if None in parts else [read for part in parts for read in part]
        if op.kind == "select":
            condition, *choices = op.args
            parts = [self.affine(n, component) for n in choices]
            own = self.reads[condition] & component or self.r.types()[condition]
            return None if own or None in parts else [read for part in parts for read in part]
        if op.kind == "mul":
            left, right = op.args
            for x, factor in ((left, right), (right, left)):
                if not self.reads[factor] & component and self.uniform(factor):
                    return self.affine(x, component)
        return None

    def check(self):
        broken = []
        for op in self.r.ops:
            if op.kind not in STATE_OPS and op.kind != "read":
                continue
            root = self.roots[op.args[0]]
            component = self.components[root.name]
            values = []
            keys = self.operands_of(op)
            if op.kind == "write":
                keys, value, scale = self.r.write_parts(op, root)
                keys, values = [*keys, *([scale] if scale else [])], [value]
            if any(self.reads[n] & component for n in keys):
                broken.append(f"keys: {op.name}")
            for value in values:
                reads = self.affine(value, component)
                if reads is None:
                    broken.append(f"values: {op.name}")
                for read in reads or ():
                    if len(component) == 1 and self.frames[read.args[0]] != self.frames[op.args[0]]:
                        broken.append(f"frames: {op.name}")
                if reads and len(component) > 1:
                    decays = [o for o in self.r.ops if o.kind == "decay" and o.axis in ("value", "each")]
                    if any(self.roots[o.name].name in component for o in decays):
                        broken.append(f"frames: {op.name}")
        return broken + self.check_raised() + self.check_held()

    def ops_on(self, name):
        """What happens to a state, peeks included."""
        return [op for op in self.r.ops if op.kind in STATE_OPS and self.roots[op.name].name == name]

    def raised(self):
        return {self.roots[op.name].name for op in self.r.ops if op.kind == "maximum"}

    def check_raised(self):
        carried = self.carried()
        broken = []
        for name in sorted(self.raised()):
            ops = self.ops_on(name)
            if any(op.kind != "maximum" for op in ops) or not any(op.name in carried for op in ops):
                broken.append(f"raised: {name}")
        return broken

    def held(self):
        """States that are held, and counters."""
        return {self.roots[op.name].name for op in self.r.ops if op.kind in ("hold", "count")}

    def check_held(self):
        broken = []
        for name in sorted(self.held()):
            ops = self.ops_on(name)
            alone = len(ops) == 1 and ops[0].name in self.carried()
            before = all(n in self.ops_before() for n in ops[0].args)
            seen = any(op.kind == "read" and op.args[0] == name for op in self.r.ops)
            if not (alone and before) or seen:
                broken.append(f"held: {name}")
        for op in self.r.ops:
            if op.kind == "hold" and self.roots[op.args[2]].name not in self.r.counters():
                broken.append(f"held: {op.name} by what does not count")
        return broken

    def ops_before(self):
        """States as they are before the token."""
        return {s.name for s in self.r.states}

    def carried(self):
        result, steps = set(), {op.name: op.args[0] for op in self.r.ops if op.kind in STATE_OPS}
        for name in self.r.yields:
            while name in steps:
                result.add(name)
                name = steps[name]
        return result

    def features(self):
        """What a region has that others have not: for the summary, and for what the rules do not promise."""
        found = set()
        carried = self.carried()
        blocks = {}
        reading = {}
        for op in self.r.ops:
            root = self.roots.get(op.args[0]) if op.args else None
            if op.kind == "transform":
                axis = root.name, op.axis
                blocks.setdefault(axis, set()).add(self.r.types()[op.args[1]][1])
                found.add("turn" if op.orthogonal else "transform")
                if any(o.kind == "decay" and o.axis == op.axis and self.roots[o.name] is root for o in self.r.ops):
                    found.add("transform and decay on one axis")
            if op.kind == "decay":
                found.add("decay on " + ("key" if op.axis.startswith("key") else op.axis))
                found |= {"bound"} if op.bound else set()
                if self.reads[op.args[1]]:
                    found.add("decay from a read")
            if op.kind in ("maximum", "hold", "select"):
                found.add(op.kind)
            if op.kind in STATE_OPS and op.name not in carried:
                found.add("peek")
            if op.kind == "write":
                keys, value, _ = self.r.write_parts(op, root)
                component = self.components[root.name]
                reads = [] if self.affine(value, component) is None else self.affine(value, component)
                if reads:
                    found.add("correction")
                for read in reads:
                    if self._is_peek(read.args[0], carried):
                        found.add("a read of a peek feeds a write")
                if self.reads[value] - component:
                    found.add("value from a read of another state")
                if any(self.reads[k] for k in keys):
                    found.add("key from a read")
            if op.kind == "read":
                reading.setdefault(root.name, []).append(op.args[0])
                own = any(self.reads[k] & self.components[root.name] for k in op.args[1:])
                if own and op.name not in self.feeds:
                    found.add("key of an output from a read of the same state")
        if any(len(p) > 1 for p in blocks.values()):
            found.add("several block sizes on one axis")
        if any(len(set(versions)) > 1 for versions in reading.values()):
            found.add("reads before and after an op")
        if any(len(c) > 1 for c in self.components.values()):
            found.add("states that feed each other")
        if any(o.heads != self.r.heads for o in self.r.operands):
            found.add("grouped heads")
        if any(o.clause == "const" for o in self.r.operands):
            found.add("const")
        if any(self.r.size(s.value) == 1 and s.keys for s in self.r.states):
            found.add("normaliser")
        for s in self.r.states:
            found.add(f"{len(s.keys)} key axes")
        return found

    def _is_peek(self, name, carried):
        return name in self.ops and name not in carried


# What a region may have beyond the rules' promise.
BEYOND = {
    "a read of a peek feeds a write",
    "key of an output from a read of the same state",
    "several block sizes on one axis",
}


def analyse(region):
    a = _Analysis(region)
    broken, features = a.check(), a.features()
    each = {a.roots[op.name].name for op in region.ops if op.kind == "decay" and op.axis == "each"}
    turned = {a.roots[op.name].name for op in region.ops if op.kind == "transform"}
    fed = {s.name for s in region.states if (s.name, s.name) in a.edges}
    raised, held = a.raised(), a.held()
    flat = {s.name for s in region.states if not s.keys or s.name in each or s.name in raised} - held
    for s in region.states:
        if s.name in each and s.keys and (s.name in fed or s.name in turned):
            broken.append(f"elementwise: {s.name}")
    chunk = "no" if broken else "may" if flat or features & BEYOND else "must"
    scan = "no"
    if not broken and not turned:
        if len(flat | held) == len(region.states):
            scan = "may" if fed or "key of an output from a read of the same state" in features else "must"
        elif not any(s.keys and s.name in fed for s in region.states):
            scan = "may"
    cut = "no" if chunk == "no" else "may"
    return Verdict({"step": "must", "scan": scan, "chunk": chunk, "cut": cut, "split": cut}, features, broken)
