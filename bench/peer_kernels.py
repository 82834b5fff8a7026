# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The kernels of other projects that peers.py times: for every layer, functions from its operands (torch tensors, as
operators.py draws them) to (call, what makes the layer's output of the call's result). SEQUENCES are for many tokens, STEPS for
one token of many sequences, as in decoding. Raises ImportError for what is not installed."""

import functools
import importlib
import importlib.util
import pathlib
import sys
import types

def fla(module, name):
    return getattr(importlib.import_module(f"fla.ops.{module}"), name)


def first(results):
    return results[0]


def same(function, operands, *inputs, **options):
    """A layer that the peer defines as we do: the scale is 1, decays are logarithms, states are K x V."""
    state = dict(initial_state=operands["S"], output_final_state=True, scale=1.0)
    return lambda: function(*(operands[name] for name in inputs), **state, **options), first


def rwkv7(o):
    # What the project's own layer uses: chunks of 64 with w in [-0.606531, 0).
    return same(fla("rwkv7", "chunk_rwkv7"), o, *"rwkvab", safe_gate=True, chunk_size=64)


def rwkv6(o):
    return same(fla("rwkv6", "chunk_rwkv6"), o, *"rkvw", u=o["u"])


def gla(o):
    return same(fla("gla", "chunk_gla"), o, *"qkvg")


def kda(o):
    return same(fla("kda", "chunk_kda"), o, *"qkvg", "beta", safe_gate=bool(o["g"].min() >= -5))


def kda_cudnn(o):
    import torch

    batch, tokens, _, keys = o["q"].shape
    if keys != 128:
        raise NotImplementedError("the kernel for Hopper is for K = V = 128")
    function = importlib.import_module("cudnn.linear_attention").kimi_delta_attention
    # Tokens of all sequences side by side, states V x K; it reads decays and beta in f32.
    packed = [o[name].flatten(0, 1) for name in "qkv"] + [o[name].float().flatten(0, 1) for name in ("g", "beta")]
    offsets = torch.arange(batch + 1, dtype=torch.int32, device=o["q"].device) * tokens
    state = dict(initial_state=o["S"].transpose(2, 3).contiguous(), output_final_state=True, scale=1.0)
    return lambda: function(*packed, offsets, **state), lambda results: results[0].unflatten(0, (batch, tokens))


def deltanet(o):
    return same(fla("delta_rule", "chunk_delta_rule"), o, *"qkv", "beta")


def gated_deltanet(o):
    return same(fla("gated_delta_rule", "chunk_gated_delta_rule"), o, *"qkvg", "beta")


def delta_product(o):
    import torch

    def steps(name):
        return torch.stack([o[f"{name}{i}"] for i in (1, 2, 3)], 2).flatten(1, 2)

    joined = {"q": o["q"], "g": o["g"], "S": o["S"], **{name: steps(name) for name in "kvb"}}
    function = fla("gated_delta_product", "chunk_gated_delta_product")
    return same(function, joined, *"qkvgb", num_householder=3)


def retention(o):
    # chunk_retention is this with decays of its own.
    return same(fla("simple_gla", "chunk_simple_gla"), o, *"qkv", g_gamma=o["g"].float())


def mamba2_steps(o):
    import torch

    dt = torch.nn.functional.softplus(o["z"].float() + o["bias"].float())
    return dt, -o["A"].float().exp()


def mamba2_simple_gla(o):
    # The recurrence alone: dt, its products and D x are outside of what is timed, B and C are copied to every head.
    dt, decay = mamba2_steps(o)
    heads = o["x"].shape[2] // o["B"].shape[2]
    inner = {"q": o["C"].repeat_interleave(heads, 2), "k": o["B"].repeat_interleave(heads, 2), "S": o["S"]}
    inner |= {"v": (o["x"] * dt[..., None]).to(o["x"].dtype), "g": dt * decay}
    call, _ = same(fla("simple_gla", "chunk_simple_gla"), inner, *"qkvg")
    return call, lambda results: results[0].float() + o["D"].float()[:, None] * o["x"]


def mamba_ssm(module, name):
    """Of its Triton kernels. The package itself imports extensions in C++, which they do not need: it is not run."""
    if "mamba_ssm" not in sys.modules:
        found = importlib.util.find_spec("mamba_ssm")
        if found is None:
            raise ImportError("No module named 'mamba_ssm'")
        package = types.ModuleType("mamba_ssm")
        package.__path__ = list(found.submodule_search_locations)
        sys.modules["mamba_ssm"] = package
    return getattr(importlib.import_module(f"mamba_ssm.ops.triton.{module}"), name)


def mamba2_ssd(o):
    scan = mamba_ssm("ssd_combined", "mamba_chunk_scan_combined")
    decay, state = -o["A"].float().exp(), o["S"].transpose(2, 3).contiguous()
    options = dict(D=o["D"], dt_bias=o["bias"], dt_softplus=True, initial_states=state, return_final_states=True)
    return lambda: scan(o["x"], o["z"], decay, o["B"], o["C"], 256, **options), first


def rwkv4(o):
    import torch

    function = fla("rwkv4", "fused_recurrent_rwkv4")
    # The peer makes the decay of its parameter w: -exp(w).
    flat = [(-o["w"].float()).log().flatten(), o["u"].flatten(), o["k"].flatten(2), o["v"].flatten(2)]
    state = torch.stack([o[name].flatten(1) for name in ("num", "den", "m")], 1)[:, :, None].contiguous()
    return lambda: function(*flat, state), lambda results: results[0].unflatten(2, o["k"].shape[2:])


@functools.cache
def rwkv4_extension():
    """RWKV-LM's kernel as the package rwkv has it, for bf16. The rest of its file is for other things."""
    from torch.utils.cpp_extension import load_inline

    found = importlib.util.find_spec("rwkv")
    if found is None:
        raise ImportError("No module named 'rwkv'")
    text = (pathlib.Path(found.submodule_search_locations[0]) / "cuda" / "operators.cu").read_text()
    begin = text.index("template <typename F>\n__global__ void kernel_wkv_forward")
    kernel = text[begin : text.index("template <typename F>\nvoid cuda_wkv_forward", begin)]
    launch = """
void wkv(torch::Tensor w, torch::Tensor u, torch::Tensor k, torch::Tensor v, torch::Tensor y,
         torch::Tensor aa, torch::Tensor bb, torch::Tensor pp) {
  using F = at::BFloat16;
  int B = k.size(0), T = k.size(1), C = k.size(2);
  TORCH_CHECK(C % 32 == 0 && k.scalar_type() == at::kBFloat16);
  kernel_wkv_forward<<<B * C / 32, 32, 0, at::cuda::getCurrentCUDAStream()>>>(
      B, T, C, w.data_ptr<float>(), u.data_ptr<float>(), k.data_ptr<F>(), v.data_ptr<F>(), y.data_ptr<F>(),
      aa.data_ptr<float>(), bb.data_ptr<float>(), pp.data_ptr<float>());
}
"""
    declaration = launch[: launch.index("{")] + ";"
    return load_inline(
        "rwkv4_wkv",
        cpp_sources=declaration,
        cuda_sources="#include <ATen/cuda/CUDAContext.h>\n" + kernel + launch,
        functions=["wkv"],
    ).wkv


