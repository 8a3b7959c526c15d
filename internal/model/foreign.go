package model

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// headBytes is how much of a file is read to detect its format.
const headBytes = 1 << 20

// foreignFormats are the model formats that TensorFlow's runtime does not load.
// The first format that matches counts, so specific ones come before general ones.
var foreignFormats = []struct {
	is     func(path string, head []byte) bool
	refuse func(path string, head []byte) *ModelError
}{
	{isKeras, refuseKeras},
	{isKerasFolder, refuseKerasFolder},
	{isHDF5, refuseHDF5},
	{isLite, refuseLite},
	{isONNX, refuseONNX},
	{isTorch, refuseTorch},
	{isTensorFlowJS, refuseTensorFlowJS},
	{isArchive, refuseArchive},
}

// foreignFormat returns an error if a path holds a model of a foreign format. The
// error has the command that makes a SavedModel of it, where there is one. It is
// nil if no known format matches.
func foreignFormat(path string) *ModelError {
	head := readHead(path)
	for _, f := range foreignFormats {
		if f.is(path, head) {
			return f.refuse(path, head)
		}
	}
	return nil
}

// readHead returns the first headBytes of a file, and nil for a folder or a path
// that cannot be read.
func readHead(path string) []byte {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	head := make([]byte, headBytes)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		n = 0
	}
	if f.Close() != nil {
		return nil
	}
	return head[:n]
}

const kerasMetadata = "metadata.json"

// isKeras detects Keras's own format: a zip file with metadata.json in it.
func isKeras(path string, head []byte) bool {
	return bytes.HasPrefix(head, []byte("PK")) && kerasVersion(path) != ""
}

// kerasVersion returns the version of Keras that wrote a .keras file, or "" for
// another file.
func kerasVersion(path string) string {
	archive, err := zip.OpenReader(path)
	if err != nil {
		return ""
	}
	defer archive.Close() //nolint:errcheck // only read
	file, err := archive.Open(kerasMetadata)
	if err != nil {
		return ""
	}
	defer file.Close() //nolint:errcheck // only read
	return decodeKerasVersion(file)
}

func decodeKerasVersion(r io.Reader) string {
	var metadata struct {
		Version string `json:"keras_version"`
	}
	if json.NewDecoder(io.LimitReader(r, headBytes)).Decode(&metadata) != nil {
		return ""
	}
	return metadata.Version
}

func refuseKeras(path string, _ []byte) *ModelError {
	return wholeKeras(path, "it is a Keras file", kerasVersion(path))
}

// isKerasFolder detects an unpacked .keras file.
func isKerasFolder(path string, _ []byte) bool {
	return exists(filepath.Join(path, kerasMetadata)) && exists(filepath.Join(path, "model.weights.h5"))
}

func refuseKerasFolder(path string, _ []byte) *ModelError {
	packed := strings.TrimRight(path, "/") + ".keras"
	return &ModelError{Path: path, Problem: "it is a Keras file, unpacked", Remedy: "pack it and give the file:",
		Command: fmt.Sprintf("(cd %s && python3 -m zipfile -c %s *)", shellQuote(path), shellQuote(packed))}
}

var (
	hdf5Magic   = []byte("\x89HDF\r\n\x1a\n")
	versionText = regexp.MustCompile(`\b[1-9]\.[0-9]+\.[0-9]+`)
)

func isHDF5(_ string, head []byte) bool { return bytes.HasPrefix(head, hdf5Magic) }

// refuseHDF5 returns one error for a whole model and another for weights alone.
func refuseHDF5(path string, head []byte) *ModelError {
	if version, whole := hdf5Version(head); whole {
		return wholeKeras(path, "it is a Keras HDF5 file", version)
	}
	return &ModelError{Path: path, Problem: "it holds weights of a Keras model and not the model",
		Remedy:  "in the program that builds the model:",
		Command: fmt.Sprintf("model.load_weights(%s); model.export(%s)", pythonQuote(path), pythonQuote(exported(path)))}
}

// wholeKeras returns the error for a file with a whole Keras model.
func wholeKeras(path, problem, version string) *ModelError {
	if kerasPackage(version) == kerasTwo {
		problem += " of Keras 2 (pip install tf_keras)"
	}
	return &ModelError{Path: path, Problem: problem, Remedy: "export a SavedModel of it:",
		Command: fmt.Sprintf("tfos export %s --export-dir %s", shellQuote(path), shellQuote(exported(path)))}
}

// kerasTwo is the package that loads models of Keras 1 and 2.
const kerasTwo = "tf_keras"

func kerasPackage(version string) string {
	if strings.HasPrefix(version, "1.") || strings.HasPrefix(version, "2.") {
		return kerasTwo
	}
	return "keras"
}

// KerasFile reports whether a file holds a whole Keras model, in Keras's own format or
// as HDF5, and which Python package loads it: keras or tf_keras.
func KerasFile(path string) (library string, ok bool) {
	head := readHead(path)
	switch {
	case len(head) == 0:
		return "", false
	case isKeras(path, head):
		return kerasPackage(kerasVersion(path)), true
	case isHDF5(path, head):
		version, whole := hdf5Version(head)
		return kerasPackage(version), whole
	}
	return "", false
}

