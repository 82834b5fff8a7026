/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * The pack file and the kernel interface: what the compiler writes and the runtime reads. Nothing else is shared between
 * the two. Little-endian. docs/Pack.md is the prose version of this header.
 *
 *   rwkv_pack_header | manifest (JSON, manifest_bytes) | zero padding to RWKV_PACK_ALIGN | blobs (blob_bytes)
 *
 * Manifest (every key is required unless marked ?; unknown keys are an error):
 *   { "name": str, "generator": str, "dims": {name: int}, "params": {name: number},
 *     "weights":  [ { "name": str, "keys": [str, ..], "dtype": str, "shape": [int, ..], "from"?: int, "to"?: int } ],
 *        keys: checkpoint names, first match wins; "{l}" is the layer index for from <= l < to. Axes of size 1 in the
 *        checkpoint's shape are ignored; the remaining shape must equal `shape`, the dtype must equal `dtype`.
 *     "functions":[ { "name": str, "args": [value], "results": [value], "plan": plan } ],
 *        value: { "name": str, "role": "input"|"output"|"state"|"sequences", "dtype": str, "shape": [expr, ..],
 *                 "below"?: int }
 *          role "input": an argument; role "output" (or "input"): a result;
 *          role "state": an argument and the result of the same name are one array of the model's state, of layout
 *          [L, S, ..] or [S, ..]; role "sequences": cu_seqlens, i32 [S+1], made by the runtime for prefill/score.
 *          below: of an i32 input; every element must be in 0 .. below-1, or the call is refused (indices a kernel trusts).
 *     "kernels":  [ { "symbol": str, "scratch": int, "threads"?: int, "shared"?: int } ],
 *        scratch: bytes of memory of its own that a host thread needs; threads: of another device, how many run one task
 *        together (absent or 0: a host kernel); scratch is then per task, and shared the bytes that its threads share.
 *     "assertions"?: [str, ..],
 *        what is asserted of the data and where, for messages; kernels report by number which one does not hold.
 *     "targets":  [ { "name": str, "arch": str, "features": [str, ..], "offset": int, "size": int } ] }
 *        arch: as in an LLVM triple (x86_64, aarch64); features: LLVM's names, all needed; on the host the first target that
 *        fits is used, on another device the one closest to it (docs/Pack.md); offset: from the start of the blobs.
 *   plan:  { "temporaries": [ { "dtype": str, "shape": [expr, ..] } ], "steps": [step, ..] }
 *   step:  { "launch": kernel index, "tasks": expr, "from"?: expr, "buffers": [ref, ..] }
 *          runs tasks 0 .. tasks-1, or from .. from+tasks-1
 *          "beside"?: bool: true lets the launch run at the same time as the next step, which is a launch and reads and
 *          writes nothing that this one writes
 *        | { "copy": [to ref, from ref] }                 same dtype and number of elements
 *        | { "repeat": [from, to], "steps": [step, ..] }  runs the steps for l = from .. to-1; not nested
 *   ref:   [ "arg"|"result"|"temporary"|"weight", index ]            the whole buffer (a weight: of layer l if it has layers)
 *        | [ "arg"|"result", index, "l" ]                            slice l along axis 0
 *   expr:  int | "B" | "T" | "S" | "l" | ["+"|"*"|"ceildiv"|"min"|"max", expr, expr]
 *        B, T: sizes of the function's token axes (B = 1 when it has sequences), S: number of sequences.
 *        A shape entry that is a bare "B", "T", "S" (or ["+","S",1]) binds the symbol from the caller's array. Symbols that
 *        are used must be bound; "l" is for tasks inside a repeat only. Sizes that no argument binds are 0 in kernels.
 *   A temporary used only inside one repeat does not keep its contents from one iteration to the next; any other keeps them.
 *   A function with states must write the whole next state, also of sequences without tokens (unchanged).
 */
#ifndef RWKV_RT_PACK_H
#define RWKV_RT_PACK_H

#include <stdint.h>

#define RWKV_PACK_MAGIC "RWKVPACK"
#define RWKV_PACK_VERSION 1u
#define RWKV_PACK_ALIGN 4096u

typedef struct rwkv_pack_header {
  char magic[8];
  uint32_t version;
  uint32_t reserved; /* 0 */
  uint64_t manifest_bytes;
  uint64_t blob_bytes;
  uint64_t hash[2]; /* XXH3 128 (low, high) of everything after the header */
} rwkv_pack_header;

/* What a host kernel gets; docs/Pack.md has the parameters of those of other devices. `scratch` is per thread, 64-byte aligned. sizes: B, T, S, l. */
typedef struct rwkv_kernel_args {
  void *const *buffers;
  const int64_t *sizes;
  void *scratch;
  int32_t *status; /* a kernel ORs the bit of what does not hold into it */
} rwkv_kernel_args;

enum { RWKV_SIZE_B = 0, RWKV_SIZE_T = 1, RWKV_SIZE_S = 2, RWKV_SIZE_L = 3, RWKV_SIZE_COUNT = 4 };
/* Bits of the status: i for number i of the manifest's "assertions", the last for all from it on; RWKV_KERNEL_BOUND in a pack
 * that has no list. */
enum { RWKV_KERNEL_BOUND = 1, RWKV_KERNEL_LAST_BIT = 30 };

/* Runs tasks begin .. end-1. Kernels have no undefined symbols and keep no state. */
typedef void (*rwkv_kernel)(const rwkv_kernel_args *args, int64_t begin, int64_t end);

#endif /* RWKV_RT_PACK_H */
