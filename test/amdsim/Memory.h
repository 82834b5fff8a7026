// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The memory that all work-groups see. Addresses are those of this process; what is in no region is not accessed.
#ifndef RWKV_TEST_AMDSIM_MEMORY_H
#define RWKV_TEST_AMDSIM_MEMORY_H

#include <cstdint>
#include <string>
#include <vector>

namespace amdsim {

struct Region {
  uint64_t begin, size;
  bool isWritable;
  std::string what; // for messages

  bool holds(uint64_t address, unsigned bytes, bool writes) const {
    const uint64_t offset = address - begin;
    return address >= begin && offset < size && bytes <= size - offset && (isWritable || !writes);
  }
};

class Memory {
public:
  void add(const void *begin, uint64_t size, bool isWritable, std::string what);

  /// Whether all of it lies in one region. `recent` is tried first and set.
  bool allows(uint64_t address, unsigned bytes, bool writes, const Region *&recent) const;
  /// Where an address is, in words: "4 bytes behind buffer 0 of 64 bytes".
  std::string describe(uint64_t address) const;

private:
  std::vector<Region> regions; // which may overlap
};

} // namespace amdsim

#endif // RWKV_TEST_AMDSIM_MEMORY_H
