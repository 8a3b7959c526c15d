package gpu

import "context"

// Busy returns the sum of how busy devices are, in percent. visible names them as
// CUDA_VISIBLE_DEVICES does. ok is false if nvidia-smi does not tell.
func Busy(ctx context.Context, visible string) (percent int, ok bool) {
	all, err := List(ctx)
	if err != nil {
		return 0, false
	}
	devices, _ := find(all, splitNames(visible))
	for _, d := range devices {
		percent += max(0, d.Percent) // not known: nothing
	}
	return percent, true
}
