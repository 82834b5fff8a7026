// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Bytes that are kept in files.
#include "Packs.h"

extern "C" {
#include "runtime/cache.h"
}

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace rwkvtest;
namespace fs = std::filesystem;

namespace {

constexpr int64_t kMany = 1 << 20;

class CacheTest : public testing::Test {
protected:
  CacheTest() { open(kMany); }
  ~CacheTest() override { rwkvi_cache_close(&cache); }

  void open(int64_t most) {
    rwkvi_cache_close(&cache);
    cache = rwkvi_cache_open(path.c_str(), most);
    ASSERT_GE(cache.folder, 0);
  }
  void write(const std::string &key, const std::string &bytes) {
    rwkvi_cache_write(&cache, key.data(), key.size(), bytes.data(),
                      bytes.size());
  }
  /// "-" if there is nothing.
  std::string read(const std::string &key) {
    size_t size = 0;
    void *bytes = rwkvi_cache_read(&cache, key.data(), key.size(), &size);
    std::string result = bytes ? std::string(static_cast<char *>(bytes), size)
                               : std::string("-");
    free(bytes);
    return result;
  }
  std::vector<std::string> files() {
    std::vector<std::string> names;
    for (const auto &entry : fs::directory_iterator(path)) {
      names.push_back(entry.path());
    }
    return names;
  }
  /// Makes a file look as if it was used so many seconds ago.
  void age(const std::string &file, int64_t seconds) {
    fs::last_write_time(file, fs::file_time_type::clock::now() -
                                  std::chrono::seconds(seconds));
  }

  TempFolder folder;
  std::string path = folder.path("kept/modules");
  rwkvi_cache cache = {-1, 0};
};

TEST_F(CacheTest, KeepsBytesByKey) {
  EXPECT_EQ(read("a"), "-");
  const std::string binary("\0\xff\n\0", 4);
  write("a", binary);
  write("b", "");
  EXPECT_EQ(read("a"), binary);
  EXPECT_EQ(read("b"), "");
  EXPECT_EQ(read(""), "-");
  write("a", "another");
  EXPECT_EQ(read("a"), "another");
  open(kMany);
  EXPECT_EQ(read("a"), "another");
  EXPECT_EQ(files().size(), 2u); // no temporary ones
  for (const std::string &name : files()) {
    struct stat info;
    ASSERT_EQ(stat(name.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u);
  }
}

TEST_F(CacheTest, FindsDamage) {
  const std::string bytes(1000, 'x');
  write("a", bytes);
  const std::string file = files().at(0), good = readFile(file);
  auto with = [&](const std::string &contents) {
    fs::remove(file);
    std::ofstream(file, std::ios::binary) << contents;
    fs::permissions(file, fs::perms::owner_read | fs::perms::owner_write);
    return read("a");
  };
  ASSERT_EQ(with(good), bytes);
  for (size_t at = 0; at < good.size(); ++at) {
    if (at >= 12 && at < 16) {
      continue; // reserved
    }
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    EXPECT_EQ(with(bad), "-") << at;
  }
  for (size_t size :
       {size_t{0}, size_t{7}, size_t{55}, size_t{56}, good.size() - 1}) {
    EXPECT_EQ(with(good.substr(0, size)), "-") << size;
  }
  EXPECT_EQ(with(good + "x"), "-");
  // What others may write is not used.
  with(good);
  ASSERT_EQ(chmod(file.c_str(), 0622), 0);
  EXPECT_EQ(read("a"), "-");
  // Neither are other kinds of files.
  fs::remove(file);
  ASSERT_EQ(mkfifo(file.c_str(), 0600), 0);
  EXPECT_EQ(read("a"), "-");
  fs::remove(file);
  fs::create_symlink(folder.write("elsewhere", good), file);
  EXPECT_EQ(read("a"), "-");
  // All of them are replaced.
  write("a", "new");
  EXPECT_EQ(read("a"), "new");
  fs::remove(file);
  // The bytes of another key.
  write("b", "of b");
  fs::rename(files().at(0), file);
  EXPECT_EQ(read("a"), "-");
}

TEST_F(CacheTest, TheLeastUsedGo) {
  constexpr int64_t kHeader = 56;
  open(3 * (kHeader + 100));
  const std::string bytes(100, 'x');
  std::vector<std::string> order;
  for (const char *key : {"a", "b", "c"}) {
    std::vector<std::string> before = files();
    write(key, bytes);
    for (const std::string &name : files()) {
      if (std::find(before.begin(), before.end(), name) == before.end()) {
        order.push_back(name);
      }
    }
  }
  ASSERT_EQ(order.size(), 3u);
  for (int i = 0; i < 3; ++i) {
    age(order[static_cast<size_t>(i)], 1000 - 100 * i);
  }
  EXPECT_EQ(read("a"), bytes); // used now
  write("d", bytes);
  EXPECT_EQ(read("b"), "-");
  EXPECT_EQ(read("a") + read("c") + read("d"), bytes + bytes + bytes);
  // Something large makes room for itself.
  write("e", std::string(3 * 100 + 2 * kHeader, 'y'));
  EXPECT_EQ(files().size(), 1u);
  EXPECT_EQ(read("e").size(), static_cast<size_t>(3 * 100 + 2 * kHeader));
  // What is larger than all is not kept.
  write("f", std::string(3 * 100 + 2 * kHeader + 1, 'z'));
  EXPECT_EQ(read("f"), "-");
  EXPECT_EQ(files().size(), 1u);
}

TEST_F(CacheTest, RemovesWhatDeadProcessesLeft) {
  std::string old = path + "/tmp-1-2-3", fresh = path + "/tmp-1-2-4",
              other = path + "/notes";
  for (const std::string &name : {old, fresh, other}) {
    std::ofstream(name) << "half";
  }
  age(old, 100000);
  age(other, 100000);
  open(1);
  write("a", ""); // larger than all may be
  EXPECT_TRUE(fs::exists(old));
  open(kMany);
  write("a", "");
  EXPECT_FALSE(fs::exists(old));
  EXPECT_TRUE(fs::exists(fresh));
  EXPECT_TRUE(fs::exists(other)); // somebody else's
}

TEST_F(CacheTest, NeedsAFolderOfItsOwn) {
  write("a", "kept");
  for (mode_t mode : {0770, 0701, 0755}) {
    ASSERT_EQ(chmod(path.c_str(), mode), 0);
    rwkvi_cache none = rwkvi_cache_open(path.c_str(), kMany);
    EXPECT_EQ(none.folder, -1);
    // What has none does nothing.
    rwkvi_cache_write(&none, "a", 1, "b", 1);
    size_t size = 0;
    EXPECT_EQ(rwkvi_cache_read(&none, "a", 1, &size), nullptr);
    rwkvi_cache_close(&none);
  }
  ASSERT_EQ(chmod(path.c_str(), 0700), 0);
  EXPECT_EQ(read("a"), "kept");
  EXPECT_EQ(rwkvi_cache_open("", kMany).folder, -1);
  EXPECT_EQ(rwkvi_cache_open(folder.write("file", "").c_str(), kMany).folder,
            -1);
  EXPECT_EQ(rwkvi_cache_open(std::string(5000, 'x').c_str(), kMany).folder, -1);
}

TEST_F(CacheTest, FailuresToWriteAreNoErrors) {
  write("a", "kept");
  fs::remove_all(path); // it stays open
  write("b", "lost");
  EXPECT_EQ(read("b"), "-");
  EXPECT_EQ(read("a"), "-");
}

TEST_F(CacheTest, TheEnvironmentNamesTheFolder) {
  const char *const names[] = {"RWKV_MODULE_CACHE", "RWKV_CACHE_DIR",
                               "XDG_CACHE_HOME", "HOME"};
  std::vector<std::string> before;
  for (const char *name : names) {
    const char *value = getenv(name);
    before.push_back(value ? value : "");
  }
  auto opens = [&](std::vector<const char *> values) {
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] ? setenv(names[i], values[i], 1) : unsetenv(names[i]);
    }
    rwkvi_cache opened = rwkvi_cache_open(nullptr, kMany);
    if (opened.folder < 0) {
      return std::string("none");
    }
    std::string link = "/proc/self/fd/" + std::to_string(opened.folder);
    std::string target = fs::read_symlink(link);
    rwkvi_cache_close(&opened);
    return target.substr(fs::canonical(folder.path("")).string().size());
  };
  const std::string own = folder.path("own"), all = folder.path("all"),
                    user = folder.path("user"), home = folder.path("home");
  EXPECT_EQ(opens({own.c_str(), all.c_str(), user.c_str(), home.c_str()}),
            "/own");
  EXPECT_EQ(opens({"off", all.c_str(), user.c_str(), home.c_str()}), "none");
  EXPECT_EQ(opens({nullptr, all.c_str(), user.c_str(), home.c_str()}),
            "/all/modules");
  EXPECT_EQ(opens({"", "", user.c_str(), home.c_str()}),
            "/user/rwkv-mlir/modules");
  EXPECT_EQ(opens({nullptr, nullptr, "relative", home.c_str()}),
            "/home/.cache/rwkv-mlir/modules");
  EXPECT_EQ(opens({nullptr, nullptr, nullptr, nullptr}), "none");
  for (size_t i = 0; i < before.size(); ++i) {
    before[i].empty() ? unsetenv(names[i])
                      : setenv(names[i], before[i].c_str(), 1);
  }
}

