// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What goes along the value axis of a token region's states, and what keeps tasks from having a part of it.
#include "passes/AffineState/ValueAxis.h"
#include "test/unit/passes/Form.h"

#include "gtest/gtest.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::test;

namespace {

/// The names of the arguments that go along it, of which each is a vector.
std::string alongOf(Form &form, const ValueAxis &axis) {
  static constexpr StringLiteral names[] = {"q", "k", "v", "g"};
  std::string text;
  for (auto [name, arg] : llvm::zip(names, form.recurrence.getToken().getArguments())) {
    text += axis.isAlong(arg, 0) ? name.str() : "";
  }
  return text;
}

template <typename Region> std::string nameOf(const testing::TestParamInfo<Region> &info) { return info.param.name; }

struct Found {
  const char *name, *along, *ops;
  States states = {{"S"}};
};
void PrintTo(const Found &test, std::ostream *out) { *out << test.name; }

const Found kFound[] = {
    {"WhatIsWritten", "v", "%Sn = rwkv.write %S[%k], %v : !S"},
    {"WhatIsComputedWithIt", "vg", "%z = arith.mulf %v, %g : !v\n %Sn = rwkv.write %S[%k], %z : !S"},
    {"WhatIsComputedWithReads", "qv",
     "%y = rwkv.read %S[%k] : !S\n %z = arith.subf %q, %y : !v\n %w = arith.addf %z, %v : !v\n"
     "%Sn = rwkv.write %S[%k], %w : !S"},
    {"DecaysOfIt", "vg", "%S1 = rwkv.decay %S, %g on \"value\" : !S\n %Sn = rwkv.write %S1[%k], %v : !S"},
    {"NotDecaysOfKeys", "v", "%S1 = rwkv.decay %S, %g on \"key0\" : !S\n %Sn = rwkv.write %S1[%k], %v : !S"},
    {"NotTransformsOfKeys", "v",
     "%S1 = rwkv.transform %S, %R on \"key0\" : !S, tensor<2x2x2xf32>\n %Sn = rwkv.write %S1[%k], %v : !S"},
    {"VectorStates", "v", "%Vn = rwkv.write %V[], %v : !V", {{"V", "4"}}},
    {"NumbersForAllOfIt", "v",
     "%b = rwkv.broadcast %c : f32 -> !v\n %z = arith.mulf %v, %b : !v\n %Sn = rwkv.write %S[%k], %z : !S"},
    {"EveryState", "vg", "%Sn = rwkv.write %S[%k], %v : !S\n %An = rwkv.write %A[%q], %g : !S", {{"S"}, {"A"}}},
};

class ValueAxisTest : public testing::TestWithParam<Found> {};
TEST_P(ValueAxisTest, Finds) {
  Form form(GetParam().ops, GetParam().states);
  ValueAxis axis(form.recurrence);
  EXPECT_EQ(axis.getObstacle(), nullptr) << axis.getReason();
  EXPECT_EQ(axis.getSize(), 4);
  EXPECT_EQ(alongOf(form, axis), GetParam().along);
}
INSTANTIATE_TEST_SUITE_P(Regions, ValueAxisTest, testing::ValuesIn(kFound), nameOf<Found>);

struct Hindered {
  const char *name, *reason, *ops; // the op in the way is marked {here}; if none is, it is the recurrence
  States states = {{"S"}};
};
void PrintTo(const Hindered &test, std::ostream *out) { *out << test.name; }

const Hindered kHindered[] = {
    {"Sums", "sums over it",
     "%y = rwkv.read %S[%k] : !S\n %s = rwkv.sum %y over 0 {here} : !v -> f32\n"
     "%Sn = rwkv.write %S[%k], %v scale %s : !S"},
    {"Products", "sums over it", "%s = rwkv.dot %v, %q {here} : !v -> f32\n %Sn = rwkv.write %S[%k], %v scale %s : !S"},
    {"ProductsWithMatrices", "sums over it",
     "%z = rwkv.matvec %E, %v {here} : !m, !v -> !v\n %Sn = rwkv.write %S[%k], %v : !S\n"
     "%w = rwkv.read %Sn[%z] : !S"},
    {"Keys", "has states with keys along it", "%Sn = rwkv.write %S[%v], %v : !S"},
    {"KeysOfReads", "has states with keys along it", "%y = rwkv.read %S[%k] : !S\n %Sn = rwkv.write %S[%y], %v : !S"},
    {"Norms", "is not elementwise",
     "%n = rwkv.l2norm %v over 0 floor 1.0e-6 {here} : !v\n %Sn = rwkv.write %S[%k], %v : !S\n"
     "%w = rwkv.read %Sn[%n] : !S"},
    {"NormsOfKeysAsValues", "is not elementwise",
     "%n = rwkv.l2norm %k over 0 floor 1.0e-6 {here} : !v\n %Sn = rwkv.write %S[%k], %n : !S"},
    {"NumbersOfItsOwn", "has numbers of its own for it",
     "%n = arith.constant {here} dense<[1.0, 2.0, 3.0, 4.0]> : !v\n %z = arith.mulf %v, %n : !v\n"
     "%Sn = rwkv.write %S[%k], %z : !S"},
    {"OperandsOfMoreAxes", "has an operand with other axes beside it", "%Sn = rwkv.decay %S, %E on \"each\" : !S"},
    {"OtherValues",
     "has a value axis of its own in state 1",
     "%one = rwkv.fill 1.0 : tensor<1xf32>\n %Sn = rwkv.write %S[%k], %v : !S\n %Nn = rwkv.write %N[], %one : !N",
     {{"S"}, {"N", "1"}}},
};

class ValueAxisObstacles : public testing::TestWithParam<Hindered> {};
TEST_P(ValueAxisObstacles, NameTheOp) {
  Form form(GetParam().ops, GetParam().states);
  ValueAxis axis(form.recurrence);
  Operation *here = form.find("here");
  ASSERT_NE(axis.getObstacle(), nullptr);
  EXPECT_EQ(axis.getObstacle(), here ? here : form.recurrence.getOperation());
  EXPECT_EQ(axis.getReason(), GetParam().reason);
}
INSTANTIATE_TEST_SUITE_P(Regions, ValueAxisObstacles, testing::ValuesIn(kHindered), nameOf<Hindered>);

} // namespace
