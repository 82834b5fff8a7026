// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The polynomials and constants of each type. Polynomials are minimax fits; beside each stands the error of what it is
// for, before coefficients are rounded (f64) or after (f32).
#include "lowering/ExpandMath/Expansion.h"

using namespace mlir;
using namespace rwkv;

// Relative error 2^-29.6.
static constexpr double exp32[] = {0x1.0p-1,       0x1.555566p-3,  0x1.555584p-5, 0x1.110786p-7,
                                   0x1.6bf00ap-10, 0x1.a6bacap-13, 0x1.b05494p-16};
// Relative error 2^-30.2.
static constexpr double log32[] = {0x1.55557ap-1, 0x1.995ed4p-2, 0x1.31e0d8p-2};
// Relative error 2^-55.5.
static constexpr double exp64[] = {0x1.ffffffffffff3p-2,  0x1.55555555555b7p-3,  0x1.5555555556941p-5,
                                   0x1.111111110826ep-7,  0x1.6c16c169c11d0p-10, 0x1.a01a01b235199p-13,
                                   0x1.a01a0580c5717p-16, 0x1.71de2a023b93ap-19, 0x1.27e1ca9a9552ap-22,
                                   0x1.ae7132140ed9bp-26, 0x1.217a656bac4e7p-29, 0x1.5e6d98bfb4244p-33};
// Relative error 2^-59.5.
static constexpr double log64[] = {0x1.5555555555592p-1, 0x1.999999997ff04p-2, 0x1.24924941e33c2p-2,
                                   0x1.c71c5212533cap-3, 0x1.74663d6922917p-3, 0x1.39a1daa87cad3p-3,
                                   0x1.2f04576831086p-3};
// Relative error 2^-43.7.
static constexpr double logLong32[] = {0x1.999998p-2, 0x1.2493b6p-2, 0x1.c63dacp-3, 0x1.90834p-3};
// Relative error 2^-32.2.
static constexpr double sin32[] = {-0x1.555556p-3, 0x1.11116p-7, -0x1.a04076p-13, 0x1.75198ep-19};
// Relative error 2^-31.6.
static constexpr double cos32[] = {0x1.555542p-5, -0x1.6c07ap-10, 0x1.98b3d8p-16};
// Relative error 2^-33.9.
static constexpr double atan32[] = {-0x1.555554p-2, 0x1.99989p-3,   -0x1.246fc4p-3,
                                    0x1.c2f374p-4,  -0x1.534404p-4, 0x1.64608ap-5};
// Relative error 2^-31.6.
static constexpr double asin32[] = {0x1.55554cp-3, 0x1.3338acp-4, 0x1.6ca818p-5,
                                    0x1.04c5cp-5,  0x1.d643f6p-7, 0x1.3445p-5};
// Relative error 2^-29.5.
static constexpr double erf32[] = {0x1.06eba8p-3, -0x1.81274p-2,  0x1.ce2d74p-4,  -0x1.b8057cp-6,
                                   0x1.54a346p-8, -0x1.ac052p-11, 0x1.7d55f8p-14, -0x1.0451d6p-18};
// Relative error 2^-29.9.
static constexpr double erfc32[] = {0x1.18932cp+0, -0x1.f3fe32p-1,  0x1.8be202p-1,  -0x1.14eaa8p-1,
                                    0x1.52cadap-2, -0x1.646764p-3,  0x1.38cd9cp-4,  -0x1.aed4bep-6,
                                    0x1.98463ep-8, -0x1.88877ap-12, -0x1.89ce0ep-11};
// Relative error 2^-66.7.
static constexpr double logLong64[] = {0x1.999999999999ap-2, 0x1.249249249246fp-2, 0x1.c71c71c722719p-3,
                                       0x1.745d174182364p-3, 0x1.3b13b310a65acp-3, 0x1.111094849862cp-3,
                                       0x1.e20b74cd9a0a9p-4, 0x1.aaec9edb1c547p-4, 0x1.c3170c9512578p-4};
