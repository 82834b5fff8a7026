// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "rwkv-run/Npy.h"
#include "rwkv-run/Support.h"

#include <cstring>

namespace rwkv::run {

namespace {

struct NpyType {
  const char *descr;
  rwkv_dtype dtype;
};
constexpr NpyType npyTypes[] = {{"<f4", RWKV_F32}, {"<f8", RWKV_F64}, {"<f2", RWKV_F16},
                                {"<i4", RWKV_I32}, {"<i8", RWKV_I64}, {"|u1", RWKV_U8}};
constexpr std::string_view magic("\x93NUMPY", 6);
constexpr size_t maxRank = 8;

/// The header is the text of a Python dictionary; this reads the subset that numpy writes.
class HeaderParser {
public:
  HeaderParser(std::string_view text, const std::string &name) : text(text), name(name) {}

  void parse(std::string &descr, bool &fortran, std::vector<int64_t> &shape) {
    bool seen[3] = {false, false, false};
    static const char *const keys[] = {"descr", "fortran_order", "shape"};
    expect('{');
    while (!accept('}')) {
      std::string key = string("a key");
      size_t which = 0;
      while (which < 3 && key != keys[which]) {
        ++which;
      }
      if (which == 3) {
        fail("expected the keys 'descr', 'fortran_order' and 'shape', found " + inQuotes(key));
      }
      if (seen[which]) {
        fail("a second key " + inQuotes(key));
      }
      seen[which] = true;
      expect(':');
      which == 0   ? void(descr = string("an element type such as '<f4'"))
      : which == 1 ? void(fortran = boolean())
                   : void(shape = tuple());
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    for (size_t i = 0; i < 3; ++i) {
      if (!seen[i]) {
        fail(std::string("expected the key '") + keys[i] + "', found none");
      }
    }
    skipSpace();
    if (at != text.size()) {
      fail("expected the end of the header, found " + here());
    }
  }

private:
  [[noreturn]] void fail(const std::string &what) { throw Error(name + ": header: " + what); }

  std::string here() { return at < text.size() ? inQuotes(text.substr(at, 16)) : "its end"; }

  void skipSpace() {
    while (at < text.size() && (text[at] == ' ' || text[at] == '\n')) {
      ++at;
    }
  }

  bool accept(char c) {
    skipSpace();
    if (at < text.size() && text[at] == c) {
      ++at;
      return true;
    }
    return false;
  }

  void expect(char c) {
    if (!accept(c)) {
      fail(format("expected '%c', found %s", c, here().c_str()));
    }
  }

  bool acceptWord(std::string_view word) {
    skipSpace();
    if (text.substr(at, word.size()) == word) {
      at += word.size();
      return true;
    }
    return false;
  }

  std::string string(const char *what) {
    skipSpace();
    char quote = at < text.size() ? text[at] : '\0';
    size_t end = quote == '\'' || quote == '"' ? text.find(quote, at + 1) : std::string_view::npos;
    if (end == std::string_view::npos) {
      fail(format("expected %s, found %s", what, here().c_str()));
    }
    std::string result(text.substr(at + 1, end - at - 1));
    at = end + 1;
    return result;
  }

  bool boolean() {
    if (acceptWord("True")) {
      return true;
    }
    if (!acceptWord("False")) {
      fail("expected True or False, found " + here());
    }
    return false;
  }

  std::vector<int64_t> tuple() {
    std::vector<int64_t> result;
    expect('(');
    while (!accept(')')) {
      result.push_back(integer());
      if (result.size() > maxRank) {
        fail(format("expected at most %zu axes, found more", maxRank));
      }
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return result;
  }

  int64_t integer() {
    skipSpace();
    int64_t value = 0;
    size_t start = at;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
      if (__builtin_mul_overflow(value, int64_t(10), &value) ||
          __builtin_add_overflow(value, int64_t(text[at] - '0'), &value)) {
        fail("expected sizes below 2^63, found more");
      }
    }
    if (at == start) {
      fail("expected a size, found " + here());
    }
    return value;
  }

  std::string_view text;
  const std::string &name;
  size_t at = 0;
};

} // namespace

int64_t Array::count() const {
  int64_t count = 1;
  for (int64_t extent : shape) {
    count *= extent;
  }
  return count;
}

int64_t arrayBytes(rwkv_dtype dtype, const std::vector<int64_t> &shape) {
  int64_t bytes = static_cast<int64_t>(rwkv_dtype_size(dtype));
  bool empty = false;
  for (int64_t extent : shape) {
    // An extent of 0 does not excuse an overflow of the others.
    if (extent < 0 || (extent > 0 && __builtin_mul_overflow(bytes, extent, &bytes))) {
      return -1;
    }
    empty |= extent == 0;
  }
  return empty ? 0 : bytes;
}

bool isNpy(std::string_view start) { return start.substr(0, magic.size()) == magic; }

Array parseNpy(std::string_view bytes, const std::string &name) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  if (!isNpy(bytes)) {
    throw Error(name + ": expected a .npy file starting with \\x93NUMPY, found something else");
  }
  if (bytes.size() < 10) {
    throw Error(format("%s: expected a .npy file of at least 10 bytes, found %zu", name.c_str(), bytes.size()));
  }
  unsigned major = byte(6), minor = byte(7);
  if ((major != 1 && major != 2) || minor != 0) {
    throw Error(format("%s: expected .npy format 1.0 or 2.0, found %u.%u", name.c_str(), major, minor));
  }
  size_t begin = major == 1 ? 10 : 12;
  if (bytes.size() < begin) {
    throw Error(format("%s: expected a .npy file of at least %zu bytes, found %zu", name.c_str(), begin, bytes.size()));
  }
  size_t length = byte(8) | size_t(byte(9)) << 8;
  if (major == 2) {
    length |= size_t(byte(10)) << 16 | size_t(byte(11)) << 24;
  }
  if (length > bytes.size() - begin) {
    throw Error(format("%s: header: expected at most %zu bytes, what is left of the file, found a length of %zu",
                       name.c_str(), bytes.size() - begin, length));
  }

