package tfrecord

// Names that the package's external tests use.
const BytesKind = bytesKind
const ContextPart = contextPart

var EachFeature = eachFeature
var FeatureList = featureList

const FloatKind = floatKind
const Int64Kind = int64Kind

type Part = part

var WalkBytes = walkBytes
var WalkFloats = walkFloats
var WalkInts = walkInts
