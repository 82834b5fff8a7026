// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Machine code that the driver made of a pack's text is kept.
#include "Gpu.h"

#include <filesystem>
#include <fstream>
#include <stdlib.h>
#include <sys/stat.h>

using namespace rwkvtest;
namespace fs = std::filesystem;

namespace {

class GpuCacheTest : public GpuTest {
protected:
  GpuCacheTest() : cache(folder.path("modules")) {
    setenv("RWKV_MODULE_CACHE", cache.c_str(), 1);
  }

  struct Loads {
    int texts, compiled, codes;
    bool operator==(const Loads &o) const {
      return texts == o.texts && compiled == o.compiled && codes == o.codes;
    }
  };
  /// What opening a pack makes the driver do.
  Loads open(const std::string &blob = code(), rwkv_runtime *rt = nullptr,
             rwkv_status expected = RWKV_OK, const char *feature = "sm_90") {
    Runtime own;
    if (!rt) {
      own = GpuTest::open();
      rt = own.get();
    }
    fake->texts = fake->compiled = fake->codes = 0;
    std::string bytes =
        packBytes(manifest("[" + kernel("which") + "]", "[]", "[]",
                           "[" + target("gpu", feature, 0, blob.size()) + "]"),
                  blob);
    rwkv_pack *out = nullptr;
    EXPECT_EQ(rwkv_pack_read(rt, bytes.data(), bytes.size(), "p", &out),
              expected)
        << rwkv_message(rt);
    rwkv_pack_close(out);
    return {fake->texts, fake->compiled, fake->codes};
  }
  std::vector<std::string> files() {
    std::vector<std::string> names;
    for (const auto &entry : fs::directory_iterator(cache)) {
      names.push_back(entry.path());
    }
    return names;
  }

  const Loads made = {0, 1, 1}, found = {0, 0, 1}, plain = {1, 0, 0};
  TempFolder folder;
  std::string cache;
};

TEST_F(GpuCacheTest, CompilesOnce) {
  EXPECT_EQ(open(), made);
  EXPECT_EQ(open(), found);
  EXPECT_EQ(open(), found);
  // A NUL at the end of the text is not part of it.
  EXPECT_EQ(open(code() + std::string(1, '\0')), found);
  EXPECT_EQ(files().size(), 1u);
}

TEST_F(GpuCacheTest, OtherDevicesDriversAndTextsAreOthers) {
  EXPECT_EQ(open(), made);
  EXPECT_EQ(open(code() + "// more\n"), made);
  fake->minor = 1;
  EXPECT_EQ(open(), made);
  fake->minor = 0;
  fake->version = 13000;
  EXPECT_EQ(open(), made);
  {
    Runtime second = GpuTest::open("cuda:1"); // of another name
    EXPECT_EQ(open(code(), second.get()), made);
  }
  fake->version = 12040;
  EXPECT_EQ(open(), found);
  EXPECT_EQ(files().size(), 5u);
}

TEST_F(GpuCacheTest, DamageIsReplaced) {
  EXPECT_EQ(open(), made);
  const std::string file = files().at(0), good = readFile(file);
  for (const std::string &bad :
       {good.substr(0, good.size() / 2), good + "x", std::string(),
        std::string(good.size(), '\0'), "x" + good.substr(1)}) {
    std::ofstream(file, std::ios::binary | std::ios::trunc) << bad;
    EXPECT_EQ(open(), made);
    EXPECT_EQ(readFile(file), good);
    EXPECT_EQ(open(), found);
  }
}

// As when the files came from a machine whose driver says the same version.
TEST_F(GpuCacheTest, WhatTheDriverRefusesIsReplaced) {
  EXPECT_EQ(open(), made);
  fail("cuModuleLoadDataEx", CU_ERROR_NO_BINARY_FOR_GPU);
  EXPECT_EQ(open(), made);
  EXPECT_EQ(open(), found);
}

TEST_F(GpuCacheTest, WorksWithoutAFolder) {
  setenv("RWKV_MODULE_CACHE", "off", 1);
  EXPECT_EQ(open(), plain);
  setenv("RWKV_MODULE_CACHE", folder.write("file", "").c_str(), 1);
  EXPECT_EQ(open(), plain);
  setenv("RWKV_MODULE_CACHE", cache.c_str(), 1);
  EXPECT_EQ(open(), made);
  EXPECT_EQ(open(), found);
  ASSERT_EQ(chmod(cache.c_str(), 0755), 0);
  EXPECT_EQ(open(), plain);
  // As the options say.
  Runtime rt = GpuTest::open("cuda", "");
  EXPECT_EQ(open(code(), rt.get()), plain);
  rt.reset();
  const std::string other = folder.path("other");
  rt = GpuTest::open("cuda", other.c_str());
  EXPECT_EQ(open(code(), rt.get()), made);
  EXPECT_EQ(open(code(), rt.get()), found);
  EXPECT_TRUE(fs::exists(other));
}

TEST_F(GpuCacheTest, FailuresOfLinkingAreNone) {
  for (const char *call : {"cuLinkCreate_v2", "cuLinkAddData_v2",
                           "cuLinkComplete", "cuModuleLoadDataEx"}) {
    SCOPED_TRACE(call);
    fail(call, 999);
    Loads loads = open();
    EXPECT_EQ(loads.texts, 1);
    EXPECT_EQ(fake->fail, nullptr);
    EXPECT_EQ(files().size(), 0u);
    EXPECT_EQ(fake->links, 0);
  }
  // Bad text is said to be what it is without a cache.
  Runtime rt = GpuTest::open();
  open(".bad PTX", rt.get(), RWKV_E_FORMAT);
  EXPECT_NE(std::string(rwkv_message(rt.get())).find("fatal: .bad PTX"),
            std::string::npos)
      << rwkv_message(rt.get());
  EXPECT_EQ(files().size(), 0u);
}

// Code for one capability is linked for it; if that fails, for what the linker
// chooses.
TEST_F(GpuCacheTest, TellsTheTarget) {
  EXPECT_EQ(open(), made);
  EXPECT_EQ(fake->link_target, 0);
  fs::remove_all(cache);
  EXPECT_EQ(open(code(), nullptr, RWKV_OK, "sm_90a"), made);
  EXPECT_EQ(fake->link_target, 0x10000 + 90);
  for (const char *call : {"cuLinkCreate_v2", "cuLinkAddData_v2"}) {
    fs::remove_all(cache);
    fail(call, CU_ERROR_INVALID_PTX);
    EXPECT_EQ(open(code(), nullptr, RWKV_OK, "sm_90a"), made);
    EXPECT_EQ(fake->link_target, 0);
    EXPECT_EQ(open(code(), nullptr, RWKV_OK, "sm_90a"), found);
  }
}

// What is no text is loaded as it is.
TEST_F(GpuCacheTest, CodeIsNotKept) {
  EXPECT_EQ(open(), made);
  const std::string file = readFile(files().at(0)),
                    machine = file.substr(file.find("\x7f"
                                                    "ELF"));
  fs::remove_all(cache);
  Loads loads = open(machine);
  EXPECT_EQ(loads, found);
  EXPECT_FALSE(fs::exists(cache));
}

} // namespace
