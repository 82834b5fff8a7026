// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A loop over chunks as two roles: what prepares a chunk without knowing what the loop carries, so that many chunks can
// be prepared at once, and what applies the chunks to it, one after the other.
//
// The columns of what is carried are independent of each other (the value axis): they can be split between those who
// apply. Everything that has such columns is applied. States of fewer columns, such as a sum of keys beside a memory of
// values, are carried by all who apply alike, as is what is made of them without the columns of others. Everything else
// is prepared. So are states that are made of vectors alone and need no other state, such as a running maximum of
// gates: those who prepare hand them on from one chunk to the next.
#ifndef RWKV_LOWERING_TILEPROGRAMS_ROLES_H
#define RWKV_LOWERING_TILEPROGRAMS_ROLES_H

#include "dialect/Tile/TileDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SetVector.h"

#include <string>

namespace rwkv::programs {

struct Roles {
  llvm::SmallVector<mlir::Operation *> prepare, apply; // in the order of the program; what both need is in neither
  llvm::SetVector<mlir::Value> passed;                 // tiles and numbers that are prepared and then applied
  llvm::SmallVector<mlir::Operation *> loads;          // tile.load of what is applied: their columns are split
  llvm::DenseSet<mlir::Value> split;                   // tiles whose columns are; what is applied else is made by all
  int64_t columns = 0;                                 // how many there are
  llvm::SmallVector<unsigned> ahead;                   // which of what is carried those who prepare hand on
};

/// Tiles from outside that a loop or a pipeline uses and that are made of the numbers of rows and columns alone, such
/// as masks, are made inside: they would be the only ones that nobody has written.
void sinkIndices(mlir::Operation *loop);

/// The roles of a loop; none, with the reason in `why`, if they cannot be told apart.
std::optional<Roles> findRoles(mlir::scf::ForOp loop, std::string &why);
/// Those of a pipeline: its phases, and which of their tiles are split; none if it mixes them up.
std::optional<Roles> findRoles(tile::PipelineOp pipeline, std::string &why);

/// The op behind broadcasts and transposes, which both roles have.
mlir::Operation *findPreparer(mlir::Value value);
/// The side of a branch that is seldom taken, which is the one that is much longer; null: there is none.
mlir::Region *findSeldomSide(mlir::scf::IfOp branch);

/// Systems that are prepared, but solved for what is carried: solved for the identity instead, which can be prepared,
/// and multiplied. Interleaved groups of unknowns are eliminated one after the other, by products.
void invertPrepared(mlir::scf::ForOp loop, const Roles &roles);

/// What is computed in a loop of tiles whose columns, or rows, are all alike is computed of vectors: these are small
/// enough to be passed, or to be made by all who apply.
void computeOfVectors(mlir::scf::ForOp loop);
/// Products with one column, of what is prepared, that are added to what is applied: they are prepared, and the sum is
/// applied.
void prepareVectorProducts(mlir::scf::ForOp loop, const Roles &roles);

/// A pipeline in front of a loop that does the same, with a phase for each of its roles; how many warps do what is
/// still open. Its results are those of the loop, but what is carried ahead comes last.
tile::PipelineOp splitPhases(mlir::scf::ForOp loop, const Roles &roles);

} // namespace rwkv::programs

#endif // RWKV_LOWERING_TILEPROGRAMS_ROLES_H