// Relative error 2^-57.1.
static constexpr double sin64[] = {-0x1.5555555555555p-3, 0x1.11111111110fep-7,   -0x1.a01a01a016a37p-13,
                                   0x1.71de3a50cc2d6p-19, -0x1.ae644fb0f103dp-26, 0x1.611edea38adcp-33,
                                   -0x1.a9ddb638b05aap-41};
// Relative error 2^-58.9.
static constexpr double cos64[] = {0x1.5555555555555p-5,   -0x1.6c16c16c16c01p-10, 0x1.a01a01a016fa7p-16,
                                   -0x1.27e4fb7429cfbp-22, 0x1.1eed8ac7b9aa2p-29,  -0x1.93914e094a6e1p-37,
                                   0x1.a9fc279367488p-45};
// Relative error 2^-62.5.
static constexpr double atan64[] = {-0x1.5555555555554p-2, 0x1.9999999999584p-3,  -0x1.249249246fab4p-3,
                                    0x1.c71c71b4ba20cp-4,  -0x1.745d1467130e8p-4, 0x1.3b1367c7019acp-4,
                                    -0x1.110c215ae5dfep-4, 0x1.e16cb9715404cp-5,  -0x1.ab614a32506d3p-5,
                                    0x1.709016a23c315p-5,  -0x1.118c6334f75acp-5, 0x1.efd7b2064fdcbp-7};
// Relative error 2^-58.8.
static constexpr double asin64[] = {
    0x1.5555555555577p-3, 0x1.333333332e104p-4,  0x1.6db6db7214063p-5, 0x1.f1c71a9472fa6p-6, 0x1.6e8bdeec4a365p-6,
    0x1.1c49ef9f016d8p-6, 0x1.ca1f9d5b7501ep-7,  0x1.758513478cb5ap-7, 0x1.613eee833c43bp-7, 0x1.e5d41f894a0fbp-9,
    0x1.63a5f14ebaac6p-6, -0x1.580a1ea0cd5aap-6, 0x1.0b4a790584f94p-5};
// Relative error 2^-56.3.
static constexpr double erf64[] = {0x1.06eba8214db69p-3,   -0x1.812746b0379e7p-2,  0x1.ce2f21a042bddp-4,
                                   -0x1.b82ce3128899bp-6,  0x1.565bcd0e64ab8p-8,   -0x1.c02db3fed8f7fp-11,
                                   0x1.f9a326bfb740bp-14,  -0x1.f4d255e149c9ap-17, 0x1.b9e64d07f0f09p-20,
                                   -0x1.5f6d6b52f8be7p-23, 0x1.fc411726ca527p-27,  -0x1.4e55ccd0bb8d4p-30,
                                   0x1.7ecbf7f9a00cep-34,  -0x1.2928f2b409a27p-38};
// Relative error 2^-58.1.
static constexpr double erfc64[] = {
    0x1.18932bf08e154p+0,   -0x1.f3fe31ecb49cp-1,   0x1.8be202d26c702p-1,  -0x1.14eacb1ad02ep-1,
    0x1.52cac237102f9p-2,   -0x1.645fd8a4bf3c1p-3,  0x1.38dbd2c8d9b2cp-4,  -0x1.b00c052a9c19ap-6,
    0x1.908f4729f01a5p-8,   -0x1.269b55ad1a658p-12, -0x1.dd28475ca609p-12, 0x1.72cdcd134ddfp-13,
    -0x1.e7e56923ceb94p-19, -0x1.3c72a32ac6bcp-16,  0x1.3b0657f995fe8p-18, 0x1.7eca553fa737fp-20,
    -0x1.c6205aa5c8658p-21, -0x1.4e36b25e07ee4p-24, 0x1.09faf5c2c32bap-23, 0x1.50e1bff8236b3p-29,
    -0x1.0881b007a22a5p-26, -0x1.5eed007df9894p-32, 0x1.1dc155da92371p-30};

