"""The ONNX operators a bundle may use: feature preparation, trees, linear models, small nets, calibration."""

_ARITHMETIC = """
    Abs Add And Ceil Clip Cos Div Equal Erf Exp Floor Greater GreaterOrEqual IsInf IsNaN Less
    LessOrEqual Log Max Mean Min Mod Mul Neg Not Or Pow Reciprocal Round Sign Sin Sqrt Sub Sum Tan
    Tanh Where Xor
"""
_SHAPE = """
    Cast CastLike Concat Constant Flatten Gather GatherElements GatherND Identity Reshape Shape
    Slice Split Squeeze Transpose Unsqueeze
"""
_REDUCE = """
    ArgMax ArgMin CumSum ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean
    ReduceMin ReduceProd ReduceSum ReduceSumSquare TopK
"""
_NETS = """
    AveragePool BatchNormalization Conv Dropout Elu Gelu Gemm GlobalAveragePool GlobalMaxPool
    HardSigmoid HardSwish LayerNormalization LeakyRelu LogSoftmax LpNormalization MatMul MaxPool
    PRelu Relu Selu Sigmoid Softmax Softplus Softsign
"""
_TEXT = "StringNormalizer TfIdfVectorizer StringConcat StringSplit"
_CLASSICAL = """
    ArrayFeatureExtractor Binarizer CategoryMapper DictVectorizer FeatureVectorizer Imputer
    LabelEncoder LinearClassifier LinearRegressor Normalizer OneHotEncoder Scaler SVMClassifier
    SVMRegressor TreeEnsemble TreeEnsembleClassifier TreeEnsembleRegressor
"""

# The position of the input whose *value* decides how large the output becomes; it has to be in the file.
SIZE_INPUT = {"ConstantOfShape": 0, "Expand": 1, "Tile": 1}

ALLOWED: dict[str, frozenset[str]] = {
    "": frozenset(f"{_ARITHMETIC} {_SHAPE} {_REDUCE} {_NETS} {_TEXT}".split()) | SIZE_INPUT.keys(),
    "ai.onnx.ml": frozenset(_CLASSICAL.split()),
    "com.microsoft": frozenset({"Tokenizer"}),
}
