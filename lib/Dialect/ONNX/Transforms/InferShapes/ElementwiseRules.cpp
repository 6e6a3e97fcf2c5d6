//===- ElementwiseRules.cpp - Shapes of elementwise operators ---*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ShapeContext.h"
#include "mlir/IR/BuiltinAttributes.h"

using namespace mlir;
using namespace compress;
using namespace compress::onnx;

/// Result 0 is like input 0.
static LogicalResult sameAsInput(ShapeContext &c) {
  c.setElementType(0, c.elementType(0));
  if (const Dims *shape = c.shape(0))
    c.setShape(0, c.elementType(0), *shape);
  return success();
}

/// The same, and integer elements pass through.
static LogicalResult identity(ShapeContext &c) {
  if (failed(sameAsInput(c)))
    return failure();
  if (const Dims *elements = c.elements(0))
    c.setElements(0, *elements);
  return success();
}

static LogicalResult predicate(ShapeContext &c) {
  c.setElementType(0, c.i1());
  if (const Dims *shape = c.shape(0))
    c.setShape(0, c.i1(), *shape);
  return success();
}

static LogicalResult dropout(ShapeContext &c) {
  if (failed(sameAsInput(c)))
    return failure();
  // Until opset 10 the mask had the type of the data.
  Type mask = c.opset >= 10 ? c.i1() : c.elementType(0);
  c.setElementType(1, mask);
  if (const Dims *shape = c.shape(0))
    c.setShape(1, mask, *shape);
  return success();
}

static LogicalResult batchNormalization(ShapeContext &c) {
  if (failed(sameAsInput(c)))
    return failure();
  const Dims *x = c.shape(0);
  bool spatial = c.node.getInt("spatial", 1) != 0;
  for (unsigned i = 1; i < 5; ++i) {
    const Dims *parameter = c.shape(i);
    if (!x || !parameter || !spatial || x->size() < 2)
      continue;
    const Dim &channels = (*x)[1];
    if (parameter->size() != 1 ||
        (channels.isConstant() && (*parameter)[0].isConstant() &&
         channels != (*parameter)[0]))
      return c.fail("input " + Twine(i) + " has shape " + toString(*parameter) +
                    ", expected one value for each channel of " + toString(*x));
  }
  for (unsigned i = 1; i < c.getNumResults(); ++i)
    if (const Dims *parameter = c.shape(1))
      c.setShape(i, c.elementType(1), *parameter);
  return success();
}

static LogicalResult layerNormalization(ShapeContext &c) {
  if (failed(sameAsInput(c)))
    return failure();
  const Dims *x = c.shape(0);
  if (!x)
    return success();
  FailureOr<int64_t> axis = c.axis(c.node.getInt("axis", -1), x->size());
  if (failed(axis))
    return failure();
  Dims reduced(*x);
  for (size_t i = *axis; i < reduced.size(); ++i)
    reduced[i] = Dim(1);
  for (unsigned i = 1; i < c.getNumResults(); ++i)
    c.setShape(i, c.elementType(0), reduced);
  return success();
}

/// Shape of all inputs broadcast together; null when one is unknown. Before
/// opset 7 binary operators broadcast the second input only, on request.
static FailureOr<std::optional<Dims>> broadcastInputs(ShapeContext &c,
                                                      unsigned first = 0) {
  std::optional<Dims> result;
  if (c.node.hasAttr("broadcast")) {
    if (const Dims *shape = c.shape(0))
      result = *shape;
    return result;
  }
  for (unsigned i = first; i < c.node.getNumInputs(); ++i) {
    const Dims *shape = c.shape(i);
    if (!shape)
      return std::optional<Dims>();
    if (!result) {
      result = *shape;
      continue;
    }
    FailureOr<Dims> joint = c.broadcast(*result, *shape);
    if (failed(joint))
      return failure();
    result = *joint;
  }
  return result;
}

