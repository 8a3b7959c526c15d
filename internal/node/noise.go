package node

import "bytes"

// startupNoise are parts of the lines that every import of TensorFlow writes to standard
// error on a healthy machine. They would fill the last lines of a program that fails
// early.
var startupNoise = [][]byte{
	[]byte("All log messages before absl::InitializeLog() is called are written to STDERR"),
	[]byte("Unable to register cuFFT factory"),
	[]byte("Unable to register cuDNN factory"),
	[]byte("Unable to register cuBLAS factory"),
	[]byte("computation placer already registered"),
	[]byte("computation_placer already registered"),
	[]byte("oneDNN custom operations are on."),
	[]byte("This TensorFlow binary is optimized "),
	[]byte("rebuild TensorFlow with the appropriate compiler flags"),
	[]byte("Could not find cuda drivers on your machine, GPU will not be used"),
	[]byte("TF-TRT Warning: Could not find TensorRT"),
	[]byte("CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected"),                                // CUDA_VISIBLE_DEVICES is empty
	[]byte("failed call to cuInit: INTERNAL: CUDA error: Failed call to cuInit: UNKNOWN ERROR (303)"), // no driver
}

// isStartupNoise reports whether a line of a program's standard error is startup noise.
func isStartupNoise(line []byte) bool {
	for _, part := range startupNoise {
		if bytes.Contains(line, part) {
			return true
		}
	}
	return false
}
