// Package gpu chooses the GPUs of a member and checks what TensorFlow makes of them.
//
// Comes in: how many GPUs a member wants and who gives them (Source), the text of
// nvidia-smi, the resources file of a Spark executor, and what a TensorFlow has said of
// the devices that it sees (Seen).
//
// Goes out: a Claim, whose devices belong to this process until it ends; an error that
// says why there is none; how devices are used (Use); what a TensorFlow that hangs is waiting
// for (Late). Run runs a program that may hang in a device's driver.
//
// It never loads TensorFlow and never starts a member's program. It writes no file.
//
// Terms:
//
//   - device: a GPU, or a MIG instance of one. CUDA computes on either.
//   - ID: the UUID of a device. Indices of nvidia-smi are by PCI address, and those of
//     CUDA by speed, so that an index alone names no device.
//   - claim: devices that one process of this host holds.
package gpu