def rwkv4_cuda(o):
    import torch

    wkv = rwkv4_extension()
    flat = [o["w"].float().flatten(), o["u"].float().flatten(), o["k"].flatten(2), o["v"].flatten(2)]
    # The state is changed in place: what the first call makes is what is compared.
    y, state = torch.empty_like(flat[2]), [o[name].flatten(1).clone() for name in ("num", "den", "m")]

    def call():
        wkv(*flat, y, *state)
        return (y,)

    return call, lambda results: results[0].unflatten(2, o["k"].shape[2:])


# ---- what nobody has kernels for: PyTorch, token by token in float32


def token_by_token(step, state, *inputs):
    """Stacks what `step(state, of each input a token)` gives, which changes the state in place."""
    import torch

    def call():
        s = state.clone()
        return torch.stack([step(s, *now) for now in zip(*(x.unbind(1) for x in inputs))], 1), s

    return call, first


def tensor_state_torch(o):
    import torch

    x = {name: value.float() for name, value in o.items()}

    def pairs(left, right):  # [B, T, H, 1, M N], which a state [B, H, M N, V] is multiplied by
        return (left[..., :, None] * right[..., None, :]).flatten(-2)[..., None, :]

    def step(s, key, query, decay, v):
        s.mul_(decay.mT).addcmul_(key.mT, v)
        return (query @ s).squeeze(-2)

    decay = torch.exp(x["f"][..., :, None] + x["g"][..., None, :]).flatten(-2)[..., None, :]
    keys, queries, values = pairs(x["a"], x["b"]), pairs(x["c"], x["d"]), x["v"][..., None, :]
    return token_by_token(step, x["S"].flatten(-3, -2), keys, queries, decay, values)


def exp_evolution_torch(o):
    import torch

    x = {name: value.float() for name, value in o.items()}
    reads, writes = (torch.stack([x[f"{name}{i}"] for i in (0, 1)], -2) for name in "ab")  # [B, T, H, 2, K]
    # e^(s b^T a) = 1 + b^T phi a, where phi = s (e^X - 1) / X of X = s a b^T is a block of the exponential of [[X, s], [0, 0]].
    time = x["s"][..., None, None]
    joined = torch.zeros(*time.shape[:3], 4, 4, device=time.device)
    joined[..., :2, :2] = time * (reads @ writes.mT)
    joined[..., :2, 2:] = time * torch.eye(2, device=time.device)
    phi = torch.linalg.matrix_exp(joined)[..., :2, 2:]

    def step(s, decay, read, write, k, v, q):
        s.mul_(decay)
        s.add_(write @ (read @ s)).addcmul_(k, v)
        return (q @ s).squeeze(-2)

    column, row = (lambda name: x[name][..., :, None]), (lambda name: x[name][..., None, :])
    decay = torch.exp(column("g"))
    return token_by_token(step, x["S"], decay, reads, writes.mT @ phi, column("k"), row("v"), row("q"))


