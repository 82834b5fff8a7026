// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "rwkv-run/Npy.h"
#include "rwkv-run/Support.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

using namespace rwkv::run;

namespace {

std::string file(const std::string &header, const std::string &data, int major = 1) {
  std::string bytes = "\x93NUMPY";
  bytes +=
      {static_cast<char>(major), 0, static_cast<char>(header.size() & 0xff), static_cast<char>(header.size() >> 8)};
  bytes += major == 2 ? std::string(2, '\0') : "";
  return bytes + header + data;
}

std::string messageOf(const std::string &bytes) {
  try {
    parseNpy(bytes, "x");
  } catch (const Error &error) {
    return error.what();
  }
  return "no error";
}

std::string headerMessage(const std::string &header) { return messageOf(file(header, "")); }

template <typename T> Array arrayOf(rwkv_dtype dtype, const std::vector<T> &values) {
  Array array{dtype, {static_cast<int64_t>(values.size())}, {}};
  array.data.resize(values.size() * sizeof(T));
  memcpy(array.data.data(), values.data(), array.data.size());
  return array;
}

template <typename T> std::vector<T> valuesOf(const Array &array) {
  std::vector<T> values(array.data.size() / sizeof(T));
  memcpy(values.data(), array.data.data(), array.data.size());
  return values;
}

TEST(Npy, RoundTrip) {
  for (rwkv_dtype dtype : {RWKV_F32, RWKV_F16, RWKV_F64, RWKV_I32, RWKV_I64, RWKV_U8}) {
    for (const std::vector<int64_t> &shape :
         std::vector<std::vector<int64_t>>{{}, {3}, {2, 3}, {2, 0, 3}, {1, 1, 1, 1, 1, 1, 1, 2}}) {
      Array array{dtype, shape, {}};
      array.data.resize(static_cast<size_t>(arrayBytes(dtype, shape)));
      for (size_t i = 0; i < array.data.size(); ++i) {
        array.data[i] = static_cast<char>(i * 37);
      }
      std::string header = npyHeader(dtype, shape);
      EXPECT_EQ(header.size() % 64, 0u);
      Array back = parseNpy(header + std::string(array.data.begin(), array.data.end()), "x");
      EXPECT_EQ(back.dtype, dtype);
      EXPECT_EQ(back.shape, shape);
      EXPECT_EQ(back.data, array.data);
    }
  }
  EXPECT_THROW(npyHeader(RWKV_BF16, {1}), Error);
}

TEST(Npy, WhatNumpyWrites) {
  EXPECT_EQ(npyHeader(RWKV_F32, {2, 3}).substr(10, 60), "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } ");
  EXPECT_EQ(npyHeader(RWKV_U8, {7}).substr(10, 58), "{'descr': '|u1', 'fortran_order': False, 'shape': (7,), } ");
  EXPECT_EQ(npyHeader(RWKV_F64, {}).substr(10, 56), "{'descr': '<f8', 'fortran_order': False, 'shape': (), } ");
}

TEST(Npy, Version2AndOtherOrder) {
  std::string data("\0\0\0\0\0\0\x80\x3f", 8);
  Array array = parseNpy(file("{\"shape\": (2,), 'fortran_order': False,\n'descr': '<f4'}", data, 2), "x");
  EXPECT_EQ(valuesOf<float>(array), (std::vector<float>{0, 1}));
}

TEST(Npy, NotNpy) {
  EXPECT_EQ(messageOf(""), "x: expected a .npy file starting with \\x93NUMPY, found something else");
  EXPECT_EQ(messageOf("PK\x03\x04 and so on"),
            "x: expected a .npy file starting with \\x93NUMPY, found something else");
  EXPECT_EQ(messageOf("\x93NUMPY\x01"), "x: expected a .npy file of at least 10 bytes, found 7");
  EXPECT_EQ(messageOf(std::string("\x93NUMPY\x02\0\0\0", 10)),
            "x: expected a .npy file of at least 12 bytes, found 10");
  EXPECT_EQ(messageOf(std::string("\x93NUMPY\x03\0\0\0\0\0", 12)), "x: expected .npy format 1.0 or 2.0, found 3.0");
  EXPECT_EQ(messageOf(std::string("\x93NUMPY\x01\x01\0\0", 10)), "x: expected .npy format 1.0 or 2.0, found 1.1");
  EXPECT_EQ(messageOf(std::string("\x93NUMPY\x01\0\x05\0{}", 12)),
            "x: header: expected at most 2 bytes, what is left of the file, found a length of 5");
  EXPECT_EQ(messageOf(std::string("\x93NUMPY\x02\0\xff\xff\xff\xff{}", 14)),
            "x: header: expected at most 2 bytes, what is left of the file, found a length of 4294967295");
}

TEST(Npy, HostileHeaders) {
  const std::string good = "'descr': '<f4', 'fortran_order': False, ";
  EXPECT_EQ(headerMessage(""), "x: header: expected '{', found its end");
  EXPECT_EQ(headerMessage("{"), "x: header: expected a key, found its end");
  EXPECT_EQ(headerMessage("{}"), "x: header: expected the key 'descr', found none");
  EXPECT_EQ(headerMessage("{'descr"), "x: header: expected a key, found '\\'descr'");
  EXPECT_EQ(headerMessage("{'descr'}"), "x: header: expected ':', found '}'");
  EXPECT_EQ(headerMessage("{'other': 1}"),
            "x: header: expected the keys 'descr', 'fortran_order' and 'shape', found 'other'");
  EXPECT_EQ(headerMessage("{'descr': '<f4', 'descr': '<f4'}"), "x: header: a second key 'descr'");
  EXPECT_EQ(headerMessage("{'descr': [('a', '<f4')]}"),
            "x: header: expected an element type such as '<f4', found '[(\\'a\\', \\'<f4\\')]}'");
  EXPECT_EQ(headerMessage("{'fortran_order': 0}"), "x: header: expected True or False, found '0}'");
  EXPECT_EQ(headerMessage("{" + good + "'shape': 3}"), "x: header: expected '(', found '3}'");
  EXPECT_EQ(headerMessage("{" + good + "'shape': (3"), "x: header: expected ')', found its end");
  EXPECT_EQ(headerMessage("{" + good + "'shape': (3,"), "x: header: expected a size, found its end");
  EXPECT_EQ(headerMessage("{" + good + "'shape': (-1,)}"), "x: header: expected a size, found '-1,)}'");
  EXPECT_EQ(headerMessage("{" + good + "'shape': (3L,)}"), "x: header: expected ')', found 'L,)}'");
  EXPECT_EQ(headerMessage("{" + good + "'shape': (99999999999999999999,)}"),
            "x: header: expected sizes below 2^63, found more");
  EXPECT_EQ(headerMessage("{" + good + "'shape': (1,1,1,1,1,1,1,1,1)}"),
            "x: header: expected at most 8 axes, found more");
  EXPECT_EQ(headerMessage("{" + good + "'shape': (4294967296, 4294967296)}"),
            "x: header: expected a size below 2^63 bytes, found shape [4294967296, 4294967296]");
  EXPECT_EQ(headerMessage("{" + good + "'shape': (0, 4294967296, 4294967296)}"),
            "x: header: expected a size below 2^63 bytes, found shape [0, 4294967296, 4294967296]");
  EXPECT_EQ(headerMessage("{" + good + "'shape': (1,)}; import os"),
            "x: header: expected the end of the header, found '; import os'");
  EXPECT_EQ(headerMessage("{'descr': '>f4', 'fortran_order': False, 'shape': (1,)}"),
            "x: header: expected an element type of '<f4', '<f8', '<f2', '<i4', '<i8' or '|u1', found '>f4'");
  EXPECT_EQ(headerMessage("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2)}"),
            "x: header: expected C order, found Fortran order (numpy.ascontiguousarray converts)");
  EXPECT_EQ(headerMessage("{" + good + "'shape': (2,)}"), "x: expected 8 bytes of data for [2] of f32, found 0");
  EXPECT_EQ(messageOf(file("{" + good + "'shape': ()}", "12345")),
            "x: expected 4 bytes of data for [] of f32, found 5");
}

TEST(Npy, EveryTruncation) {
  std::string bytes = npyHeader(RWKV_F32, {2}) + "12345678";
  for (size_t i = 0; i < bytes.size(); ++i) {
    EXPECT_NE(messageOf(bytes.substr(0, i)), "no error") << i;
  }
  EXPECT_EQ(messageOf(bytes), "no error");
}

TEST(Npy, EveryByteReplaced) {
  // Whatever a byte becomes, the answer is an array of consistent size or a message.
  std::string bytes = npyHeader(RWKV_F32, {2}) + "12345678";
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (int value = 0; value < 256; ++value) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(value);
      try {
        Array array = parseNpy(changed, "x");
        EXPECT_EQ(static_cast<int64_t>(array.data.size()), arrayBytes(array.dtype, array.shape));
      } catch (const Error &) {
      }
    }
  }
}