  Array array;
  std::string descr;
  bool fortran = false;
  HeaderParser(bytes.substr(begin, length), name).parse(descr, fortran, array.shape);
  const NpyType *type = nullptr;
  for (const NpyType &candidate : npyTypes) {
    type = descr == candidate.descr ? &candidate : type;
  }
  if (!type) {
    throw Error(name + ": header: expected an element type of '<f4', '<f8', '<f2', '<i4', '<i8' or '|u1', found " +
                inQuotes(descr));
  }
  if (fortran) {
    throw Error(name + ": header: expected C order, found Fortran order (numpy.ascontiguousarray converts)");
  }
  array.dtype = type->dtype;
  std::string_view data = bytes.substr(begin + length);
  int64_t expected = arrayBytes(array.dtype, array.shape);
  if (expected < 0) {
    throw Error(name + ": header: expected a size below 2^63 bytes, found shape " + shapeText(array.shape));
  }
  if (static_cast<uint64_t>(expected) != data.size()) {
    throw Error(format("%s: expected %lld bytes of data for %s of %s, found %zu", name.c_str(), (long long)expected,
                       shapeText(array.shape).c_str(), rwkv_dtype_name(array.dtype), data.size()));
  }
  array.data.assign(data.begin(), data.end());
  return array;
}

Array readNpy(const std::string &path) { return parseNpy(readFile(path, uint64_t(1) << 40), path); }

std::string npyHeader(rwkv_dtype dtype, const std::vector<int64_t> &shape) {
  const char *descr = nullptr;
  for (const NpyType &type : npyTypes) {
    descr = type.dtype == dtype ? type.descr : descr;
  }
  if (!descr) {
    throw Error(format(".npy has no element type %s", rwkv_dtype_name(dtype)));
  }
  std::string text = std::string("{'descr': '") + descr + "', 'fortran_order': False, 'shape': (";
  for (size_t i = 0; i < shape.size(); ++i) {
    text += (i ? ", " : "") + std::to_string(shape[i]);
  }
  text += shape.size() == 1 ? ",), }" : "), }";
  size_t total = (10 + text.size() + 1 + 63) / 64 * 64;
  text.resize(total - 10 - 1, ' ');
  text += '\n';
  std::string header(magic);
  header += {1, 0, static_cast<char>(text.size() & 0xff), static_cast<char>(text.size() >> 8)};
  return header + text;
}

// ---- element types

namespace {

/// A floating point format of at most 16 bits, by its widths.
struct SmallFloat {
  int exponentBits, mantissaBits;
};
constexpr SmallFloat f16Format = {5, 10}, bf16Format = {8, 7};

/// Rounds to nearest even straight from f64: by way of f32 a value could be rounded twice.
uint16_t encodeSmall(double value, SmallFloat to) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof(bits));
  uint16_t sign = static_cast<uint16_t>(bits >> 63 << 15);
  int exponent = static_cast<int>(bits >> 52 & 0x7ff);
  uint64_t mantissa = bits & ((uint64_t(1) << 52) - 1);
  int bias = (1 << (to.exponentBits - 1)) - 1, maxExponent = (1 << to.exponentBits) - 1;
  uint16_t infinity = static_cast<uint16_t>(maxExponent << to.mantissaBits);
  if (exponent == 0x7ff) {
    return sign | infinity | (mantissa ? 1 << (to.mantissaBits - 1) : 0); // quiet NaN
  }
  int scaled = exponent - 1023 + bias;
  int drop = 52 - to.mantissaBits;
  mantissa |= exponent ? uint64_t(1) << 52 : 0;
  if (scaled <= 0) { // subnormal there
    drop += 1 - scaled;
    scaled = 0;
    if (drop > 63) {
      return sign;
    }
  } else {
    mantissa &= (uint64_t(1) << 52) - 1;
  }
  uint64_t kept = mantissa >> drop, rest = mantissa & ((uint64_t(1) << drop) - 1), half = uint64_t(1) << (drop - 1);
  kept += rest > half || (rest == half && (kept & 1));
  uint64_t result = (uint64_t(scaled) << to.mantissaBits) + kept; // a carry moves into the exponent, as it should
  return sign | static_cast<uint16_t>(scaled >= maxExponent || result > infinity ? infinity : result);
}