// hdf5Version returns the version of Keras that wrote an HDF5 file, if that is found.
// whole says that the file has a model and not weights alone: only a whole model has
// the attribute model_config.
func hdf5Version(head []byte) (version string, whole bool) {
	_, config, whole := bytes.Cut(head, []byte("model_config\x00"))
	return string(versionText.Find(config)), whole
}

// exported returns the folder beside path into which a suggested command writes the
// SavedModel.
func exported(path string) string {
	name, _, _ := strings.Cut(filepath.Base(path), ".")
	return filepath.Join(filepath.Dir(path), name+"_saved_model")
}

// isLite detects a TensorFlow Lite file by its FlatBuffers identifier.
func isLite(_ string, head []byte) bool { return len(head) >= 8 && string(head[4:8]) == "TFL3" }

func refuseLite(path string, _ []byte) *ModelError {
	return &ModelError{Path: path, Problem: "it is a TensorFlow Lite file, which cannot be turned back",
		Remedy: "give the SavedModel or the Keras file from which it was converted"}
}

func isONNX(path string, _ []byte) bool { return filepath.Ext(path) == ".onnx" }

func refuseONNX(path string, _ []byte) *ModelError {
	return &ModelError{Path: path, Problem: "it is an ONNX file",
		Remedy: "convert it to a SavedModel (pip install onnx2tf):", Command: convertONNX(path, exported(path))}
}

// isTorch detects PyTorch's zip files by the pickle in them, and other files of
// PyTorch by their extensions.
func isTorch(path string, head []byte) bool {
	switch filepath.Ext(path) {
	case ".pt", ".pth", ".safetensors":
		return true
	}
	return bytes.HasPrefix(head, []byte("PK")) && bytes.Contains(head, []byte("/data.pkl"))
}

func refuseTorch(path string, _ []byte) *ModelError {
	onnx := strings.TrimSuffix(path, filepath.Ext(path)) + ".onnx"
	return &ModelError{Path: path, Problem: "it is a PyTorch file",
		Remedy:  fmt.Sprintf("in the program that builds the model: torch.onnx.export(model, example, %s); then (pip install onnx2tf):", pythonQuote(onnx)),
		Command: convertONNX(onnx, exported(path))}
}

func convertONNX(path, folder string) string {
	return fmt.Sprintf("onnx2tf -i %s -o %s -osd", shellQuote(path), shellQuote(folder))
}

// isTensorFlowJS detects a TensorFlow.js model: its folder or its file model.json.
func isTensorFlowJS(path string, head []byte) bool {
	if len(head) == 0 {
		head = readHead(filepath.Join(path, "model.json"))
	}
	return bytes.Contains(head, []byte(`"weightsManifest"`))
}

func refuseTensorFlowJS(path string, _ []byte) *ModelError {
	return &ModelError{Path: path, Problem: "it is a TensorFlow.js model", Remedy: "give the SavedModel or the Keras file from which it was converted"}
}

// isArchive detects packed folders (gzip, zip, tar), which TF-Hub and Kaggle offer
// for download.
func isArchive(path string, head []byte) bool {
	return bytes.HasPrefix(head, []byte("\x1f\x8b")) || bytes.HasPrefix(head, []byte("PK\x03\x04")) ||
		len(head) > 262 && string(head[257:262]) == "ustar"
}

func refuseArchive(path string, head []byte) *ModelError {
	folder := exported(path)
	unpack := fmt.Sprintf("mkdir -p %s && tar -xf %s -C %s", shellQuote(folder), shellQuote(path), shellQuote(folder))
	if bytes.HasPrefix(head, []byte("PK")) {
		unpack = fmt.Sprintf("unzip -q %s -d %s", shellQuote(path), shellQuote(folder))
	}
	return &ModelError{Path: path, Problem: "it is a packed folder", Remedy: "unpack it and give the folder:", Command: unpack}
}

// hubFile marks a module of TF-Hub's first format. TensorFlow's runtime cannot
// restore its SavedModel, which names no restore operation.
const hubFile = "tfhub_module.pb"

// refuseHub returns an error if a SavedModel's folder is a module of TF-Hub's first
// format, else nil.
func refuseHub(folder string) error {
	if !exists(filepath.Join(folder, hubFile)) {
		return nil
	}
	code := "import sys, tensorflow as tf; m = tf.compat.v1.saved_model.load_v2(sys.argv[1], tags=[]); tf.saved_model.save(m, sys.argv[2], signatures=dict(m.signatures))"
	return &ModelError{Path: folder, Problem: "it is a module of TF-Hub's first format, which TensorFlow's runtime cannot restore",
		Remedy: "make a SavedModel of it:", Command: pythonCommand(code, folder, strings.TrimRight(folder, "/")+"_saved_model")}
}

// pythonCommand returns a shell command that runs Python code with arguments.
func pythonCommand(code string, args ...string) string {
	line := "python3 -c " + shellQuote(code)
	for _, a := range args {
		line += " " + shellQuote(a)
	}
	return line
}

var plain = regexp.MustCompile(`^[-+=:,./@%_0-9A-Za-z]+$`)

// shellQuote quotes a word for a POSIX shell, if it needs quotes.
func shellQuote(word string) string {
	if plain.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// pythonQuote returns a text as a Python string literal.
func pythonQuote(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		return text
	}
	return string(quoted)
}
