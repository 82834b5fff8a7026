// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "rwkv-run/Cache.h"
#include "FakeDriver.h"

#include <cstdlib>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace rwkv::run;
using namespace rwkv::run::test;

namespace {

mode_t modeOf(const std::string &path) {
  struct stat info = {};
  stat(path.c_str(), &info);
  return info.st_mode & 07777;
}

TEST(Cache, MakesItsFolder) {
  TemporaryFolder folder;
  std::string path = folder.file("a/b/cache"), why;
  mode_t old = umask(0);
  PackCache cache = PackCache::open(path, why);
  umask(old);
  EXPECT_TRUE(cache.usable()) << why;
  EXPECT_EQ(why, "");
  EXPECT_EQ(modeOf(path), 0700u);
  EXPECT_FALSE(cache.read("key"));
  cache.write("key", "bytes", why);
  EXPECT_EQ(why, "");
  EXPECT_EQ(cache.read("key"), "bytes");
  EXPECT_FALSE(cache.read("other"));
  EXPECT_EQ(modeOf(path + "/" + PackCache::fileName("key")), 0600u);
  cache.write("key", "new", why);
  EXPECT_EQ(cache.read("key"), "new");
  EXPECT_TRUE(PackCache::open(path, why).read("key"));
}

TEST(Cache, FileName) {
  // XXH3-128 of nothing.
  EXPECT_EQ(PackCache::fileName(""), "99aa06d3014798d86001c324468d497f.pack");
  EXPECT_NE(PackCache::fileName("a"), PackCache::fileName("b"));
}

TEST(Cache, RefusesOpenFolders) {
  TemporaryFolder folder;
  for (mode_t mode : {0701, 0710, 0720, 0704, 0755, 0777}) {
    std::string path = folder.file("cache"), why;
    mkdir(path.c_str(), 0700);
    chmod(path.c_str(), mode);
    PackCache cache = PackCache::open(path, why);
    EXPECT_FALSE(cache.usable());
    char expected[64];
    snprintf(expected, sizeof(expected), ": expected mode 0700, as it holds code, found %04o",
             static_cast<unsigned>(mode));
    EXPECT_EQ(why, path + expected);
    EXPECT_FALSE(cache.read("key"));
    why.clear();
    cache.write("key", "bytes", why);
    EXPECT_EQ(why, "");
    EXPECT_TRUE(std::filesystem::is_empty(path));
  }
}

TEST(Cache, RefusesOtherOwners) {
  if (geteuid() != 0) {
    GTEST_SKIP() << "needs root, to give a folder to somebody else";
  }
  TemporaryFolder folder;
  std::string path = folder.file("cache"), why;
  mkdir(path.c_str(), 0700);
  ASSERT_EQ(chown(path.c_str(), 12345, static_cast<gid_t>(-1)), 0);
  EXPECT_FALSE(PackCache::open(path, why).usable());
  EXPECT_EQ(why, path + ": expected a folder of user 0, found one of user 12345");
}

TEST(Cache, NotAFolder) {
  TemporaryFolder folder;
  std::string path = folder.file("cache"), why;
  writeAll(path, "x");
  EXPECT_FALSE(PackCache::open(path, why).usable());
  EXPECT_EQ(why, path + ": cannot be opened: Not a directory");
  EXPECT_FALSE(PackCache::open(path + "/below", why).usable());
  EXPECT_EQ(why, path + "/below: cannot be made: Not a directory");
}

TEST(Cache, IgnoresFilesOfOthers) {
  TemporaryFolder folder;
  std::string path = folder.file("cache"), why, entry = path + "/" + PackCache::fileName("key");
  PackCache cache = PackCache::open(path, why);
  cache.write("key", "bytes", why);
  chmod(entry.c_str(), 0666);
  EXPECT_FALSE(cache.read("key")) << "a file that anybody can change";
  unlink(entry.c_str());
  writeAll(folder.file("elsewhere"), "bytes");
  ASSERT_EQ(symlink(folder.file("elsewhere").c_str(), entry.c_str()), 0);
  EXPECT_FALSE(cache.read("key")) << "a link";
  cache.write("key", "new", why);
  EXPECT_EQ(readAll(folder.file("elsewhere")), "bytes") << "a link is replaced, not followed";
  EXPECT_EQ(cache.read("key"), "new");
  unlink(entry.c_str());
  ASSERT_EQ(mkfifo(entry.c_str(), 0600), 0);
  EXPECT_FALSE(cache.read("key")) << "a pipe, which must not block";
}

TEST(Cache, FolderGoesAway) {
  TemporaryFolder folder;
  std::string path = folder.file("cache"), why;
  PackCache cache = PackCache::open(path, why);
  std::filesystem::remove_all(path);
  cache.write("key", "bytes", why);
  EXPECT_EQ(why, path + "/" + PackCache::fileName("key") + ": cannot be written: No such file or directory");
}

TEST(Cache, TwoProcesses) {
  TemporaryFolder folder;
  std::string path = folder.file("cache");
  std::vector<pid_t> children;
  for (int child = 0; child < 2; ++child) {
    pid_t pid = fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      std::string why;
      PackCache cache = PackCache::open(path, why);
      bool good = cache.usable();
      for (int i = 0; i < 300 && good; ++i) {
        cache.write("key", std::string(1 << 16, static_cast<char>('a' + child)), why);
        std::optional<std::string> bytes = cache.read("key");
        // Complete, and of one writer.
        good = why.empty() && bytes && bytes->size() == 1 << 16 &&
               bytes->find_first_not_of((*bytes)[0]) == std::string::npos;
      }
      _exit(good ? 0 : 1);
    }
    children.push_back(pid);
  }
  for (pid_t pid : children) {
    int status = 0;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    EXPECT_EQ(status, 0);
  }
  size_t files = 0;
  for (const auto &entry : std::filesystem::directory_iterator(path)) {
    EXPECT_EQ(entry.path().filename().string(), PackCache::fileName("key"));
    ++files;
  }
  EXPECT_EQ(files, 1u);
}

TEST(Cache, DefaultPath) {
  auto with = [](const char *own, const char *xdg, const char *home) {
    own ? setenv("RWKV_CACHE_DIR", own, 1) : unsetenv("RWKV_CACHE_DIR");
    xdg ? setenv("XDG_CACHE_HOME", xdg, 1) : unsetenv("XDG_CACHE_HOME");
    home ? setenv("HOME", home, 1) : unsetenv("HOME");
    return defaultCachePath();
  };
  const char *home = getenv("HOME");
  std::string oldHome = home ? home : "";
  EXPECT_EQ(with("/own", "/xdg", "/home/x"), "/own");
  EXPECT_EQ(with(nullptr, "/xdg", "/home/x"), "/xdg/rwkv-mlir");
  EXPECT_EQ(with("", "relative", "/home/x"), "/home/x/.cache/rwkv-mlir");
  EXPECT_EQ(with(nullptr, nullptr, nullptr), "");
  with(nullptr, nullptr, oldHome.empty() ? nullptr : oldHome.c_str());
}

} // namespace
