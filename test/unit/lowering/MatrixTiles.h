// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// x86 matrix tiles for tests: the machine's own, or carried out here, instruction by instruction, where it has none.
#ifndef RWKV_TEST_UNIT_LOWERING_MATRIXTILES_H
#define RWKV_TEST_UNIT_LOWERING_MATRIXTILES_H

namespace rwkv::test {
/// Code may use tiles for as long as this lives.
class MatrixTiles {
public:
  MatrixTiles();
  ~MatrixTiles();
  MatrixTiles(const MatrixTiles &) = delete;

  /// Why not; null if they can be used.
  const char *getProblem() const { return problem; }
  bool areEmulated() const { return emulated; }
  /// Products that have been emulated so far.
  static long countProducts();

private:
  const char *problem = nullptr;
  bool emulated = false;
};
} // namespace rwkv::test

#endif // RWKV_TEST_UNIT_LOWERING_MATRIXTILES_H
