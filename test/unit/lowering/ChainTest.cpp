// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The part of a chunk that depends on the state, carried out lane by lane from the fragment tables alone: each product
// takes its operand straight from the accumulators of the one before, with registers renamed and nothing moved.
#include "test/unit/lowering/LayoutCases.h"

#include "lowering/Layout/Movement.h"
#include "gtest/gtest.h"

#include <cmath>
#include <random>

using namespace rwkv;

namespace {
struct Matrix {
  uint32_t rows, columns;
  std::vector<double> values;

  Matrix(uint32_t rows, uint32_t columns) : rows(rows), columns(columns), values(rows * columns) {}
  double &operator()(uint32_t row, uint32_t column) { return values[row * columns + column]; }
  double operator()(uint32_t row, uint32_t column) const { return values[row * columns + column]; }

  Matrix transpose() const {
    Matrix result(columns, rows);
    for (uint32_t i = 0; i < rows; ++i) {
      for (uint32_t j = 0; j < columns; ++j) {
        result(j, i) = (*this)(i, j);
      }
    }
    return result;
  }
};

Matrix operator*(const Matrix &a, const Matrix &b) {
  Matrix result(a.rows, b.columns);
  for (uint32_t i = 0; i < a.rows; ++i) {
    for (uint32_t k = 0; k < a.columns; ++k) {
      for (uint32_t j = 0; j < b.columns; ++j) {
        result(i, j) += a(i, k) * b(k, j);
      }
    }
  }
  return result;
}
Matrix operator+(Matrix a, const Matrix &b) {
  for (size_t i = 0; i < a.values.size(); ++i) {
    a.values[i] += b.values[i];
  }
  return a;
}

/// What the registers of all lanes and warps hold.
struct Registers {
  Layout layout;
  std::vector<double> values;

  explicit Registers(const Layout &layout) : layout(layout), values(getCount(layout.getIn())) {}
  Registers(const Layout &layout, const Matrix &matrix) : Registers(layout) {
    for (uint64_t i = 0; i < values.size(); ++i) {
      Point at = layout.apply(layout.getIn().unpack(i));
      values[i] = matrix(at.row, at.column);
    }
  }

  double &at(uint32_t reg, uint32_t lane, uint32_t warp) { return values[layout.getIn().pack({reg, lane, warp})]; }

  Matrix gather() const {
    Matrix matrix(layout.getOut().getSize(Axis::row), layout.getOut().getSize(Axis::column));
    for (uint64_t i = 0; i < values.size(); ++i) {
      Point at = layout.apply(layout.getIn().unpack(i));
      matrix(at.row, at.column) = values[i];
    }
    return matrix;
  }

  /// The same values as another layout has them, if that is free.
  Registers rename(const Layout &to) const {
    Registers result(to);
    std::optional<Conversion> plan = planConversion(layout, to);
    EXPECT_TRUE(plan && plan->movement <= Movement::registers);
    for (uint64_t i = 0; plan && i < result.values.size(); ++i) {
      result.values[i] = values[plan->source.apply(i)];
    }
    return result;
  }
};

/// A tile program on one kind of matrix instruction with four warps. Tiles have the value axis down the rows for one
/// kind (the chained operand is A), along the columns for the other (it is B); warps split the value axis.
struct Machine {
  const MatrixInstruction &row;
  bool chainsA;

  Layout accumulator(uint32_t values, uint32_t n) const { return tile(*row.getC(), values, n); }
  Layout tile(const Layout &fragment, uint32_t values, uint32_t n) const {
    return chainsA ? *fragment.tile(values, n, 4, Axis::row) : *fragment.tile(n, values, 4, Axis::column);
  }
  Registers load(const Matrix &valueMajor) const {
    return {accumulator(valueMajor.rows, valueMajor.columns), chainsA ? valueMajor : valueMajor.transpose()};
  }
  Matrix store(const Registers &registers) const {
    return chainsA ? registers.gather() : registers.gather().transpose();
  }

  /// One instruction on one warp: the fragments of A, B, C are the registers of its lanes.
  void issue(const std::vector<double> &a, const std::vector<double> &b, std::vector<double *> c) const {
    auto place = [](const Layout &fragment, const std::vector<double> &values) {
      Registers registers(fragment);
      registers.values = values;
      return registers.gather();
    };
    Registers product(*row.getC(), place(*row.getA(), a) * place(*row.getB(), b));
    for (size_t i = 0; i < c.size(); ++i) {
      *c[i] += product.values[i];
    }
  }