// ---- conversions

uint16_t toSmall(double value, rwkv_dtype dtype) {
  return valuesOf<uint16_t>(convertArray(arrayOf<double>(RWKV_F64, {value}), dtype, "x"))[0];
}

TEST(Convert, EverySmallFloatSurvives) {
  for (rwkv_dtype dtype : {RWKV_F16, RWKV_BF16}) {
    for (rwkv_dtype wide : {RWKV_F32, RWKV_F64}) {
      std::vector<uint16_t> all(65536);
      for (size_t i = 0; i < all.size(); ++i) {
        all[i] = static_cast<uint16_t>(i);
      }
      Array there = convertArray(arrayOf(dtype, all), wide, "x");
      std::vector<uint16_t> back = valuesOf<uint16_t>(convertArray(there, dtype, "x"));
      int exponent = dtype == RWKV_F16 ? 0x7c00 : 0x7f80;
      for (size_t i = 0; i < all.size(); ++i) {
        bool nan = (all[i] & exponent) == exponent && (all[i] & 0x7fff) != exponent;
        EXPECT_TRUE(nan ? (back[i] & exponent) == exponent && (back[i] & 0x7fff) != exponent : back[i] == all[i]) << i;
      }
    }
  }
}

TEST(Convert, KnownValues) {
  EXPECT_EQ(toSmall(1, RWKV_F16), 0x3c00);
  EXPECT_EQ(toSmall(-2, RWKV_F16), 0xc000);
  EXPECT_EQ(toSmall(65504, RWKV_F16), 0x7bff);
  EXPECT_EQ(toSmall(65519.99, RWKV_F16), 0x7bff);
  EXPECT_EQ(toSmall(65520, RWKV_F16), 0x7c00); // half way rounds to even, which is infinity
  EXPECT_EQ(toSmall(1e300, RWKV_F16), 0x7c00);
  EXPECT_EQ(toSmall(0x1p-24, RWKV_F16), 0x0001);
  EXPECT_EQ(toSmall(0x1p-25, RWKV_F16), 0x0000); // half way to even
  EXPECT_EQ(toSmall(0x1.8p-25, RWKV_F16), 0x0001);
  EXPECT_EQ(toSmall(-1e-300, RWKV_F16), 0x8000);
  EXPECT_EQ(toSmall(0x1.ffcp-15, RWKV_F16), 0x0400); // the largest subnormal rounds up to the smallest normal
  EXPECT_EQ(toSmall(1 + 0x1p-11, RWKV_F16), 0x3c00);
  EXPECT_EQ(toSmall(1 + 3 * 0x1p-11, RWKV_F16), 0x3c02);
  EXPECT_EQ(toSmall(1, RWKV_BF16), 0x3f80);
  EXPECT_EQ(toSmall(1 + 0x1p-8, RWKV_BF16), 0x3f80);
  EXPECT_EQ(toSmall(1 + 3 * 0x1p-8, RWKV_BF16), 0x3f82);
  EXPECT_EQ(toSmall(3.4e38, RWKV_BF16), 0x7f80);
  EXPECT_EQ(toSmall(0x1p-133, RWKV_BF16), 0x0001);
  // By way of f32 this would first become 1 + 2^-8 and then 1.
  EXPECT_EQ(toSmall(1 + 0x1p-8 + 0x1p-40, RWKV_BF16), 0x3f81);
}

TEST(Convert, Integers) {
  Array i64 = arrayOf<int64_t>(RWKV_I64, {0, -1, 2147483647, -2147483648LL});
  Array i32 = convertArray(i64, RWKV_I32, "x");
  EXPECT_EQ(valuesOf<int32_t>(i32), (std::vector<int32_t>{0, -1, 2147483647, -2147483647 - 1}));
  EXPECT_EQ(convertArray(i32, RWKV_I64, "x").data, i64.data);
  auto message = [](Array array, rwkv_dtype dtype) -> std::string {
    try {
      convertArray(std::move(array), dtype, "x");
    } catch (const Error &error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_EQ(message(arrayOf<int64_t>(RWKV_I64, {0, 2147483648LL}), RWKV_I32),
            "x: element 1: expected a value that fits i32, found 2147483648");
  EXPECT_EQ(message(i64, RWKV_F32), "x: expected elements of type f32, found i64");
  EXPECT_EQ(message(arrayOf<float>(RWKV_F32, {1}), RWKV_I32), "x: expected elements of type i32, found f32");
  EXPECT_EQ(message(arrayOf<uint8_t>(RWKV_U8, {1}), RWKV_I32), "x: expected elements of type i32, found u8");
}

} // namespace