# ---- one token


def rwkv7_step(o):
    return same(fla("rwkv7", "fused_recurrent_rwkv7"), o, *"rwkvab")


def rwkv7_mul_step(o):
    import torch

    # The peer makes b of kk = -a and of a rate, as the layer does.
    kk, b = -o["a"], o["b"].float()
    rate = torch.where(kk == 0, 0.0, b / kk.float())
    return same(fla("rwkv7", "fused_mul_recurrent_rwkv7"), {**o, "kk": kk, "rate": rate}, *"rwkv", "kk", "rate")


def rwkv6_step(o):
    return same(fla("rwkv6", "fused_recurrent_rwkv6"), o, *"rkvw", "u")


def gla_step(o):
    return same(fla("gla", "fused_recurrent_gla"), o, *"qkvg")


def kda_step(o):
    return same(fla("kda", "fused_recurrent_kda"), o, *"qkvg", "beta")


def deltanet_step(o):
    return same(fla("delta_rule", "fused_recurrent_delta_rule"), o, *"qkv", "beta")


def gated_deltanet_step(o):
    call = functools.partial(fla("gated_delta_rule", "fused_recurrent_gated_delta_rule"), g=o["g"], beta=o["beta"])
    return same(call, o, *"qkv")


def retention_step(o):
    return same(fla("simple_gla", "fused_recurrent_simple_gla"), o, *"qkv", g_gamma=o["g"].float())


def mamba2_step(o):
    import torch

    update = mamba_ssm("selective_state_update", "selective_state_update")
    heads, values, keys = o["S"].shape[1], o["S"].shape[3], o["S"].shape[2]
    # The state is changed in place.
    state = o["S"].transpose(2, 3).contiguous()
    decay = -o["A"].float().exp()[:, None, None].expand(heads, values, keys)
    x, z, B, C = (o[name][:, 0] for name in ("x", "z", "B", "C"))
    more = {"D": o["D"][:, None].expand(heads, values), "dt_bias": o["bias"][:, None].expand(heads, values)}
    z = z[..., None].expand(-1, -1, values)
    return lambda: (update(state, x, z, decay, B, C, dt_softplus=True, **more),), lambda results: results[0][:, None]


SEQUENCES = [
    ("rwkv7", "fla chunk_rwkv7, chunks of 64", rwkv7),
    ("rwkv6", "fla chunk_rwkv6", rwkv6),
    ("gla", "fla chunk_gla", gla),
    ("gated-deltanet", "fla chunk_gated_delta_rule", gated_deltanet),
    ("kda", "fla chunk_kda", kda),
    ("kda", "cudnn kimi_delta_attention", kda_cudnn),
    ("deltanet", "fla chunk_delta_rule", deltanet),
    ("delta-product", "fla chunk_gated_delta_product", delta_product),
    ("retention", "fla chunk_simple_gla (g_gamma)", retention),
    ("mamba2", "fla chunk_simple_gla (recurrence alone)", mamba2_simple_gla),
    ("mamba2", "mamba-ssm chunk_scan_combined", mamba2_ssd),
    ("rwkv4", "fla fused_recurrent_rwkv4", rwkv4),
    ("rwkv4", "rwkv kernel_wkv_forward, for bf16", rwkv4_cuda),
    ("tensor-state", "torch, token by token", tensor_state_torch),
    ("exp-evolution", "torch, token by token", exp_evolution_torch),
]

STEPS = [
    ("rwkv7", "fla fused_mul_recurrent_rwkv7", rwkv7_mul_step),
    ("rwkv7", "fla fused_recurrent_rwkv7", rwkv7_step),
    ("rwkv6", "fla fused_recurrent_rwkv6", rwkv6_step),
    ("gla", "fla fused_recurrent_gla", gla_step),
    ("gated-deltanet", "fla fused_recurrent_gated_delta_rule", gated_deltanet_step),
    ("kda", "fla fused_recurrent_kda", kda_step),
    ("deltanet", "fla fused_recurrent_delta_rule", deltanet_step),
    ("retention", "fla fused_recurrent_simple_gla (g_gamma)", retention_step),
    ("mamba2", "mamba-ssm selective_state_update", mamba2_step),
    ("rwkv4", "fla fused_recurrent_rwkv4", rwkv4),
    ("rwkv4", "rwkv kernel_wkv_forward, for bf16", rwkv4_cuda),
]


def peers_of(tokens):
    return STEPS if tokens == 1 else SEQUENCES