double decodeSmall(uint16_t bits, SmallFloat from) {
  int maxExponent = (1 << from.exponentBits) - 1, bias = maxExponent >> 1;
  int exponent = bits >> from.mantissaBits & maxExponent;
  int mantissa = bits & ((1 << from.mantissaBits) - 1);
  double value;
  if (exponent == maxExponent) {
    value = mantissa ? __builtin_nan("") : __builtin_inf();
  } else {
    value = __builtin_ldexp(exponent ? mantissa | 1 << from.mantissaBits : mantissa,
                            (exponent ? exponent : 1) - bias - from.mantissaBits);
  }
  return bits >> 15 ? -value : value;
}

bool isFloat(rwkv_dtype dtype) {
  return dtype == RWKV_F32 || dtype == RWKV_F16 || dtype == RWKV_BF16 || dtype == RWKV_F64;
}

template <typename T> T load(const char *from) {
  T value;
  memcpy(&value, from, sizeof(T));
  return value;
}

double loadFloat(rwkv_dtype dtype, const char *from) {
  switch (dtype) {
  case RWKV_F64:
    return load<double>(from);
  case RWKV_F32:
    return load<float>(from);
  default:
    return decodeSmall(load<uint16_t>(from), dtype == RWKV_F16 ? f16Format : bf16Format);
  }
}

void storeFloat(rwkv_dtype dtype, double value, char *to) {
  if (dtype == RWKV_F64) {
    memcpy(to, &value, sizeof(value));
  } else if (dtype == RWKV_F32) {
    float single = static_cast<float>(value);
    memcpy(to, &single, sizeof(single));
  } else {
    uint16_t bits = encodeSmall(value, dtype == RWKV_F16 ? f16Format : bf16Format);
    memcpy(to, &bits, sizeof(bits));
  }
}

} // namespace

Array convertArray(Array array, rwkv_dtype dtype, const std::string &name) {
  if (array.dtype == dtype) {
    return array;
  }
  bool integers = (array.dtype == RWKV_I32 && dtype == RWKV_I64) || (array.dtype == RWKV_I64 && dtype == RWKV_I32);
  if (!integers && !(isFloat(array.dtype) && isFloat(dtype))) {
    throw Error(format("%s: expected elements of type %s, found %s", name.c_str(), rwkv_dtype_name(dtype),
                       rwkv_dtype_name(array.dtype)));
  }
  Array result{dtype, array.shape, {}};
  size_t from = rwkv_dtype_size(array.dtype), to = rwkv_dtype_size(dtype);
  int64_t count = array.count();
  result.data.resize(static_cast<size_t>(count) * to);
  for (int64_t i = 0; i < count; ++i) {
    const char *source = array.data.data() + i * from;
    char *target = result.data.data() + i * to;
    if (!integers) {
      storeFloat(dtype, loadFloat(array.dtype, source), target);
      continue;
    }
    int64_t value = array.dtype == RWKV_I32 ? load<int32_t>(source) : load<int64_t>(source);
    if (dtype == RWKV_I32 && value != static_cast<int32_t>(value)) {
      throw Error(format("%s: element %lld: expected a value that fits i32, found %lld", name.c_str(), (long long)i,
                         (long long)value));
    }
    memcpy(target, &value, to); // little-endian: the low bytes come first
  }
  return result;
}

Array npyCompatible(Array array) {
  return array.dtype == RWKV_BF16 ? convertArray(std::move(array), RWKV_F32, "") : array;
}

} // namespace rwkv::run
