// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "rwkv-run/Support.h"

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <random>
#include <sys/stat.h>
#include <unistd.h>

namespace rwkv::run {

std::string format(const char *text, ...) {
  va_list args, again;
  va_start(args, text);
  va_copy(again, args);
  int length = vsnprintf(nullptr, 0, text, args);
  va_end(args);
  std::string result(length > 0 ? length : 0, '\0');
  vsnprintf(result.data(), result.size() + 1, text, again);
  va_end(again);
  return result;
}

std::string shapeText(const std::vector<int64_t> &shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    text += (i ? ", " : "") + std::to_string(shape[i]);
  }
  return text + "]";
}

std::string sizeText(uint64_t bytes) {
  static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
  std::string text = std::to_string(bytes) + (bytes == 1 ? " byte" : " bytes");
  if (bytes < 1024) {
    return text;
  }
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(units); ++unit) {
    value /= 1024;
  }
  return text + format(" (%.2f %s)", value, units[unit]);
}

int utf8Length(std::string_view text) {
  if (text.empty()) {
    return -1;
  }
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  unsigned char first = byte(0);
  if (first < 0x80) {
    return 1;
  }
  int length = first >= 0xc2 && first <= 0xdf ? 2 : (first & 0xf0) == 0xe0 ? 3 : first >= 0xf0 && first <= 0xf4 ? 4 : 0;
  if (length == 0) {
    return 0;
  }
  // The second byte has a narrower range where a sequence would be overlong, a surrogate or above U+10FFFF.
  unsigned low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  unsigned high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  for (int i = 1; i < length; ++i) {
    if (static_cast<size_t>(i) >= text.size()) {
      return -1;
    }
    if (byte(i) < (i == 1 ? low : 0x80) || byte(i) > (i == 1 ? high : 0xbf)) {
      return 0;
    }
  }
  return length;
}

std::string inQuotes(std::string_view text) {
  std::string out = "'";
  while (!text.empty()) {
    int length = utf8Length(text);
    unsigned char c = static_cast<unsigned char>(text[0]);
    size_t taken = length > 1 ? length : 1;
    if (length > 1) {
      out += text.substr(0, taken);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\'' || c == '\\') {
      out += {'\\', static_cast<char>(c)};
    } else if (c < 0x20 || c >= 0x7f) {
      out += format("\\x%02x", c);
    } else {
      out += static_cast<char>(c);
    }
    text.remove_prefix(taken);
  }
  return out + "'";
}

// ---- files

namespace {

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd > 2) {
      close(fd);
    }
  }
};

/// Reads until the end of the file or until more than `limit` bytes are there.
std::string readUpTo(const std::string &path, uint64_t limit, bool standardInput) {
  Descriptor file{standardInput ? 0 : open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) {
    throw Error(format("%s: cannot be opened: %s", path.c_str(), strerror(errno)));
  }
  std::string bytes;
  char buffer[65536];
  while (bytes.size() <= limit) {
    ssize_t n = read(file.fd, buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n < 0) {
      throw Error(format("%s: cannot be read: %s", path.c_str(), strerror(errno)));
    }
    if (n == 0) {
      break;
    }
    bytes.append(buffer, n);
  }
  return bytes;
}

} // namespace

std::string readFile(const std::string &path, uint64_t limit, bool standardInput) {
  std::string bytes = readUpTo(path, limit, standardInput && path == "-");
  if (bytes.size() > limit) {
    throw Error(format("%s: expected at most %llu bytes, found more", path.c_str(), (unsigned long long)limit));
  }
  return bytes;
}

std::string readStart(const std::string &path, size_t count) {
  Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) {
    throw Error(format("%s: cannot be opened: %s", path.c_str(), strerror(errno)));
  }
  std::string bytes(count, '\0');
  ssize_t n;
  do {
    n = read(file.fd, bytes.data(), count);
  } while (n < 0 && errno == EINTR);
  if (n < 0) {
    throw Error(format("%s: cannot be read: %s", path.c_str(), strerror(errno)));
  }
  bytes.resize(n);
  return bytes;
}

