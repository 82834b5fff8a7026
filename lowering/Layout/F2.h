// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Gaussian elimination over the field of two elements. A vector is a word: bit i is its i-th coordinate.
#ifndef RWKV_LOWERING_LAYOUT_F2_H
#define RWKV_LOWERING_LAYOUT_F2_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/MathExtras.h"

#include <cstdint>
#include <optional>

namespace rwkv::f2 {

/// A subspace, as a basis in reduced echelon form: no two vectors have the same highest bit, and no vector has the
/// highest bit of another. Each vector carries a preimage, to which whatever is done to the vector is done as well.
class Span {
public:
  struct Vector {
    uint64_t value, preimage;
  };

  /// `vector` less its part in this subspace: the value is zero if it lies inside.
  Vector reduce(Vector vector) const {
    for (const Vector &other : basis) {
      if (vector.value >> llvm::Log2_64(other.value) & 1) {
        vector = {vector.value ^ other.value, vector.preimage ^ other.preimage};
      }
    }
    return vector;
  }

  /// Adds a vector; false if it lay inside, then nothing changes.
  bool insert(uint64_t value, uint64_t preimage = 0) {
    Vector vector = reduce({value, preimage});
    if (!vector.value) {
      return false;
    }
    for (Vector &other : basis) {
      if (other.value >> llvm::Log2_64(vector.value) & 1) {
        other = {other.value ^ vector.value, other.preimage ^ vector.preimage};
      }
    }
    basis.push_back(vector);
    return true;
  }

  bool contains(uint64_t value) const { return !reduce({value, 0}).value; }

  /// The preimage of `value`, nothing if it is outside.
  std::optional<uint64_t> solve(uint64_t value) const {
    Vector rest = reduce({value, 0});
    return rest.value ? std::nullopt : std::optional<uint64_t>(rest.preimage);
  }

  unsigned getRank() const { return basis.size(); }
  llvm::ArrayRef<Vector> getBasis() const { return basis; }

private:
  llvm::SmallVector<Vector> basis;
};

} // namespace rwkv::f2

#endif // RWKV_LOWERING_LAYOUT_F2_H
