// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Every rule that keeps a token region from a form: the op in the way, the rule, and what is said.
#include "test/unit/passes/Form.h"

#include "gtest/gtest.h"

using namespace mlir;
using namespace rwkv;
using namespace rwkv::test;

namespace {

struct Refused {
  const char *name;
  ScheduleKind kind;
  const char *rule, *reason;
  std::string ops; // the op in the way is marked {here}; if none is, it is the recurrence
  States states = {{"S"}};
};
void PrintTo(const Refused &test, std::ostream *out) { *out << test.name; }

class Refusals : public testing::TestWithParam<Refused> {};

TEST_P(Refusals, NameTheOpAndTheRule) {
  Form form(GetParam().ops, GetParam().states);
  const Refusal &refusal = form->getRefusal(GetParam().kind);
  Operation *here = form.find("here");
  ASSERT_NE(refusal.op, nullptr);
  EXPECT_EQ(refusal.op, here ? here : form.recurrence.getOperation()) << refusal.op->getName().getStringRef().str();
  EXPECT_EQ(refusal.rule, GetParam().rule);
  EXPECT_NE(refusal.reason.find(GetParam().reason), std::string::npos) << refusal.reason;
  EXPECT_FALSE(form->isLegal(GetParam().kind));
  EXPECT_TRUE(form->isLegal(ScheduleKind::step));
}

constexpr ScheduleKind kChunk = ScheduleKind::chunk, kScan = ScheduleKind::scan;
const States kHeld = {{"S"}, {"B"}, {"n", "1"}};
// What the states of kHeld do when nothing is in the way.
const std::string kWrite = "%Sn = rwkv.write %S[%k], %v : !S\n", kCount = "%nn = rwkv.count %n every 8 : !N\n";
// S and B need each other, and B is held.
const std::string kHeldAndFed =
    "%x = rwkv.read %S[%k] : !S\n %y = rwkv.read %B[%k] : !S\n %B1 = rwkv.hold %B, %S at %n : !S\n"
    "%Bn = rwkv.write %B1[%k], %x {here} : !S\n %Sn = rwkv.write %S[%k], %y : !S\n" +
    kCount;

const Refused kRefused[] = {
    // L1
    {"Overwritten", kChunk, "L1", "overwrites the state", "%Sn = rwkv.set %S, %E {here} : !S"},
    {"OverwrittenInAScan", kScan, "L1", "overwrites the state", "%Sn = rwkv.set %S, %E {here} : !S"},
    {"OverwrittenPeek", kChunk, "L1", "a read sees an overwritten state",
     "%P = rwkv.set %S, %E {here} : !S\n %o = rwkv.read %P[%q] : !S\n" + kWrite},
    {"OverwrittenPeekInAScan", kScan, "L1", "a read sees an overwritten state",
     "%P = rwkv.set %S, %E {here} : !S\n %o = rwkv.read %P[%q] : !S\n" + kWrite},
    // L1: states that are held
    {"HeldThenWritten", kChunk, "L1", "it changes a state that counts tokens or is held",
     kWrite + kCount + "%B1 = rwkv.hold %B, %S at %n : !S\n %Bn = rwkv.write %B1[%k], %v {here} : !S", kHeld},
    {"WrittenThenHeld", kScan, "L1", "it changes a state that counts tokens or is held",
     kWrite + kCount + "%B1 = rwkv.write %B[%k], %v {here} : !S\n %Bn = rwkv.hold %B1, %S at %n : !S", kHeld},
    {"CountedTwice",
     kChunk,
     "L1",
     "it changes a state that counts tokens or is held",
     kWrite + "%n1 = rwkv.count %n every 8 : !N\n %nn = rwkv.count %n1 every 8 {here} : !N",
     {{"S"}, {"n", "1"}}},
    {"HeldByTheNextCount", kChunk, "L1", "its counter is not the state before the token",
     kWrite + kCount + "%Bn = rwkv.hold %B, %S at %nn {here} : !S", kHeld},
    {"HeldByNoCount", kScan, "L1", "or does not count tokens",
     kWrite + "%x = rwkv.fill 1.0 : tensor<1xf32>\n %nn = rwkv.write %n[], %x : !N\n"
              "%Bn = rwkv.hold %B, %S at %n {here} : !S",
     kHeld},
    {"HeldAfterTheWrite", kChunk, "L1", "not a state as it was before the token",
     kWrite + kCount + "%Bn = rwkv.hold %B, %Sn at %n {here} : !S", kHeld},
    {"ReadBeforeItIsHeld", kChunk, "L1", "it reads what was held before this token",
     kWrite + kCount + "%o = rwkv.read %B[%q] {here} : !S\n %Bn = rwkv.hold %B, %S at %n : !S", kHeld},
    {"HeldPeek", kScan, "L1", "a read sees a held state changed",
     kWrite + kCount +
         "%Bn = rwkv.hold %B, %S at %n : !S\n %P = rwkv.write %Bn[%k], %v {here} : !S\n"
         "%o = rwkv.read %P[%q] : !S",
     kHeld},
    {"PeekThatIsHeld", kChunk, "L1", "a read sees an overwritten state",
     kWrite + kCount +
         "%Bn = rwkv.hold %B, %S at %n : !S\n %P = rwkv.hold %S, %B at %n {here} : !S\n"
         "%o = rwkv.read %P[%q] : !S",
     kHeld},
    {"PeekThatIsHeldInAScan", kScan, "L1", "a read sees an overwritten state",
     kWrite + kCount +
         "%Bn = rwkv.write %B[%k], %v : !S\n %P = rwkv.hold %B, %S at %n {here} : !S\n"
         "%o = rwkv.read %P[%q] : !S",
     kHeld},
    {"PeekThatCounts",
     kScan,
     "L1",
     "a read sees an overwritten state",
     "%x = rwkv.fill 1.0 : tensor<1xf32>\n %nn = rwkv.write %n[], %x : !N\n"
     "%P = rwkv.count %n every 8 {here} : !N\n %o = rwkv.read %P[] : !N",
     {{"n", "1"}}},
    {"HeldAmongStatesThatNeedEachOther", kChunk, "L1", "it changes a state that counts tokens or is held", kHeldAndFed,
     kHeld},
    {"HeldAmongStatesThatNeedEachOtherInAScan", kScan, "L1", "it changes a state that counts tokens or is held",
     kHeldAndFed, kHeld},
    // L2
    {"OwnKey", kChunk, "L2", "the key depends on what this token reads",
     "%y = rwkv.read %S[%q] : !S\n %Sn = rwkv.write %S[%y], %v {here} : !S"},
    {"OwnKeyThatIsTheValueToo", kChunk, "L2", "the key depends on what this token reads",
     "%y = rwkv.read %S[%q] : !S\n %Sn = rwkv.write %S[%y], %y {here} : !S"},
    {"OwnScale", kChunk, "L2", "the scale depends on what this token reads",
     "%y = rwkv.read %S[%q] : !S\n %s = rwkv.dot %y, %v : !v -> f32\n"
     "%Sn = rwkv.write %S[%k], %v scale %s {here} : !S"},
    {"OwnDecay", kChunk, "L2", "the logarithm depends on what this token reads",
     "%y = rwkv.read %S[%q] : !S\n %Sn = rwkv.decay %S, %y on \"value\" {here} : !S"},
    {"OwnTransform", kChunk, "L2", "the matrix depends on what this token reads",
     "%y = rwkv.read %S[%q] : !S\n %s = rwkv.dot %y, %v : !v -> f32\n"
     "%b = rwkv.broadcast %s : f32 -> tensor<2x2x2xf32>\n"
     "%Sn = rwkv.transform %S, %b on \"key0\" {here} : !S, tensor<2x2x2xf32>"},
    {"DecayThroughAnotherState",
     kChunk,
     "L2",
     "the logarithm depends on what this token reads",
     "%a = rwkv.read %A[%q] : !S\n %Bn = rwkv.decay %B, %a on \"key0\" {here} : !S\n"
     "%b = rwkv.read %Bn[%q] : !S\n %An = rwkv.write %A[%k], %b : !S",
     {{"A"}, {"B"}}},
    {"OwnElements", kScan, "L2", "elements do not run on their own",
     "%y = rwkv.read %S[%k] : !S\n %Sn = rwkv.write %S[%k], %y {here} : !S"},
    // L3
    {"ThroughAFunction", kChunk, "L3", "goes through 'math.tanh'",
     "%y = rwkv.read %S[%k] : !S\n %z = math.tanh %y {here} : !v\n %e = arith.subf %v, %z : !v\n"
     "%Sn = rwkv.write %S[%k], %e : !S"},
    {"ThroughSeveral", kChunk, "L3", "goes through 'rwkv.sum'",
     "%y = rwkv.read %S[%k] : !S\n %s = rwkv.sum %y over 0 {here} : !v -> f32\n %b = rwkv.broadcast %s : f32 -> !v\n"
     "%z = math.tanh %b : !v\n %Sn = rwkv.write %S[%k], %z : !S"},
    {"ThroughOneAfterAnother", kChunk, "L3", "goes through 'math.exp'",
     "%y = rwkv.read %S[%k] : !S\n %a = math.exp %y {here} : !v\n %b = math.tanh %y : !v\n"
     "%z = arith.addf %b, %a : !v\n %Sn = rwkv.write %S[%k], %z : !S"},
    {"TheFirstReadOfSeveral", kChunk, "L3", "goes through 'math.exp'",
     "%x = rwkv.read %S[%q] : !S\n %y = rwkv.read %S[%k] : !S\n %w = rwkv.read %S[%v] : !S\n"
     "%a = math.exp %x {here} : !v\n %b = math.tanh %y : !v\n %f = math.absf %w : !v\n"
     "%d = arith.addf %f, %b : !v\n %z = arith.addf %d, %a : !v\n %Sn = rwkv.write %S[%k], %z : !S"},
    {"TimesAVector", kChunk, "L3", "it is multiplied by a vector",
     "%y = rwkv.read %S[%k] : !S\n %z = arith.mulf %v, %y {here} : !v\n %Sn = rwkv.write %S[%k], %z : !S"},
    {"DividedByAVector", kChunk, "L3", "it is divided by a vector",
     "%y = rwkv.read %S[%k] : !S\n %z = arith.divf %y, %v {here} : !v\n %Sn = rwkv.write %S[%k], %z : !S"},
    {"SelectedElementByElement", kChunk, "L3", "it is selected element by element",
     "%b = arith.cmpf ogt, %v, %g : !v\n %y = rwkv.read %S[%k] : !S\n"
     "%z = arith.select %b, %y, %v {here} : tensor<4xi1>, !v\n %Sn = rwkv.write %S[%k], %z : !S"},
    {"DecidesWhatIsSelected", kChunk, "L3", "goes through 'rwkv.dot'",
     "%y = rwkv.read %S[%k] : !S\n %s = rwkv.dot %y, %v {here} : !v -> f32\n %b = arith.cmpf ogt, %s, %c : f32\n"
     "%z = arith.select %b, %v, %g : !v\n %Sn = rwkv.write %S[%k], %z : !S"},
    {"Divisor", kChunk, "L3", "it is divided by,",
     "%y = rwkv.read %S[%k] : !S\n %z = arith.divf %v, %y {here} : !v\n %Sn = rwkv.write %S[%k], %z : !S"},
    {"KeyOfARead", kChunk, "L3", "it is a key of a read",
     "%y = rwkv.read %S[%k] : !S\n %z = rwkv.read %S[%y] {here} : !S\n %Sn = rwkv.write %S[%k], %z : !S"},
    {"ScaleOfAPeek", kChunk, "L3", "it is a key or a scale of what is read",
     "%y = rwkv.read %S[%k] : !S\n %P = rwkv.write %S[%y], %v {here} : !S\n %z = rwkv.read %P[%k] : !S\n"
     "%Sn = rwkv.write %S[%k], %z : !S"},
    {"DecayOfAPeek", kChunk, "L3", "it changes a state that is read",
     "%y = rwkv.read %S[%k] : !S\n %P = rwkv.decay %S, %y on \"key0\" {here} : !S\n %z = rwkv.read %P[%k] : !S\n"
     "%Sn = rwkv.write %S[%k], %z : !S"},
    {"CoefficientOfItsOwn", kChunk, "L3", "the coefficient of what is read depends on the state",
     "%y = rwkv.read %S[%k] : !S\n %x = rwkv.read %S[%q] : !S\n %s = rwkv.dot %x, %v : !v -> f32\n"
     "%b = rwkv.broadcast %s : f32 -> !v\n %z = arith.mulf %b, %y : !v\n %Sn = rwkv.write %S[%k], %z {here} : !S"},
    // L4
    {"ScaledInBetween", kChunk, "L4", "the value axis is scaled",
     "%y = rwkv.read %S[%k] : !S\n %S1 = rwkv.decay %S, %g on \"value\" {here} : !S\n"
     "%Sn = rwkv.write %S1[%k], %y : !S"},
    {"ScaledPeek", kChunk, "L4", "the value axis is scaled",
     "%P = rwkv.decay %S, %g on \"value\" {here} : !S\n %y = rwkv.read %P[%k] : !S\n"
     "%Sn = rwkv.write %S[%k], %y : !S"},
    {"ScaledInAnotherState",
     kChunk,
     "L4",
     "the value axis is scaled",
     "%A1 = rwkv.decay %A, %g on \"value\" {here} : !S\n %a = rwkv.read %A1[%k] : !S\n"
     "%b = rwkv.read %B[%k] : !S\n %An = rwkv.write %A1[%q], %b : !S\n %Bn = rwkv.write %B[%q], %a : !S",
     {{"A"}, {"B"}}},
    // L5
    {"EachElement", kChunk, "L5", "it decays each element on its own",
     "%S1 = rwkv.decay %S, %E on \"each\" {here} : !S\n %Sn = rwkv.write %S1[%k], %v : !S"},
    {"EachElementOfAPeek", kChunk, "L5", "a read sees each element changed on its own",
     "%P = rwkv.decay %S, %E on \"each\" {here} : !S\n %o = rwkv.read %P[%q] : !S\n" + kWrite},
    {"Maximum", kChunk, "L5", "a maximum acts on each element", "%Sn = rwkv.maximum %S, %E, %E {here} : !S"},
    {"MaximumOfAPeek", kChunk, "L5", "a read sees each element changed on its own",
     "%P = rwkv.maximum %S, %E, %E {here} : !S\n %o = rwkv.read %P[%q] : !S\n" + kWrite},
    {"OtherBlocks", kChunk, "L5", "blocks of another size on the same axis",
     "%S1 = rwkv.transform %S, %R on \"key0\" : !S, tensor<2x2x2xf32>\n"
     "%Sn = rwkv.transform %S1, %Q on \"key0\" {here} : !S, tensor<1x4x4xf32>"},
    {"NoKeys", kChunk, "L5", "no state has a key axis", "%Vn = rwkv.write %V[], %v : !V", {{"V", "4"}}},
    {"MixedElements", kScan, "L5", "it mixes the elements of a state",
     "%Sn = rwkv.transform %S, %R on \"key0\" {here} : !S, tensor<2x2x2xf32>"},
    {"MaximumAndMore",
     kScan,
     "L5",
     "the state is also raised by a maximum",
     "%V1 = rwkv.maximum %V, %v, %g : !V\n %Vn = rwkv.write %V1[], %v {here} : !V",
     {{"V", "4"}}},
    {"MixedPeek", kScan, "L5", "a read sees the elements of a state mixed",
     "%P = rwkv.transform %S, %R on \"key0\" {here} : !S, tensor<2x2x2xf32>\n %o = rwkv.read %P[%q] : !S\n" + kWrite},
    {"RaisedPeek", kScan, "L5", "a read sees a state raised that nothing else raises",
     "%P = rwkv.maximum %S, %E, %E {here} : !S\n %o = rwkv.read %P[%q] : !S\n" + kWrite},
    {"WrittenPeekOfAMaximum",
     kScan,
     "L5",
     "a read sees a state changed that is also raised",
     "%Vn = rwkv.maximum %V, %v, %g : !V\n %P = rwkv.write %V[], %v {here} : !V\n %o = rwkv.read %P[] : !V",
     {{"V", "4"}}},
    {"DecayedPeekOfAMaximum",
     kScan,
     "L5",
     "a read sees a state changed that is also raised",
     "%Vn = rwkv.maximum %V, %v, %g : !V\n %P = rwkv.decay %Vn, %g on \"value\" {here} : !V\n"
     "%o = rwkv.read %P[] : !V",
     {{"V", "4"}}},
};

INSTANTIATE_TEST_SUITE_P(All, Refusals, testing::ValuesIn(kRefused),
                         [](const testing::TestParamInfo<Refused> &info) { return std::string(info.param.name); });

/// The first rule that is broken is the one that is named, by the order of the region.
TEST(Refusal, LowestStratumComesFirst) {
  Form form(R"(
    %a = rwkv.read %A[%q] : !S
    %An = rwkv.set %A, %E {second} : !S
    %Bn = rwkv.set %B, %E {first} : !S
    %b = rwkv.read %B[%q] : !S
    %s = rwkv.dot %a, %b : !v -> f32
    %Cn = rwkv.write %C[%k], %v scale %s : !S)",
            {{"C"}, {"B"}, {"A"}});
  EXPECT_EQ(form->getRefusal(kChunk).op, form.find("first"));
  EXPECT_EQ(form->getRefusal(kScan).op, form.find("first"));
  EXPECT_EQ(form->strata[1].matrix.op, form.find("second"));
  EXPECT_EQ(form->strata[2].matrix.op, nullptr);
}

} // namespace
