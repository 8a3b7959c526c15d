package tfrecord

// What tests of the package use beside its interface.
const BytesKind = bytesKind
const ContextPart = contextPart

var EachFeature = eachFeature
var FeatureList = featureList

const FloatKind = floatKind
const Int64Kind = int64Kind

var MaskedCRC = maskedCRC

type Part = part

var WalkBytes = walkBytes
var WalkFloats = walkFloats
var WalkInts = walkInts
