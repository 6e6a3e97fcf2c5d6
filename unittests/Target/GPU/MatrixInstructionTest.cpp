//===- MatrixInstructionTest.cpp - Layouts against the manuals ------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Target/GPU/MatrixInstruction.h"
#include "gtest/gtest.h"
#include <set>

using namespace compress;

namespace {
using Element = MatrixInstruction::Element;

/// PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point type" and
/// "... for mma.m16n8k32": rows and
/// columns of element i of the fragments of a, b and c.
struct PTX {
  bool isByte;
  int groupID, threadID;
  PTX(bool isByte, int lane)
      : isByte(isByte), groupID(lane >> 2), threadID(lane % 4) {}

  int rowA(int i) const {
    if (isByte)
      return (0 <= i && i < 4) || (8 <= i && i < 12) ? groupID : groupID + 8;
    return (0 <= i && i < 2) || (4 <= i && i < 6) ? groupID : groupID + 8;
  }
  int columnA(int i) const {
    if (isByte)
      return threadID * 4 + (i & 3) + (i < 8 ? 0 : 16);
    return threadID * 2 + (i & 1) + (i < 4 ? 0 : 8);
  }
  // The manual's rows of b are k.
  int rowB(int i) const {
    if (isByte)
      return threadID * 4 + (i & 3) + (i < 4 ? 0 : 16);
    return threadID * 2 + (i & 1) + (i < 2 ? 0 : 8);
  }
  int columnB(int) const { return groupID; }
  int rowC(int i) const { return i < 2 ? groupID : groupID + 8; }
  int columnC(int i) const { return threadID * 2 + (i & 1); }
};

TEST(MatrixInstruction, PTXLayoutsAreThoseOfTheManual) {
  for (Element element : {Element::BF16, Element::F16, Element::I8}) {
    bool isByte = element == Element::I8;
    MatrixInstruction matrix = getPTXInstruction(element);
    EXPECT_EQ(matrix.m, 16);
    EXPECT_EQ(matrix.n, 8);
    EXPECT_EQ(matrix.k, isByte ? 32 : 16);
    int perWord = matrix.getPerWord();
    ASSERT_EQ(matrix.a.rows.size(), 4u);
    ASSERT_EQ(matrix.b.rows.size(), 2u);
    ASSERT_EQ(matrix.c.rows.size(), 4u);
    for (int lane = 0; lane < 32; ++lane) {
      PTX manual(isByte, lane);
      for (int i = 0; i < 4 * perWord; ++i) {
        EXPECT_EQ(matrix.a.getRow(lane, i / perWord), manual.rowA(i));
        EXPECT_EQ(matrix.a.getColumn(lane, i / perWord) + i % perWord,
                  manual.columnA(i));
      }
      for (int i = 0; i < 2 * perWord; ++i) {
        EXPECT_EQ(matrix.b.getRow(lane, i / perWord), manual.columnB(i));
        EXPECT_EQ(matrix.b.getColumn(lane, i / perWord) + i % perWord,
                  manual.rowB(i));
      }
      for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(matrix.c.getRow(lane, i), manual.rowC(i));
        EXPECT_EQ(matrix.c.getColumn(lane, i), manual.columnC(i));
      }
    }
  }
}

