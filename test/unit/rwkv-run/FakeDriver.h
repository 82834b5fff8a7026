// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A stand-in for the compiler.
#ifndef RWKV_TEST_UNIT_RWKV_RUN_FAKEDRIVER_H
#define RWKV_TEST_UNIT_RWKV_RUN_FAKEDRIVER_H

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace rwkv::run::test {

/// How often the stand-in compiled.
extern int compilations;

/// The bytes of a pack.
std::string makePack(const std::string &manifest, const std::string &blob = "");

/// A pack with a function `name` of one argument x and one result y = x, of this type and rank, all sizes T.
std::string makeCopyPack(const std::string &name, const std::string &dtype, int rank);

/// A pack for a checkpoint with a tensor "table" f32 [256, 256]; see Kernels.c. For a target other than
/// "host": as the driver of test/unit/runtime/fake_driver.c runs it.
std::string makeBigramPack(const std::string &target = "host");

/// A .safetensors file with these f32 arrays of one shape.
std::string makeSafetensors(const std::vector<std::pair<std::string, std::vector<float>>> &arrays,
                            const std::vector<int64_t> &shape);

std::string readAll(const std::string &path);
void writeAll(const std::string &path, std::string_view bytes);

/// A folder that is removed at the end.
class TemporaryFolder {
public:
  TemporaryFolder();
  ~TemporaryFolder();
  std::string file(const std::string &name) const { return (path / name).string(); }
  std::vector<std::string> names() const;
  std::filesystem::path path;
};

} // namespace rwkv::run::test

#endif // RWKV_TEST_UNIT_RWKV_RUN_FAKEDRIVER_H