static LogicalResult broadcastTo(ShapeContext &c, Type elementType) {
  FailureOr<std::optional<Dims>> shape = broadcastInputs(c);
  if (failed(shape))
    return failure();
  c.setElementType(0, elementType);
  if (*shape)
    c.setShape(0, elementType, **shape);
  return success();
}

static LogicalResult broadcast(ShapeContext &c) {
  return broadcastTo(c, c.elementType(0));
}

static LogicalResult compare(ShapeContext &c) { return broadcastTo(c, c.i1()); }

/// Follows integer elements through `a op b`, both scalars or vectors.
template <Dim (ShapeState::*op)(const Dim &, const Dim &)>
static LogicalResult arithmetic(ShapeContext &c) {
  if (failed(broadcast(c)))
    return failure();
  const Dims *a = c.elements(0), *b = c.elements(1);
  if (!a || !b || (a->size() != b->size() && a->size() != 1 && b->size() != 1))
    return success();
  Dims result;
  for (size_t i = 0, e = (a->size() == 1 ? b : a)->size(); i < e; ++i)
    result.push_back((c.state.*op)((*a)[a->size() == 1 ? 0 : i],
                                   (*b)[b->size() == 1 ? 0 : i]));
  c.setElements(0, std::move(result));
  return success();
}

static LogicalResult where(ShapeContext &c) {
  FailureOr<std::optional<Dims>> shape = broadcastInputs(c);
  if (failed(shape))
    return failure();
  c.setElementType(0, c.elementType(1));
  if (*shape)
    c.setShape(0, c.elementType(1), **shape);
  auto condition = c.constants(0);
  const Dims *a = c.elements(1), *b = c.elements(2);
  if (!condition || !a || !b || condition->size() != a->size() ||
      a->size() != b->size())
    return success();
  Dims elements;
  for (size_t i = 0; i < a->size(); ++i)
    elements.push_back((*condition)[i] ? (*a)[i] : (*b)[i]);
  c.setElements(0, std::move(elements));
  return success();
}

/// Folds a comparison of followed elements, which `Where` may then select by.
static LogicalResult equal(ShapeContext &c) {
  if (failed(compare(c)))
    return failure();
  const Dims *a = c.elements(0), *b = c.elements(1);
  if (!a || !b || (a->size() != b->size() && a->size() != 1 && b->size() != 1))
    return success();
  Dims result;
  for (size_t i = 0, e = (a->size() == 1 ? b : a)->size(); i < e; ++i) {
    const Dim &x = (*a)[a->size() == 1 ? 0 : i];
    const Dim &y = (*b)[b->size() == 1 ? 0 : i];
    if (x == y)
      result.push_back(Dim(1));
    // A dimension is never negative: `?` differs from the -1 of Expand idioms.
    else if ((x.isConstant() && y.isConstant()) ||
             (x.isConstant() && x.coefficient < 0 && y.coefficient > 0) ||
             (y.isConstant() && y.coefficient < 0 && x.coefficient > 0))
      result.push_back(Dim(0));
    else
      return success();
  }
  c.setElements(0, std::move(result));
  return success();
}

static LogicalResult cast(ShapeContext &c) {
  std::optional<int64_t> to = c.node.findInt("to");
  Type type = c.elementType(1); // CastLike
  if (to)
    type = getElementType(c.node.getOperation()->getContext(), *to);
  else if (c.node.getOpType() == "Cast")
    return c.fail("attribute 'to' is missing");
  if (!type)
    return success();
  c.setElementType(0, type);
  if (const Dims *shape = c.shape(0))
    c.setShape(0, type, *shape);
  const Dims *elements = c.elements(0);
  if (elements && isa<IntegerType>(type) && !type.isInteger(1))
    c.setElements(0, *elements);
  return success();
}

