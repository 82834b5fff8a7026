// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Arrays, the .npy format (1.0 and 2.0, little-endian, C order), and conversions between element types.
#ifndef RWKV_RWKV_RUN_NPY_H
#define RWKV_RWKV_RUN_NPY_H

#include "runtime/rwkv_rt.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rwkv::run {

/// A dense row-major array that owns its data.
struct Array {
  rwkv_dtype dtype = RWKV_F32;
  std::vector<int64_t> shape;
  std::vector<char> data;

  int64_t count() const;
};

/// Elements times bytes per element; -1 if that overflows or an extent is negative.
int64_t arrayBytes(rwkv_dtype dtype, const std::vector<int64_t> &shape);

bool isNpy(std::string_view start);

/// Parses a whole file. Throws Error starting with `name` for anything that is not exactly such an array.
Array parseNpy(std::string_view bytes, const std::string &name);
Array readNpy(const std::string &path);

/// The bytes before the data, padded so that the data starts at a multiple of 64. bf16 has no .npy type.
std::string npyHeader(rwkv_dtype dtype, const std::vector<int64_t> &shape);

/// What a .npy file can hold: bf16 becomes f32 (exact), everything else stays.
Array npyCompatible(Array array);

/// `array` with elements of type `dtype`: floating point to floating point, rounded to nearest even in one step; i32
/// and i64 to one another when every value fits. Anything else throws Error starting with `name`.
Array convertArray(Array array, rwkv_dtype dtype, const std::string &name);

} // namespace rwkv::run

#endif // RWKV_RWKV_RUN_NPY_H
