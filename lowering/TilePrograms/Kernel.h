// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From a tile kernel to a function, as far as it is the same for every kind of machine: straight-line pieces between
// loops and branches are planned, tiles get their memory, scalars their values. What a piece becomes is up to the
// machine.
#ifndef RWKV_LOWERING_TILEPROGRAMS_KERNEL_H
#define RWKV_LOWERING_TILEPROGRAMS_KERNEL_H

#include "lowering/TilePrograms/Memory.h"
#include "lowering/TilePrograms/Plan.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace rwkv::programs {

/// What code of a nest needs from outside.
class Context {
public:
  virtual ~Context() = default;
  /// The new value of a scalar of the tile program; created where the builder stands if need be.
  virtual mlir::Value getScalar(mlir::Value scalar) = 0;
  /// Where a tile lies that is a load, or that has been written.
  virtual Memory getMemory(mlir::Value tile) = 0;
  /// Whether a tile has been written before this piece of the program.
  virtual bool isWritten(mlir::Value tile) = 0;
  /// Where the result of a root is to be written.
  virtual Memory getTarget(const Root &root) = 0;
  /// Takes the scalar result of a reduction.
  virtual void setScalar(mlir::Value scalar, mlir::Value result) = 0;
};

/// A tile in memory; a vector is a column of single elements.
struct Matrix {
  Memory memory;
  int64_t rows, columns;
  mlir::Type compute;
  bool isVector;

  /// Memory of a tile of the same shape, as a matrix.
  Memory withStride(Memory other) const {
    other.stride = isVector ? 1 : other.stride;
    return other;
  }
};
Matrix getMatrix(Context &context, mlir::Value tile);

class KernelLowering : public Context {
public:
  explicit KernelLowering(tile::KernelOp kernel) : kernel(kernel), loc(kernel.getLoc()), b(kernel), entry(kernel) {}

  // ---- Context

  mlir::Value getScalar(mlir::Value scalar) override;
  bool isWritten(mlir::Value tile) override { return memories.contains(tile); }
  Memory getMemory(mlir::Value tile) override;
  Memory getTarget(const Root &root) override;
  void setScalar(mlir::Value scalar, mlir::Value result) override { scalars[scalar] = result; }

protected:
  // ---- what machines do in their own way

  /// Memory of its own for a tile.
  virtual Memory allocate(mlir::Value tile) = 0;
  /// The same for a tile that a loop carries.
  virtual Memory allocateCarried(mlir::scf::ForOp loop, unsigned carried) {
    mlir::Value init = loop.getInitArgs()[carried];
    std::optional<Memory> left = findLeft(init, loop);
    return left ? *left : allocate(init);
  }
  /// Memory of what an op with regions has left, and nobody but `by` reads: it is carried on where it is.
  std::optional<Memory> findLeft(mlir::Value value, mlir::Operation *by);
  virtual void emitNest(const Plan &plan, const Nest &nest, unsigned index) = 0;
  /// The op has loops of its own; of an insert, those that write the part.
  virtual void emitProgram(mlir::Operation *op, const Memory &target) = 0;
  /// Whether a program will be emitted as a part of the one that comes next; then it is not emitted on its own.
  virtual bool joinsNext(mlir::Operation *op, mlir::Operation *next) { return false; }
  virtual void emitCopy(const Memory &from, const Memory &to, int64_t rows, int64_t columns, mlir::Type compute) = 0;
  virtual void emitScalarStore(const Memory &memory, mlir::Value value) = 0;
  /// Sets RWKV_KERNEL_BOUND in the caller's status word.
  virtual void emitFlag(tile::FlagOp flag, mlir::Value violated) = 0;
  /// In which order nests are emitted.
  virtual llvm::SmallVector<unsigned> orderNests(Plan &plan) {
    return llvm::to_vector(llvm::seq<unsigned>(0, plan.nests.size()));
  }
  /// A scalar is about to be read from a tile in memory.
  virtual void noteScalarRead() {}
  /// A loop or a branch begins, or ends one of its iterations: other code may have run before.
  virtual void meet() {}
  /// A loop that has fetched ends one of its iterations; `more`: another one comes.
  virtual void meetNext(mlir::Value more) { meet(); }
  /// A loop whose phases different warps run: what it carries lies in `places` before and after. Machines without such
  /// warps are given none.
  virtual void lowerPhases(tile::PipelineOp pipeline, llvm::ArrayRef<Memory> places, mlir::Value from, mlir::Value to,
                           mlir::Value step) {
    llvm_unreachable("pipelines are formed for machines that run them");
  }
  /// The body of a loop over tokens begins; if `fetchesAhead`, with the tiles that its next iteration will load.
  virtual bool fetchesAhead() const { return false; }
  virtual void beginTokens(llvm::ArrayRef<Matrix> next) {}
  /// A loop is about to begin: a machine may ask for what its first iteration loads. Gives what the loop carries of it.
  virtual llvm::SmallVector<mlir::Value> fetchFirst(mlir::scf::ForOp loop) { return {}; }
  /// In its body: what has been asked for is there; gives the same of the iteration `next`, if there is one more.
  virtual llvm::SmallVector<mlir::Value> fetchNext(mlir::scf::ForOp loop, mlir::ValueRange fetched, mlir::Value next,
                                                   mlir::Value more) {
    return {};
  }
  /// Before the nest of this number of those of a piece.
  virtual void beforeNest(size_t nest, size_t count) {}
  /// Before the nests of a piece: `loads` are its tiles that lie in the kernel's buffers.
  virtual void beginPiece(llvm::ArrayRef<mlir::Operation *> ops) {}