/// "Matrix Fragments for sparse mma.m16n8k32 with .f16 and .bf16 types": a
/// holds two elements of the four columns from threadID * 4 (+ 16) on, b rows
/// threadID * 2 + (i & 1), 8 more for each two elements. "... for sparse
/// mma.m16n8k64 with .u8/.s8": a holds four of the eight columns from threadID
/// * 8 (+ 32) on, b rows threadID * 4 + (i & 3), 16 more for each four
/// elements.
TEST(MatrixInstruction, SparsePTXLayoutIsThatOfTheManual) {
  for (Element element : {Element::BF16, Element::F16, Element::I8}) {
    bool isByte = element == Element::I8;
    int perWord = isByte ? 4 : 2;
    MatrixInstruction matrix = getPTXSparseInstruction(element);
    EXPECT_EQ(matrix.k, 16 * perWord);
    ASSERT_EQ(matrix.a.rows.size(), 4u);
    ASSERT_EQ(matrix.b.rows.size(), 4u);
    for (int lane = 0; lane < 32; ++lane) {
      PTX manual(isByte, lane);
      for (int i = 0; i < 4 * perWord; ++i) {
        int r = i / perWord, inWord = i % perWord;
        EXPECT_EQ(matrix.a.getRow(lane, r), manual.rowA(i));
        // Stored columns are half of those that they stand for.
        EXPECT_EQ(2 * matrix.a.getColumn(lane, r),
                  manual.threadID * 2 * perWord + (r < 2 ? 0 : 8 * perWord));
        EXPECT_EQ(matrix.b.getRow(lane, r), manual.columnB(i));
        EXPECT_EQ(matrix.b.getColumn(lane, r) + inWord,
                  manual.threadID * perWord + inWord + 4 * perWord * r);
      }
      for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(matrix.c.getRow(lane, i), manual.rowC(i));
        EXPECT_EQ(matrix.c.getColumn(lane, i), manual.columnC(i));
      }
    }
  }
}

/// AMD Instinct ISA, layouts of dense matrices with one block: of a
/// with K_L = K / (64 / M) elements per lane, i = lane % M and
/// k = K_L * (lane / M) + element; of the result of 16 x 16, i = 4 * (lane /
/// 16)
/// + register and j = lane % 16.
TEST(MatrixInstruction, MFMALayoutsAreThoseOfTheManual) {
  for (auto [element, words, k] :
       {std::tuple(Element::BF16, 2, 16), std::tuple(Element::F16, 2, 16),
        std::tuple(Element::I8, 1, 16), std::tuple(Element::I8, 2, 32)}) {
    MatrixInstruction matrix = getMFMAInstruction(element, words);
    EXPECT_EQ(matrix.k, k);
    EXPECT_EQ(matrix.lanes, 64);
    int perWord = matrix.getPerWord(), perLane = k / 4;
    ASSERT_EQ(int(matrix.a.rows.size()) * perWord, perLane);
    for (int lane = 0; lane < 64; ++lane) {
      for (int i = 0; i < perLane; ++i)
        for (const FragmentLayout *layout : {&matrix.a, &matrix.b}) {
          EXPECT_EQ(layout->getRow(lane, i / perWord), lane % 16);
          EXPECT_EQ(layout->getColumn(lane, i / perWord) + i % perWord,
                    perLane * (lane / 16) + i);
        }
      for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(matrix.c.getRow(lane, i), 4 * (lane / 16) + i);
        EXPECT_EQ(matrix.c.getColumn(lane, i), lane % 16);
      }
    }
  }
}

TEST(MatrixInstruction, EachElementIsHeldOnce) {
  for (const MatrixInstruction &matrix :
       {getPTXInstruction(Element::BF16), getPTXInstruction(Element::F16),
        getPTXInstruction(Element::I8), getMFMAInstruction(Element::F16, 2),
        getMFMAInstruction(Element::BF16, 2),
        getMFMAInstruction(Element::I8, 1),
        getMFMAInstruction(Element::I8, 2)}) {
    auto count = [&](const FragmentLayout &layout, int64_t rows,
                     int64_t columns, int64_t perRegister) {
      std::set<std::pair<int64_t, int64_t>> held;
      for (int64_t lane = 0; lane < matrix.lanes; ++lane)
        for (unsigned r = 0; r < layout.rows.size(); ++r)
          for (int64_t i = 0; i < perRegister; ++i) {
            std::pair<int64_t, int64_t> at(layout.getRow(lane, r),
                                           layout.getColumn(lane, r) + i);
            EXPECT_TRUE(at.first < rows && at.second < columns);
            EXPECT_TRUE(held.insert(at).second);
          }
      EXPECT_EQ(int64_t(held.size()), rows * columns);
    };
    count(matrix.a, matrix.m, matrix.k, matrix.getPerWord());
    count(matrix.b, matrix.n, matrix.k, matrix.getPerWord());
    count(matrix.c, matrix.m, matrix.n, 1);
  }
}
} // namespace
