// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Frames of the key axes of one state over a chunk: what transitions do to keys between a write and a read. A write's
// key is pushed forward through the transitions that follow it; nothing is ever divided by a decay or multiplied by an
// inverse, so no exponent is positive unless a decay is. Along an axis that is only turned keys are seen from a frame
// that turns along (see MovingFrames.h), and nothing happens to them.
#ifndef RWKV_PASSES_EXPAND_KEYFRAMES_H
#define RWKV_PASSES_EXPAND_KEYFRAMES_H

#include "passes/AffineState/AffineState.h"
#include "passes/Expand/MovingFrames.h"

namespace rwkv {

namespace frames {
/// Keys [C, K] along `axis` after a step of each token: decays and transforms of that axis.
mlir::Value push(Batch &batch, mlir::Value keys, const StateStep &step, unsigned axis);
/// The logarithm of a decay for all tokens, where less than -40 acts as -40: sums stay finite, and their rounding
/// small.
mlir::Value clampedLog(Batch &batch, const StateStep &step);
} // namespace frames

class KeyFrames {
public:
  KeyFrames(Batch &batch, const AffineState &form, unsigned state);

  /// Computes what the other methods give, for these reads; may be called again for more.
  void emit(llvm::ArrayRef<unsigned> reads);

  /// [C, C]: how much of write `event`'s value at one token a read at another sees; zero where it comes before.
  mlir::Value score(unsigned read, unsigned event) const;
  /// The state before the chunk in the frame that keys of reads are relative to: with one block its middle, so that the
  /// same keys serve scores and reads, and writes if that is known before; otherwise the start.
  mlir::Value enter(mlir::Value state);
  /// [C, V]: what a read sees of the state that has entered.
  mlir::Value readInitial(unsigned read, mlir::Value state);
  /// The same state as it is where writes are added: in the middle or at the end.
  mlir::Value decayInitial(mlir::Value state);
  /// `state` and all that was written by one event.
  mlir::Value addWrite(mlir::Value state, unsigned event, mlir::Value values);
  /// What writes have been added to, as it is at the end of the chunk.
  mlir::Value leave(mlir::Value state);

private:
  /// What a loop over tokens or blocks carries.
  struct Carried {
    llvm::SmallVector<llvm::SmallVector<mlir::Value>> keys;     // write, axis: [K, C], a column per token so far
    llvm::SmallVector<mlir::Value> logs;                        // write: [C], -inf where nothing was written yet
    llvm::SmallVector<mlir::Value> totals;                      // axis: [K] or [K, p], null without transitions
    mlir::Value totalLog;                                       // scalar
    llvm::SmallVector<mlir::Value> enter, leave;                // axis: [K], null: at the start, at the end
    llvm::SmallVector<llvm::SmallVector<mlir::Value>> readKeys; // read, axis: [C, K]
    llvm::SmallVector<mlir::Value> readLogs;                    // read: [C]
    llvm::SmallVector<llvm::SmallVector<mlir::Value>> scores;   // read, write: [C, C]

    void forEach(llvm::function_ref<void(mlir::Value &)> body) {
      auto visit = [&](mlir::Value &value) {
        if (value) {
          body(value);
        }
      };
      auto visitAll = [&](llvm::SmallVector<mlir::Value> &values) { llvm::for_each(values, visit); };
      llvm::for_each(keys, visitAll);
      visitAll(logs);
      visitAll(totals);
      visit(totalLog);
      llvm::for_each(readKeys, visitAll);
      visitAll(readLogs);
      llvm::for_each(scores, visitAll);
      visitAll(enter);
      visitAll(leave);
    }
  };

  Carried initialise(size_t reads);
  void finish(Carried &carried, llvm::ArrayRef<unsigned> reads);
  /// Whether a loop is not one.
  bool isWrittenOut(int64_t count, int64_t step) const {
    constexpr int64_t kShort = 4;
    return e.writesOut && count <= kShort * step;
  }
  Carried runLoop(Carried init, int64_t count, int64_t step, llvm::function_ref<void(Carried &, mlir::Value)> body);