  // ---- for prologues

  /// The i-th 64-bit word at `base`.
  mlir::Value loadWord(mlir::OpBuilder &builder, mlir::Value base, int64_t i, mlir::Type type);
  /// Everything that the kernel does, where `b` stands.
  void lowerBody() { lowerBlock(kernel.getBody().front(), {}, {}); }

  Memory access(mlir::Value buffer, mlir::Value offset, int64_t stride);
  /// Whether a scalar can be computed where the program stands, although it has not been reached yet; `mayRead`: also
  /// from indices in memory.
  bool isKnown(mlir::Value scalar, bool mayRead) const;

  tile::KernelOp kernel;
  mlir::Location loc;
  mlir::OpBuilder b, entry;                         // where the program stands; the top of the function
  llvm::DenseMap<mlir::Value, mlir::Value> scalars; // of the tile program, buffers included
  llvm::DenseMap<mlir::Value, Memory> memories;

private:
  Memory contiguous(mlir::Value tile);
  Memory partOf(Memory whole, mlir::ValueRange offsets);
  Memory place(mlir::Operation *op);
  Memory getInsertTarget(tile::InsertOp insert);
  mlir::Value emitScalar(mlir::Operation *op);
  mlir::Value loadIndex(mlir::Value buffer, mlir::Value offset);
  mlir::Value emitSequenceOf(tile::SequenceOfOp op);
  llvm::SmallVector<mlir::Value> lowerBlock(mlir::Block &block, llvm::ArrayRef<Memory> targets,
                                            llvm::ArrayRef<mlir::Value> args);
  void lowerCarried(llvm::ArrayRef<mlir::Operation *> piece, mlir::ValueRange values, llvm::ArrayRef<Memory> places);
  void lowerPiece(llvm::ArrayRef<mlir::Operation *> piece, mlir::ValueRange carried,
                  llvm::ArrayRef<mlir::Value> carriedArgs, llvm::ArrayRef<Memory> targets);
  llvm::SmallVector<Memory> allocateAll(mlir::ValueRange values);
  void lowerFor(mlir::scf::ForOp loop, llvm::ArrayRef<mlir::Operation *> piece);
  void lowerPipeline(tile::PipelineOp pipeline, llvm::ArrayRef<mlir::Operation *> piece);
  llvm::SmallVector<Matrix> getNextLoads(mlir::scf::ForOp loop, mlir::Value next,
                                         const llvm::DenseMap<mlir::Value, mlir::Value> &outside);
  void lowerIf(mlir::scf::IfOp branch);
  void bindResults(mlir::ValueRange results, llvm::ArrayRef<Memory> places, mlir::ValueRange created);

  llvm::SmallVector<Memory> *destinations = nullptr;
  llvm::DenseMap<mlir::Operation *, mlir::Value> inPlace;
};

} // namespace rwkv::programs

#endif // RWKV_LOWERING_TILEPROGRAMS_KERNEL_H