  /// acc (values x n) += chained (values x k, in accumulators) * other (k x n, from memory).
  void chain(const Registers &chained, const Matrix &other, Registers &acc) const {
    Layout own = chainsA ? *row.getA() : *row.getB(), fragmentC = *row.getC();
    uint32_t values = chainsA ? acc.layout.getOut().getSize(Axis::row) : acc.layout.getOut().getSize(Axis::column);
    Registers operand = chained.rename(tile(own, values, other.rows));
    uint32_t lanes = own.getIn().getSize(Axis::lane);
    uint32_t valueBlock = chainsA ? row.m : row.n, nBlock = chainsA ? row.n : row.m;
    uint32_t ofValues = values / valueBlock / 4, ofN = other.columns / nBlock, ofK = other.rows / row.k;
    // A fragment's registers are a run; runs are numbered down the rows first.
    auto run = [&](Registers &registers, uint32_t block, uint32_t size, uint32_t warp) {
      std::vector<double *> result;
      for (uint32_t lane = 0; lane < lanes; ++lane) {
        for (uint32_t reg = 0; reg < size; ++reg) {
          result.push_back(&registers.at(block * size + reg, lane, warp));
        }
      }
      return result;
    };
    for (uint32_t warp = 0; warp < 4; ++warp) {
      for (uint32_t v = 0; v < ofValues; ++v) {
        for (uint32_t k = 0; k < ofK; ++k) {
          std::vector<double> held;
          uint32_t block = chainsA ? v + ofValues * k : k + ofK * v;
          for (double *value : run(operand, block, own.getIn().getSize(Axis::reg), warp)) {
            held.push_back(*value);
          }
          for (uint32_t n = 0; n < ofN; ++n) {
            Matrix part(row.k, nBlock);
            for (uint32_t i = 0; i < row.k; ++i) {
              for (uint32_t j = 0; j < nBlock; ++j) {
                part(i, j) = other(row.k * k + i, nBlock * n + j);
              }
            }
            std::vector<double> loaded =
                chainsA ? Registers(*row.getB(), part).values : Registers(*row.getA(), part.transpose()).values;
            uint32_t to = chainsA ? v + ofValues * n : n + ofN * v;
            std::vector<double *> c = run(acc, to, fragmentC.getIn().getSize(Axis::reg), warp);
            chainsA ? issue(held, loaded, c) : issue(loaded, held, c);
          }
        }
      }
    }
  }
};

class ChainTest : public ::testing::Test {
protected:
  Matrix make(uint32_t rows, uint32_t columns) {
    Matrix matrix(rows, columns);
    for (double &value : matrix.values) {
      value = normal(random);
    }
    return matrix;
  }
  Matrix makeLower(uint32_t size, bool diagonal, double scale = 1) {
    Matrix matrix = make(size, size);
    for (uint32_t i = 0; i < size; ++i) {
      for (uint32_t j = 0; j < size; ++j) {
        matrix(i, j) *= j < i + diagonal ? scale : 0;
      }
    }
    return matrix;
  }
  static void expectNear(const Matrix &a, const Matrix &b) {
    ASSERT_EQ(a.values.size(), b.values.size());
    for (size_t i = 0; i < a.values.size(); ++i) {
      ASSERT_NEAR(a.values[i], b.values[i], 1e-11);
    }
  }

  /// A chunk of the delta rule with decay: from the state S (values x keys) to the outputs O and the next state.
  void runChunk(const Machine &machine, uint32_t values) {
    constexpr uint32_t tokens = 16, keys = 64;
    Matrix state = make(values, keys), correction = make(tokens, keys), queries = make(tokens, keys);
    Matrix v = make(tokens, values), k = make(tokens, keys), b = make(tokens, keys);
    Matrix scoresV = makeLower(tokens, false), solve = makeLower(tokens, false, 0.2);
    Matrix outV = makeLower(tokens, true), outU = makeLower(tokens, true), decay = make(keys, 1);
    for (uint32_t i = 0; i < tokens; ++i) {
      solve(i, i) = 1;
    }

    Matrix u = solve * (correction * state.transpose() + scoresV * v);
    Matrix o = queries * state.transpose() + outV * v + outU * u;
    Matrix next = v.transpose() * k + u.transpose() * b;
    for (uint32_t i = 0; i < values; ++i) {
      for (uint32_t j = 0; j < keys; ++j) {
        next(i, j) += state(i, j) * decay(j, 0);
      }
    }

    Registers s = machine.load(state), vs = machine.load(v.transpose());
    Registers right(machine.accumulator(values, tokens)), us = right, os = right;
    machine.chain(s, correction.transpose(), right);
    machine.chain(vs, scoresV.transpose(), right);
    machine.chain(right, solve.transpose(), us);
    machine.chain(s, queries.transpose(), os);
    machine.chain(vs, outV.transpose(), os);
    machine.chain(us, outU.transpose(), os);
    for (uint64_t i = 0; i < s.values.size(); ++i) {
      Point at = s.layout.apply(s.layout.getIn().unpack(i));
      s.values[i] *= decay(machine.chainsA ? at.column : at.row, 0);
    }
    machine.chain(vs, k, s);
    machine.chain(us, b, s);
    expectNear(machine.store(os), o.transpose());
    expectNear(machine.store(s), next);
  }

  std::mt19937_64 random{1};
  std::normal_distribution<double> normal;
};
} // namespace

TEST_F(ChainTest, ValuesOnRows) {
  runChunk({getInstruction("mma.m16n8k16"), true}, 64);
  runChunk({getInstruction("mma.m16n8k16"), true}, 128);
}

TEST_F(ChainTest, ValuesOnColumns) {
  runChunk({getInstruction("mfma.16x16x16"), false}, 64);
  runChunk({getInstruction("mfma.16x16x16"), false}, 128);
  runChunk({getInstruction("wmma.gfx12.16x16x16"), false}, 64);
}
