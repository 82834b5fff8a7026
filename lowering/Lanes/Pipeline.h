// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Loops over chunks (tile.pipeline) in which some warps of a task prepare chunks, each one of its own, while others
// apply them in turn, with what is carried in registers. Between them lies a ring of slots in shared memory, one per
// warp that prepares: a slot is filled (a meeting of its filler with all that apply), read, and left to be filled again
// (another meeting).
#ifndef RWKV_LOWERING_LANES_PIPELINE_H
#define RWKV_LOWERING_LANES_PIPELINE_H

#include "lowering/Lanes/Lanes.h"
#include "lowering/TilePrograms/Roles.h"
#include "lowering/WarpTiles/WarpTiles.h"
#include "llvm/ADT/MapVector.h"

namespace rwkv::lanes {

struct Pipeline {
  tile::PipelineOp op;
  programs::Roles roles;
  int64_t tasksAtOnce = 1;                        // on a multiprocessor
  int64_t sharedBytes = 0;                        // that each of them may have
  int64_t preparers = 0, idle = 0, appliers = 0;  // warps, in this order
  int64_t slots = 0;                              // of the ring: as many as preparers, or more
  int64_t columns = 0;                            // of what is carried, per warp
  int64_t registers = 0, moved = 0;               // of a lane; those that lanes which apply give to lanes which prepare
  const MatrixInstruction *instruction = nullptr; // of products that are applied,
  const MatrixInstruction *prepared = nullptr;    // and of those that are prepared

  /// Where tiles lie in a slot.
  struct Part {
    int64_t offset; // bytes
    mlir::Type element;
    warps::Rows rows;
    bool isExact;
    bool isScratch = false; // of the one who prepares: shares memory with others
    bool isPairs = false;   // of f16: an element is two
    int64_t unit = 0;       // where that of pairs lies
  };
  llvm::MapVector<mlir::Value, Part> parts;         // of what is prepared,
  llvm::MapVector<mlir::Value, Part> pairs;         // of what is passed on as pairs, but prepared as something else
  llvm::MapVector<mlir::Operation *, Part> loads;   // for those that apply, of which each has columns
  llvm::MapVector<mlir::Operation *, Part> results; // by their stores
  static constexpr int64_t kMeetingBytes = 8;
  int64_t slotBytes = 2 * kMeetingBytes; // a slot is met at when it has been filled, and when it has been applied
  int64_t handedBytes = 0;               // to a warp that prepares: what is carried ahead, and a meeting
  int64_t inRange = 0;                   // i32 of a slot: whether its pairs do without units
  bool hasScratch = false;               // parts that share memory: they are made in the order of the program

  /// Of shared memory: slots, then what is handed on.
  int64_t ringBytes() const { return slots * slotBytes + preparers * handedBytes; }
  bool usesPairs() const { return instruction->operandBits == 16; }
  bool preparesPairs() const { return prepared->operandBits == 16; }
  /// Where those who apply find a tile.
  const Part &getPassed(mlir::Value tile) const {
    const auto *paired = pairs.find(tile);
    return paired != pairs.end() ? paired->second : parts.find(tile)->second;
  }
  int64_t firstApplier() const { return preparers + idle; }
  int64_t warps() const { return firstApplier() + appliers; }
  llvm::SmallVector<tile::DotOp> findProducts() const;
  bool isApplied(mlir::Operation *inner) const { return inner->getParentRegion() == &op->getRegion(1); }
  /// A tile as one of those who apply has it.
  warps::Extent getAppliedExtent(mlir::Value tile) const;
  /// Where lanes of one who applies have what is carried.
  warps::Placement getCarriedPlacement(mlir::Value tile) const;
};

/// Makes a loop a pipeline, whose prepared systems are inverted for it, if it can be one; otherwise it stays as it is,
/// and `why` says what is in the way.
std::optional<Pipeline> formPipeline(mlir::scf::ForOp loop, const Machine &machine, std::string &why);

/// Chooses how many warps of a machine do what in a pipeline, and says it there; none, with the reason in `why`, if it
/// cannot be one. Two tasks share a multiprocessor if its memory holds the slots of both, and its registers what both
/// carry.
std::optional<Pipeline> choosePipeline(tile::PipelineOp op, const Machine &machine, std::string &why);

/// Shared memory of each warp that prepares for what is carried ahead.
int64_t countHandedBytes(tile::PipelineOp op);

/// How a machine runs a pipeline; none, with the reason in `why`, if it cannot.
std::optional<Pipeline> planPipeline(tile::PipelineOp op, const Machine &machine, std::string &why);

/// Chooses where tiles lie in a slot of a pipeline; false, with the reason in `why`, if there is none.
bool layOutSlots(Pipeline &plan, const Hooks &hooks, std::string &why);

/// What the surroundings of the loop do for it.
class LoopSurroundings {
public:
  virtual ~LoopSurroundings() = default;
  virtual mlir::Value getOutsideScalar(mlir::Value scalar) = 0;
  virtual Memory getOutsideMemory(mlir::Value tile) = 0;
  /// Memory of a load or store in the loop, and how many elements its address is a multiple of.
  virtual std::pair<Memory, int64_t> getAccess(mlir::Value buffer, mlir::Value offset, int64_t stride) = 0;
  virtual mlir::Value allocateShared(int64_t bytes) = 0;
  virtual void growShared(mlir::Value memory, int64_t bytes) = 0;
  /// Puts other memory of the task into this one, from its start on, as far as there is room.
  virtual void overlay(mlir::Value memory, llvm::ArrayRef<Memory> others) = 0;
  virtual void emitViolation(mlir::Value violated, int32_t statusBit, mlir::Value lane) = 0;
  /// What is emitted by `body` is for one chunk.
  virtual void forChunk(mlir::Value number, llvm::function_ref<void()> body) = 0;
};

/// Emits the pipeline; `places` is the memory of what it carries, before and after. `count`: of chunks.
void emitPipeline(Emitter &e, const Pipeline &plan, llvm::ArrayRef<Memory> places, mlir::Value count,
                  LoopSurroundings &surroundings);

} // namespace rwkv::lanes

#endif // RWKV_LOWERING_LANES_PIPELINE_H
