// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Run.h"

#include "Decode.h"
#include "Wave.h"

#include <atomic>
#include <deque>
#include <mutex>
#include <thread>

using namespace amdsim;

namespace {

constexpr unsigned kMostLanes = 1024;     // of a group
constexpr uint64_t kMostLocal = 64 << 10; // bytes of a group
constexpr unsigned kTurn = 4096;          // instructions of a wave, if it does not stop earlier
constexpr unsigned kMostTurns = 1 << 14;  // of a group

enum class State { ready, asleep, atBarrier, ended };

struct Member {
  Wave wave;
  State state = State::ready;
};

class GroupRun {
public:
  GroupRun(const Memory &memory, const Launch &launch, int64_t number)
      : launch(launch), kernel(*launch.kernel), number(number) {
    group.memory = &memory;
    group.local.assign(kernel.localBytes + launch.localBytes, kPoison);
    for (unsigned first = 0; first < launch.lanes; first += kLanes) {
      prepare(members.emplace_back(Member{Wave(group, kernel.privateBytes)}).wave, first);
    }
  }

  /// The reason why it cannot go on; nothing at its end.
  std::string run() {
    uint64_t known = 0; // writes at the last turn
    unsigned still = 0; // turns in which nothing happened
    for (unsigned turn = 0; turn < kMostTurns; ++turn) {
      bool moved = false;
      for (size_t i = 0; i < members.size(); ++i) {
        // Every other group from behind: where a barrier is missing, one of the two orders shows it.
        const size_t at = number % 2 ? members.size() - 1 - i : i;
        Member &member = members[at];
        if (member.state == State::ready || member.state == State::asleep) {
          moved |= step(member);
        }
        if (!member.wave.failure.empty()) {
          return describe(at);
        }
      }
      if (meet()) {
        moved = true;
      }
      if (count(State::ended) == members.size()) {
        return "";
      }
      // Waves that sleep look at memory, which others may have changed since.
      still = moved || group.writes != known ? 0 : still + 1;
      known = group.writes;
      if (still > 1) {
        return "no wave can go on: " + std::to_string(count(State::atBarrier)) + " wait at a barrier, " +
               std::to_string(count(State::asleep)) + " for memory to change, " + std::to_string(count(State::ended)) +
               " have ended";
      }
    }
    return "expected it to end, found no end after " + std::to_string(kMostTurns) + " turns of its waves";
  }

private:
  void prepare(Wave &wave, unsigned first) {
    if (kernel.parameters < kScalars) {
      wave.writeMask(kernel.parameters, reinterpret_cast<uintptr_t>(launch.parameters));
    }
    if (kernel.groupNumber < kScalars) {
      wave.scalars[kernel.groupNumber] = uint32_t(number);
    }
    wave.writeMask(kExec, ~uint64_t(0));
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      wave.vectors[0][lane] = first + lane;
    }
  }

  /// Until the wave stops; whether it did more than fall asleep.
  bool step(Member &member) {
    Wave &wave = member.wave;
    member.state = State::ready;
    for (unsigned i = 0; i < kTurn; ++i) {
      if (wave.pc >= kernel.program.size()) {
        wave.fail("expected an instruction, found the end of the code");
        return true;
      }
      const Instruction &instruction = kernel.program[wave.pc++];
      instruction.row->execute(wave, instruction);
      if (!wave.failure.empty()) {
        --wave.pc;
        return true;
      }
      switch (instruction.row->next) {
      case Row::Next::goesOn:
      case Row::Next::mayJump:
        continue;
      case Row::Next::sleeps:
        member.state = State::asleep;
        return false;
      case Row::Next::waits:
        member.state = State::atBarrier;
        return true;
      case Row::Next::ends:
        member.state = State::ended;
        return true;
      }
    }
    return true;
  }

  size_t count(State state) const {
    size_t count = 0;
    for (const Member &member : members) {
      count += member.state == state;
    }
    return count;
  }

  /// Waves that have ended do not take part in barriers.
  bool meet() {
    if (count(State::atBarrier) == 0 || count(State::atBarrier) + count(State::ended) < members.size()) {
      return false;
    }
    for (Member &member : members) {
      member.state = member.state == State::atBarrier ? State::ready : member.state;
    }
    return true;
  }

  std::string describe(size_t at) const {
    const Wave &wave = members[at].wave;
    std::string where = "wave " + std::to_string(at) + ": ";
    if (wave.pc < kernel.program.size()) {
      where += locate(kernel.program[wave.pc]);
    }
    return where + wave.failure;
  }

  const Launch &launch;
  const Kernel &kernel;
  int64_t number;
  Group group;
  std::deque<Member> members; // whose addresses stay
};

} // namespace

bool amdsim::run(const Memory &memory, const Launch &launch, std::string &error) {
  const uint64_t local = launch.kernel->localBytes + launch.localBytes;
  if (launch.lanes == 0 || launch.lanes % kLanes != 0 || launch.lanes > kMostLanes || local > kMostLocal) {
    error = "kernel \"" + launch.kernel->name + "\": expected whole waves of up to " + std::to_string(kMostLanes) +
            " lanes and up to " + std::to_string(kMostLocal) + " bytes of local memory, found " +
            std::to_string(launch.lanes) + " lanes and " + std::to_string(local) + " bytes";
    return false;
  }
  std::atomic<int64_t> next = 0;
  std::atomic<bool> stop = false;
  std::mutex mutex;
  auto work = [&] {
    for (int64_t number = next++; number < launch.groups && !stop; number = next++) {
      std::string why = GroupRun(memory, launch, number).run();
      if (!why.empty() && !stop.exchange(true)) {
        std::lock_guard<std::mutex> lock(mutex);
        error = "kernel \"" + launch.kernel->name + "\": task " + std::to_string(number) + ": " + why;
      }
    }
  };
  std::vector<std::thread> others;
  for (unsigned i = 1; i < launch.threads && i < launch.groups; ++i) {
    others.emplace_back(work);
  }
  work();
  for (std::thread &other : others) {
    other.join();
  }
  return !stop;
}
