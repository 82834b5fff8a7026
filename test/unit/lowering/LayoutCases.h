// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the tests of layouts share: all small layouts, the points of a space, the tables of matrix instructions.
#ifndef RWKV_TEST_UNIT_LOWERING_LAYOUTCASES_H
#define RWKV_TEST_UNIT_LOWERING_LAYOUTCASES_H

#include "lowering/Layout/MatrixInstruction.h"

#include <vector>

namespace rwkv {

inline const MatrixInstruction matrixInstructions[] = {
#include "lowering/target/amdgcn/MatrixInstructions.inc"
#include "lowering/target/nvptx/MatrixInstructions.inc"
};

inline const MatrixInstruction &getInstruction(llvm::StringRef name) {
  for (const MatrixInstruction &row : matrixInstructions) {
    if (row.name == name) {
      return row;
    }
  }
  abort();
}

inline std::vector<Layout> getFragments(const MatrixInstruction &row) {
  std::vector<Layout> fragments = {*row.getA(), *row.getC()};
  if (!row.bInShared) {
    fragments.push_back(*row.getB());
  }
  return fragments;
}

inline Space hardware(unsigned reg, unsigned lane, unsigned warp) {
  return {{Axis::reg, reg}, {Axis::lane, lane}, {Axis::warp, warp}};
}
inline Space tileSpace(unsigned row, unsigned column) { return {{Axis::row, row}, {Axis::column, column}}; }

inline uint64_t getCount(const Space &space) { return uint64_t(1) << space.getBits(); }

/// Calls `callback` with every linear map from one space to another.
template <typename Callback> void forEachLayout(const Space &in, const Space &out, Callback callback) {
  unsigned inBits = in.getBits(), outBits = out.getBits();
  for (uint64_t code = 0; code >> (inBits * outBits) == 0; ++code) {
    std::vector<uint64_t> images;
    for (unsigned bit = 0; bit < inBits; ++bit) {
      images.push_back(code >> (bit * outBits) & (getCount(out) - 1));
    }
    callback(*Layout::get(in, out, images));
  }
}

inline std::vector<Layout> getLayouts(const Space &in, const Space &out) {
  std::vector<Layout> layouts;
  forEachLayout(in, out, [&](const Layout &layout) { layouts.push_back(layout); });
  return layouts;
}

} // namespace rwkv

#endif // RWKV_TEST_UNIT_LOWERING_LAYOUTCASES_H