OutputFile::OutputFile(const std::string &path) : shown(path), target(path) {
  struct stat info;
  bool exists = stat(path.c_str(), &info) == 0;
  if (exists && S_ISDIR(info.st_mode)) {
    throw Error(format("%s: expected a file to write, found a directory", path.c_str()));
  }
  if (exists && !S_ISREG(info.st_mode)) {
    descriptor = open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (descriptor < 0) {
      throw Error(format("%s: cannot be written: %s", path.c_str(), strerror(errno)));
    }
    return;
  }
  // Through a link, so that the rename replaces the file and not the link.
  if (char *real = exists ? realpath(path.c_str(), nullptr) : nullptr) {
    target = real;
    free(real);
  }
  size_t slash = target.rfind('/');
  std::string folder = slash == std::string::npos ? "" : target.substr(0, slash + 1);
  std::random_device random;
  for (int attempt = 0; attempt < 16 && descriptor < 0; ++attempt) {
    temporary = folder + format(".rwkv-run-%ld-%08x.tmp", static_cast<long>(getpid()), random());
    descriptor = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, exists ? info.st_mode & 0777 : 0666);
    if (descriptor < 0 && errno != EEXIST) {
      break;
    }
  }
  if (descriptor < 0) {
    temporary.clear();
    throw Error(format("%s: cannot be written: %s", path.c_str(), strerror(errno)));
  }
}

OutputFile::OutputFile(OutputFile &&other) noexcept
    : shown(std::move(other.shown)), target(std::move(other.target)), temporary(std::move(other.temporary)),
      descriptor(other.descriptor) {
  other.descriptor = -1;
  other.temporary.clear();
}

OutputFile::~OutputFile() {
  if (descriptor >= 0) {
    close(descriptor);
  }
  if (!temporary.empty()) {
    unlink(temporary.c_str());
  }
}

void OutputFile::write(std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t n = ::write(descriptor, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n < 0) {
      throw Error(format("%s: cannot be written: %s", shown.c_str(), strerror(errno)));
    }
    bytes.remove_prefix(n);
  }
}

void OutputFile::finish() {
  int fd = descriptor;
  descriptor = -1;
  if (fd >= 0 && close(fd) != 0) {
    throw Error(format("%s: cannot be written: %s", shown.c_str(), strerror(errno)));
  }
}

void OutputFile::commit() {
  finish();
  if (!temporary.empty() && rename(temporary.c_str(), target.c_str()) != 0) {
    throw Error(format("%s: cannot be replaced: %s", shown.c_str(), strerror(errno)));
  }
  temporary.clear();
}

// ---- messages

Log::Log(bool quiet, bool forceProgress)
    : quiet(quiet), terminal(isatty(STDERR_FILENO) == 1), enabled(!quiet && (terminal || forceProgress)) {}

void Log::note(const std::string &text) {
  if (!quiet) {
    clear();
    fprintf(stderr, "rwkv-run: %s\n", text.c_str());
  }
}

void Log::progress(const std::string &text) {
  if (!enabled) {
    return;
  }
  auto now = std::chrono::steady_clock::now();
  auto pause = terminal ? std::chrono::milliseconds(100) : std::chrono::milliseconds(1000);
  if (shown && now - last < pause) {
    return;
  }
  fprintf(stderr, terminal ? "\r\033[K%s" : "rwkv-run: %s\n", text.c_str());
  fflush(stderr);
  shown = true;
  last = now;
}

void Log::clear() {
  if (shown && terminal) {
    fputs("\r\033[K", stderr);
    fflush(stderr);
  }
  shown = false;
}

// ---- the runtime's handles

void check(rwkv_runtime *rt, rwkv_status status) {
  if (status != RWKV_OK) {
    throw Error(rt ? rwkv_message(rt) : rwkv_status_name(status));
  }
}

RuntimeHandle createRuntime(const rwkv_runtime_options &options) {
  rwkv_runtime *rt = nullptr;
  rwkv_status status = rwkv_runtime_create(&options, &rt);
  RuntimeHandle handle(rt);
  if (status == RWKV_E_ARGUMENT) {
    throw UsageError(std::string("--") + rwkv_message(rt));
  }
  check(rt, status);
  return handle;
}

CheckpointHandle openCheckpoint(rwkv_runtime *rt, const std::string &path) {
  rwkv_checkpoint *checkpoint = nullptr;
  check(rt, rwkv_checkpoint_open(rt, path.c_str(), &checkpoint));
  return CheckpointHandle(checkpoint);
}

} // namespace rwkv::run
