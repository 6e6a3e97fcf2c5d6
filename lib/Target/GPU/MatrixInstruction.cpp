//===- MatrixInstruction.cpp - Which lane holds what ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Target/GPU/MatrixInstruction.h"

using namespace compress;

MatrixInstruction
compress::getPTXInstruction(MatrixInstruction::Element element) {
  MatrixInstruction result;
  result.element = element;
  int64_t perWord = result.getPerWord();
  result.m = 16;
  result.n = 8;
  result.k = 8 * perWord;
  result.lanes = 32;
  // Four lanes share a row of a and b, and each has a word of every half of k.
  FragmentLayout layout;
  layout.split = 4;
  layout.rowOfQuotient = 1;
  layout.columnOfRemainder = perWord;
  result.a = result.b = layout;
  result.a.rows = {0, 8, 0, 8};
  result.a.columns = {0, 0, 4 * perWord, 4 * perWord};
  result.b.rows = {0, 0};
  result.b.columns = {0, 4 * perWord};
  layout.columnOfRemainder = 2;
  layout.rows = {0, 0, 8, 8};
  layout.columns = {0, 1, 0, 1};
  result.c = layout;
  return result;
}

MatrixInstruction
compress::getPTXSparseInstruction(MatrixInstruction::Element element) {
  MatrixInstruction result = getPTXInstruction(element);
  int64_t perHalf = result.k / 2;
  result.k *= 2;
  result.isSparse = true;
  result.b.rows = {0, 0, 0, 0};
  result.b.columns = {0, perHalf, 2 * perHalf, 3 * perHalf};
  return result;
}

MatrixInstruction
compress::getMFMAInstruction(MatrixInstruction::Element element,
                             int64_t words) {
  MatrixInstruction result;
  result.element = element;
  int64_t perWord = result.getPerWord();
  result.m = result.n = 16;
  result.k = 4 * words * perWord;
  result.lanes = 64;
  // Lane i has row i % 16, and that quarter of k.
  FragmentLayout layout;
  layout.split = 16;
  layout.rowOfRemainder = 1;
  layout.columnOfQuotient = words * perWord;
  for (int64_t w = 0; w < words; ++w) {
    layout.rows.push_back(0);
    layout.columns.push_back(w * perWord);
  }
  result.a = result.b = layout;
  layout.rowOfRemainder = layout.columnOfQuotient = 0;
  layout.rowOfQuotient = 4;
  layout.columnOfRemainder = 1;
  layout.rows = {0, 1, 2, 3};
  layout.columns = {0, 0, 0, 0};
  result.c = layout;
  return result;
}