  // Block by block: decays alone.
  int64_t chooseBlock() const;
  double getLargestOfHalf(llvm::function_ref<bool(StateStep::Axis)> isCounted) const;
  double chooseMildness() const;
  void sumLogs(int64_t length);
  Carried emitDecays(Carried init, llvm::ArrayRef<unsigned> reads);
  Carried emitBlocks(Carried init, int64_t length, llvm::ArrayRef<unsigned> reads);
  Carried emitMildOrNot(Carried init, int64_t length, double mildness, llvm::ArrayRef<unsigned> reads);
  Carried emitBorders(Carried result, int64_t length, mlir::Value differing, llvm::ArrayRef<unsigned> reads);
  Carried emitEnds(Carried result, llvm::ArrayRef<unsigned> reads);
  mlir::Value emitIsMild(double mildness);
  mlir::Value scaleKeys(mlir::Value state, llvm::ArrayRef<mlir::Value> factors);
  void emitBlock(Carried &carried, mlir::Value first, llvm::ArrayRef<unsigned> reads);
  mlir::Value emitPair(const Carried &carried, unsigned read, unsigned write, mlir::Value first);
  mlir::Value middleKeys(mlir::Value keys, unsigned axis, unsigned position, mlir::Value first, bool isRead);
  mlir::Value isBefore(unsigned read, unsigned event, int64_t size);
  mlir::Value maskScore(mlir::Value score, unsigned read, unsigned event);
  mlir::Value block(mlir::Value x, mlir::Value first);
  mlir::Value rowOf(mlir::Value x, mlir::Value row);
  mlir::Value blockEnd(unsigned axis, mlir::Value first);
  mlir::Value blockMiddle(unsigned axis, mlir::Value first);

  // Token by token: any transition.
  void emitToken(Carried &carried, mlir::Value token, llvm::ArrayRef<unsigned> reads);
  void applyTransition(Carried &carried, const StateStep &step, mlir::Value token);
  void emitWriteColumn(Carried &carried, unsigned number, mlir::Value token);
  void emitReadRow(Carried &carried, unsigned number, unsigned read, mlir::Value token);
  void prepareRead(unsigned read);
  mlir::Value writtenKeys(unsigned event, unsigned axis);
  mlir::Value fixedKeys(unsigned number, unsigned axis);
  mlir::Value blocksAt(const StateStep &step, mlir::Value token);
  unsigned axes() const { return state.type.getKeys().size(); }
  int64_t keySize(unsigned axis) const { return state.type.getKeys()[axis]; }
  mlir::Type tileOf(llvm::ArrayRef<int64_t> shape) const {
    return TileEmitter::tileType(shape, state.type.getElementType());
  }

  Batch &batch;
  TileEmitter &e;
  const AffineState &form;
  const CarriedState &state;
  llvm::SmallVector<int64_t> blockSize; // per axis: of its transforms, 0 without or where it is turned
  llvm::SmallVector<bool> decays;       // per axis
  bool decaysAll = false;
  llvm::SmallVector<unsigned> writes;                              // events of the path
  std::map<unsigned, MovingFrame> moving;                          // of axes that are turned
  std::map<std::pair<unsigned, unsigned>, mlir::Value> turnedKeys; // (event, axis): [C, K], as at the start

  // Of reads: keys per axis [C, K] and numbers [C] with what their branches do.
  std::map<unsigned, llvm::SmallVector<mlir::Value>> pulledKeys;
  std::map<unsigned, mlir::Value> pulledNumbers;

  /// Sums of logarithms from the start of a token's block to each position of the path, per axis [C, K], and [C] for
  /// what decays all elements (last); empty where nothing decays.
  llvm::SmallVector<llvm::SmallVector<mlir::Value>> logs;
  int64_t blockLength = 1;
  bool entersMiddle = false;  // the state, in the middle of the chunk, and writes are added to it there
  bool entersAtStart = false; // rather than there
  bool onlyScores = false;    // are made, and not masked
  std::map<std::pair<unsigned, unsigned>, mlir::Value> transposed; // (write, axis): [K, C]

  // Results.
  std::map<std::pair<unsigned, unsigned>, mlir::Value> scores; // [C, C]
  std::map<std::pair<unsigned, unsigned>, mlir::Value>
      readKeys;                             // (read, axis): [C, K], relative to where the state enters
  std::map<unsigned, mlir::Value> readLogs; // [C]
  std::map<std::pair<unsigned, unsigned>, mlir::Value>
      writeKeys;                             // (event, axis): [K, C], relative to where writes are added
  std::map<unsigned, mlir::Value> writeLogs; // [C]
  llvm::SmallVector<mlir::Value> totals;     // per axis: [K] or blocks [K, p]; null: nothing
  mlir::Value totalLog;                      // scalar
  llvm::SmallVector<mlir::Value> enterFactors, leaveFactors; // per axis: [K]
  mlir::Value start;                                         // the state before it has entered
};

} // namespace rwkv

#endif // RWKV_PASSES_EXPAND_KEYFRAMES_H