// Every reader finds a whole file of one of the writers, or none.
TEST_F(CacheTest, ProcessesShareIt) {
  constexpr int kProcesses = 6, kRounds = 200;
  auto value = [](int process, int round) {
    return std::string(static_cast<size_t>(1 + (round * 37) % 5000),
                       static_cast<char>('a' + process));
  };
  std::vector<pid_t> children;
  for (int process = 0; process < kProcesses; ++process) {
    pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      rwkvi_cache own = rwkvi_cache_open(path.c_str(), 20000);
      int bad = own.folder < 0;
      for (int round = 0; round < kRounds; ++round) {
        std::string key = "key " + std::to_string(round % 7),
                    bytes = value(process, round);
        rwkvi_cache_write(&own, key.data(), key.size(), bytes.data(),
                          bytes.size());
        size_t size = 0;
        char *found = static_cast<char *>(
            rwkvi_cache_read(&own, key.data(), key.size(), &size));
        if (found) {
          bad += size == 0 || static_cast<size_t>(std::count(
                                  found, found + size, found[0])) != size;
        }
        free(found);
      }
      _exit(bad);
    }
    children.push_back(child);
  }
  for (pid_t child : children) {
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  int64_t total = 0;
  for (const std::string &name : files()) {
    EXPECT_EQ(name.find("tmp-"), std::string::npos);
    total += static_cast<int64_t>(fs::file_size(name));
  }
  // Those who look at the same time may each leave what the other removes.
  EXPECT_LE(total, 2 * 20000);
  EXPECT_GT(total, 0);
}

} // namespace
