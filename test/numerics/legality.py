# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Which schedules a recurrence has, besides token by token, which all of them have.

chunk  C tokens by matrix products. States are affine, have key axes, and are written what is linear in reads of them; a
       decay is a product of parts for the axes (not "each"), and none of the values lies between a read and the write
       that it feeds.
scan   C tokens elementwise. States are affine element by element: no transform, no set, and no read that comes back to
       its own state.

A state that is held (rwkv.hold) has both forms if a counter says at which tokens, and what it holds is a state as it
was before the token: then it is the same for all tokens of a chunk, and reads of it are inputs.

Both are asked of all states of a region at once. In doubt either answer is right: what follows from the theory, but a
compiler need not do. A result must be right then, too."""

# fmt: off
TABLE = {
    # Linear attention: decays of rows, columns or everything, and writes of what does not depend on the state. Bonus
    # terms are peeks; outputs may be any function of reads.
    ("chunk", "scan"): """
        retnet simple-gla mamba2-groups gla gla-bounded gated-both-axes value-decay wkv5 wkv5-rung wkv6 wkv6-f64
        wkv6-rung wkv6-groups
        tensor-state tensor-state-bf16 tensor-state-3
        read-only write-only several-outputs peeks neighbours two-recurrences
        mlstm ladder-mlstm
        ladder-retention ladder-mamba2 ladder-gla ladder-rwkv5 ladder-rwkv6 ladder-tensor-state ladder-symmetric-power
        ladder-rank2-write ladder-linear-attention ladder-taylor
        stale ladder-ttt-linear two-states ladder-two-states
        functions axes ladder-taylor-features""",
    # Delta rules and transforms: a read comes back to its state.
    ("chunk",): """
        wkv7 wkv7-rung wkv7-f64 wkv7-groups gated-delta gated-delta-rung gated-delta-groups
        selected feature-delta delta-net delta-short delta-normalized delta-reads delta-product-2 kda transform
        turned-delta turned-whole turned-axes turned-and-decayed
        evolve-exp evolve-exp-2 evolve-resolvent evolve-cayley
        evolve-exp-diagonal evolve-resolvent-diagonal evolve-cayley-diagonal short-forms
        ladder-rwkv7 ladder-deltanet ladder-gated-deltanet ladder-kda ladder-comba ladder-delta-product
        ladder-two-sided-delta ladder-oja ladder-tensor-delta ladder-complex-delta ladder-quaternion
        ladder-titans-momentum ladder-slot-mix ladder-exp-evolution ladder-resolvent-evolution ladder-cayley-evolution
        ladder-rotation-son ladder-strang-evolution ladder-resolvent-diagonal ladder-cayley-diagonal""",
    # No key axes, or a decay of every element; the running maximum of stabilised sums is a scan of its own kind.
    ("scan",): """
        each mamba-1 hgrn hgrn-f64 vector-scaled wkv4-rung
        ladder-mamba1 ladder-hgrn ladder-rwkv4""",
    # Overwritten states; vector states that feed each other.
    (): """
        slstm slstm-f64 mingru gru matrix-overwritten zoo states-swapped momentum
        ladder-slstm""",
    # Two states that are written what the other one recalled; a state whose key comes from a read of another one.
    ("chunk?",): "crosswise ladder-gated-oja",
}
# fmt: on

# Whose chunks are not one matrix times all states and something added, so that long sequences cannot be cut: states
# without keys, states that are read where others are computed, decays of the value axis.
NOT_CUT = """ladder-linear-attention ladder-mlstm ladder-taylor ladder-taylor-features ladder-ttt-linear ladder-two-sided-delta
    ladder-two-states"""

# Whose values know of each other, so that no task can have a part of them: they are summed over, make keys, or there are
# values of several kinds.
NOT_SPLIT = """ladder-gated-oja ladder-linear-attention ladder-mamba1 ladder-mlstm ladder-slstm ladder-taylor
    ladder-taylor-features ladder-ttt-linear functions selected axes"""

KINDS = ("step", "scan", "chunk")


def legality(name, kind):
    """Whether a schedule is legal: "yes", "no", or "may"."""
    if kind == "step":
        return "yes"
    for kinds, names in TABLE.items():
        if name in names.split():
            return "yes" if kind in kinds else "may" if kind + "?" in kinds else "no"
    raise KeyError(f"{name}: not in the table of legality.py")


def can_be_cut(name):
    return legality(name, "chunk") == "yes" and name not in NOT_CUT.split()


def can_be_split(name):
    return name not in NOT_SPLIT.split()