static const FloatNumbers numbers32 = {
    /*mantissaBits=*/23,
    /*bias=*/127,
    /*sqrtHalfBits=*/0x3f3504f3,
    /*minNormal=*/0x1.0p-126,
    /*ln2Short=*/0x1.62e4p-1,
    /*ln2Rest=*/0x1.7f7d1cp-20,
    /*ln2=*/0x1.62e43p-1,
    /*ln2Low=*/-0x1.05c61p-29,
    /*log2e=*/0x1.715476p0,
    /*log2eLow=*/0x1.4ae0cp-26,
    /*log10e=*/0x1.bcb7b2p-2,
    /*log10eLow=*/-0x1.5b235ep-27,
    /*log10Two=*/0x1.344136p-2,
    /*log10TwoLow=*/-0x1.ec10cp-27,
    /*twoThirds=*/0x1.555556p-1,
    /*twoThirdsLow=*/-0x1.555556p-26,
    /*minExp=*/-104.5,
    /*maxExp=*/89.0,
    /*minExp2=*/-151.0,
    /*maxExp2=*/129.0,
    /*maxTanh=*/10.0,
    /*maxErfc=*/11.0,
    /*maxPower=*/0x1.0p40,
    /*halfPi=*/0x1.921fb6p0,
    /*halfPiLow=*/-0x1.777a5cp-25,
    /*halfPiRest=*/-0x1.ee59dap-50,
    /*maxAngle=*/0x1.0p20,
    /*cbrtBits=*/709958130,
    /*exp=*/exp32,
    /*log=*/log32,
    /*logLong=*/logLong32,
    /*sin=*/sin32,
    /*cos=*/cos32,
    /*atan=*/atan32,
    /*asin=*/asin32,
    /*erf=*/erf32,
    /*erfc=*/erfc32,
    /*erfcShift=*/4.0,
    /*erfcLow=*/-0x1.e6200cp-29};
static const FloatNumbers numbers64 = {
    /*mantissaBits=*/52,
    /*bias=*/1023,
    /*sqrtHalfBits=*/0x3fe6a09e667f3bcd,
    /*minNormal=*/0x1.0p-1022,
    /*ln2Short=*/0x1.62e42fefa4p-1,
    /*ln2Rest=*/-0x1.8432a1b0e2634p-43,
    /*ln2=*/0x1.62e42fefa39efp-1,
    /*ln2Low=*/0x1.abc9e3b39803fp-56,
    /*log2e=*/0x1.71547652b82fep0,
    /*log2eLow=*/0x1.777d0ffda0d24p-56,
    /*log10e=*/0x1.bcb7b1526e50ep-2,
    /*log10eLow=*/0x1.95355baaafad3p-57,
    /*log10Two=*/0x1.34413509f79ffp-2,
    /*log10TwoLow=*/-0x1.9dc1da994fd21p-59,
    /*twoThirds=*/0x1.5555555555555p-1,
    /*twoThirdsLow=*/0x1.5555555555555p-55,
    /*minExp=*/-746.0,
    /*maxExp=*/710.0,
    /*minExp2=*/-1076.0,
    /*maxExp2=*/1025.0,
    /*maxTanh=*/20.0,
    /*maxErfc=*/28.0,
    /*maxPower=*/0x1.0p70,
    /*halfPi=*/0x1.921fb54442d18p0,
    /*halfPiLow=*/0x1.1a62633145c07p-54,
    /*halfPiRest=*/-0x1.f1976b7ed8fbcp-110,
    /*maxAngle=*/0x1.0p48,
    /*cbrtBits=*/int64_t(715094163) << 32,
    /*exp=*/exp64,
    /*log=*/log64,
    /*logLong=*/logLong64,
    /*sin=*/sin64,
    /*cos=*/cos64,
    /*atan=*/atan64,
    /*asin=*/asin64,
    /*erf=*/erf64,
    /*erfc=*/erfc64,
    /*erfcShift=*/4.0,
    /*erfcLow=*/0x1.0ff0cf15d57b8p-54};

const FloatNumbers *rwkv::getFloatNumbers(Type type) {
  const Type element = getElementTypeOrSelf(type);
  return element.isF32() ? &numbers32 : element.isF64() ? &numbers64 : nullptr;
}
