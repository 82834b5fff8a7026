// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Memory.h"

#include <algorithm>

using namespace amdsim;

void Memory::add(const void *begin, uint64_t size, bool isWritable, std::string what) {
  regions.push_back({reinterpret_cast<uintptr_t>(begin), size, isWritable, std::move(what)});
}

bool Memory::allows(uint64_t address, unsigned bytes, bool writes, const Region *&recent) const {
  if (recent && recent->holds(address, bytes, writes)) {
    return true;
  }
  auto found = std::find_if(regions.begin(), regions.end(),
                            [&](const Region &region) { return region.holds(address, bytes, writes); });
  recent = found == regions.end() ? nullptr : &*found;
  return recent;
}

std::string Memory::describe(uint64_t address) const {
  const Region *nearest = nullptr;
  uint64_t distance = 0;
  for (const Region &region : regions) {
    const uint64_t end = region.begin + region.size;
    const uint64_t away = address < region.begin ? region.begin - address : address < end ? 0 : address - end + 1;
    if (!nearest || away < distance) {
      nearest = &region;
      distance = away;
    }
  }
  if (!nearest) {
    return "where nothing is";
  }
  const std::string name = nearest->what + " of " + std::to_string(nearest->size) + " bytes";
  if (distance == 0) {
    return "byte " + std::to_string(address - nearest->begin) + " of " + name +
           (nearest->isWritable ? "" : ", which is not to be written");
  }
  return address < nearest->begin ? std::to_string(distance) + " bytes before " + name
                                  : std::to_string(distance - 1) + " bytes behind " + name;
}