static LogicalResult quantizeLinear(ShapeContext &c) {
  MLIRContext *context = c.node.getOperation()->getContext();
  Type type = c.elementType(2);
  if (!type) {
    int64_t dtype = c.node.getInt("output_dtype", 0);
    type = getElementType(context, dtype ? dtype : /*UINT8=*/2);
  }
  c.setElementType(0, type);
  if (const Dims *shape = c.shape(0))
    c.setShape(0, type, *shape);
  return success();
}

static LogicalResult dequantizeLinear(ShapeContext &c) {
  Type type = c.elementType(1);
  if (int64_t dtype = c.node.getInt("output_dtype", 0))
    type = getElementType(c.node.getOperation()->getContext(), dtype);
  c.setElementType(0, type);
  if (const Dims *shape = c.shape(0))
    c.setShape(0, type, *shape);
  return success();
}

static LogicalResult dynamicQuantizeLinear(ShapeContext &c) {
  Type u8 = IntegerType::get(c.node.getOperation()->getContext(), 8,
                             IntegerType::Unsigned);
  c.setElementType(0, u8);
  if (const Dims *shape = c.shape(0))
    c.setShape(0, u8, *shape);
  c.setShape(1, c.elementType(0), {});
  c.setShape(2, u8, {});
  return success();
}

void onnx::addElementwiseShapeRules(ShapeRules &rules) {
  for (StringRef name : {"Abs",
                         "Acos",
                         "Acosh",
                         "Asin",
                         "Asinh",
                         "Atan",
                         "Atanh",
                         "BitwiseNot",
                         "Ceil",
                         "Celu",
                         "Clip",
                         "Cos",
                         "Cosh",
                         "CumProd",
                         "CumSum",
                         "Elu",
                         "Erf",
                         "Exp",
                         "Floor",
                         "Gelu",
                         "HardSigmoid",
                         "HardSwish",
                         "Hardmax",
                         "InstanceNormalization",
                         "GroupNormalization",
                         "LRN",
                         "LeakyRelu",
                         "Log",
                         "LogSoftmax",
                         "LpNormalization",
                         "MeanVarianceNormalization",
                         "Mish",
                         "Neg",
                         "Not",
                         "PRelu",
                         "RMSNormalization",
                         "Reciprocal",
                         "Relu",
                         "RotaryEmbedding",
                         "Round",
                         "ScatterElements",
                         "ScatterND",
                         "Selu",
                         "Shrink",
                         "Sigmoid",
                         "Sign",
                         "Sin",
                         "Sinh",
                         "Softmax",
                         "Softplus",
                         "Softsign",
                         "Sqrt",
                         "Swish",
                         "Tan",
                         "Tanh",
                         "ThresholdedRelu",
                         "Trilu"})
    rules[name] = sameAsInput;
  rules["Identity"] = identity;
  for (StringRef name : {"IsInf", "IsNaN"})
    rules[name] = predicate;
  rules["Dropout"] = dropout;
  rules["BatchNormalization"] = batchNormalization;
  rules["LayerNormalization"] = layerNormalization;
  for (StringRef name :
       {"And", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Max",
        "Mean", "Min", "Mod", "Or", "Pow", "Sum", "Xor"})
    rules[name] = broadcast;
  rules["Add"] = arithmetic<&ShapeState::add>;
  rules["Sub"] = arithmetic<&ShapeState::sub>;
  rules["Mul"] = arithmetic<&ShapeState::mul>;
  rules["Div"] = arithmetic<&ShapeState::div>;
  for (StringRef name : {"Greater", "GreaterOrEqual", "Less", "LessOrEqual"})
    rules[name] = compare;
  rules["Equal"] = equal;
  rules["Where"] = where;
  rules["Cast"] = cast;
  rules["CastLike"] = cast;
  rules["QuantizeLinear"] = quantizeLinear;
  rules["DequantizeLinear"] = dequantizeLinear;
  rules["DynamicQuantizeLinear"] = dynamicQuantizeLinear;
}
