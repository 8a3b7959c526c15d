package gpu

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Claim is devices that this process holds.
type Claim struct {
	Devices []Device
	locks   []*lock
}

// Visible returns the value of CUDA_VISIBLE_DEVICES.
func (c *Claim) Visible() string { return strings.Join(c.ids(), ",") }

// driver returns the version of the NVIDIA driver. "": not known.
func (c *Claim) driver() string {
	if len(c.Devices) == 0 {
		return ""
	}
	return c.Devices[0].Driver
}

func (c *Claim) ids() []string {
	var out []string
	for _, d := range c.Devices {
		out = append(out, d.ID)
	}
	return out
}

// Release gives the devices back. A nil Claim has none.
func (c *Claim) Release() {
	if c == nil {
		return
	}
	for _, l := range c.locks {
		l.release()
	}
	c.locks = nil
}

const (
	// claimTime is how long Acquire waits for devices. A run that has just ended gives
	// its devices back within its grace (5 s).
	claimTime = 10 * time.Second
	// claimEvery is the time between two tries. Each asks nvidia-smi, which takes up to a
	// second.
	claimEvery = time.Second
)

// Acquire takes count devices at a place. holder is one line for people that want the same
// devices. The error says of each device that it cannot have why.
//
// All or none: of two members that want two devices each, none keeps one and waits.
func Acquire(ctx context.Context, p Place, count int, holder string) (*Claim, error) {
	late := time.Now().Add(claimTime)
	for {
		found, err := takeInventory(ctx)
		if err != nil {
			return nil, fmt.Errorf("gpu: on %s: %w", p.Host, err)
		}
		devices, err := p.candidates(found.devices)
		if err != nil {
			return nil, fmt.Errorf("gpu: %w%s", err, found.more())
		}
		if len(devices) < count {
			return nil, fmt.Errorf("gpu: %s has %s of the %d that the member needs (resources.*.gpus)%s", p.Host, describe(devices), count, found.more())
		}
		claim, refused := tryAll(ctx, devices, count, holder)
		if refused == nil {
			return claim, nil
		}
		if time.Now().After(late) {
			return nil, fmt.Errorf("gpu: %d of %d GPUs of %s are not free for the member, which needs %d: %w%s",
				len(refused), len(devices), p.Host, count, errors.Join(refused...), found.more())
		}
		pause := claimEvery/2 + rand.N(claimEvery) // members that meet once do not meet again
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, fmt.Errorf("gpu: take devices: %w", context.Cause(ctx))
		}
	}
}

func describe(devices []Device) string {
	if len(devices) == 0 {
		return "no GPU"
	}
	var names []string
	for _, d := range devices {
		names = append(names, d.String())
	}
	return strings.Join(names, ", ") + ": " + fmt.Sprint(len(devices))
}

// tryAll takes the first count devices that are free. If there are not so many it keeps
// none, and returns why each of the others is not free.
func tryAll(ctx context.Context, devices []Device, count int, holder string) (*Claim, []error) {
	claim := &Claim{}
	var refused []error
	for _, d := range devices {
		if len(claim.Devices) == count {
			break
		}
		if why := d.unusable(ctx); why != nil {
			refused = append(refused, why)
			continue
		}
		l, err := lockDevice(ctx, d.ID, holder)
		if errors.Is(err, errTaken) {
			err = fmt.Errorf("%s is taken by %s", d, holderOf(ctx, d.ID))
		}
		if err != nil {
			refused = append(refused, err)
			continue
		}
		claim.Devices, claim.locks = append(claim.Devices, d), append(claim.locks, l)
	}
	if len(claim.Devices) < count {
		claim.Release()
		return nil, refused
	}
	return claim, nil
}

// leastFree is the part of a device's memory that must be free: one in leastFree. Other
// programs, which know no lock, may have the rest.
const leastFree = 10

// unusable returns an error if a device does not work, or if other programs have nearly all of
// its memory.
func (d Device) unusable(ctx context.Context) error {
	if d.Fault != "" {
		return fmt.Errorf("%s does not work: nvidia-smi says %q: reset it (nvidia-smi --gpu-reset), or reboot the host", d, d.Fault)
	}
	if d.FreeMiB < 0 || d.TotalMiB < 0 || d.FreeMiB*leastFree >= d.TotalMiB {
		return nil
	}
	return fmt.Errorf("%s has %d of %d MiB free%s", d, d.FreeMiB, d.TotalMiB, usersOf(ctx, d))
}
