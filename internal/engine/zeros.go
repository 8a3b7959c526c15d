package engine

import (
	"errors"
	"fmt"
	"slices"

	"tfos/internal/model"
)

// maxZeros is the most elements of an input that RunZeros makes.
const maxZeros = 1 << 26

// RunZeros runs a signature once. Its inputs are zeros, false and empty strings; an
// open dimension is 1. Inputs for which the graph has a value are not fed. The error
// is a *model.GraphError if a zero may be its cause, or if the signature takes a
// tensor that cannot be made so.
func (m *Model) RunZeros(sig *model.Signature) error {
	doing := "run signature " + sig.Name + " on zeros"
	var feeds []feed
	for _, in := range sig.Inputs {
		if in.Parts != nil {
			freeFeeds(feeds)
			return &model.GraphError{Doing: doing, Err: fmt.Errorf("input %s is %s", in.Alias, in)}
		}
		at, err := m.findTensor(in)
		if err != nil {
			freeFeeds(feeds)
			return err
		}
		if in.Default || slices.ContainsFunc(feeds, func(f feed) bool { return f.at == at }) {
			continue
		}
		t, err := zeros(in)
		if err != nil {
			freeFeeds(feeds)
			return &model.GraphError{Doing: doing, Err: fmt.Errorf("input %s: %w", in.Alias, err)}
		}
		feeds = append(feeds, feed{at, t})
	}
	fetches := make([]endpoint, 0, len(sig.Outputs))
	for _, out := range sig.Outputs {
		for _, part := range out.Components() {
			at, err := m.findTensor(part)
			if err != nil {
				freeFeeds(feeds)
				return err
			}
			fetches = append(fetches, at)
		}
	}
	found, err := m.session.compute(feeds, fetches)
	if err != nil {
		return runError(doing, err)
	}
	found.free()
	return nil
}

// zeros makes a tensor of zeros of an input's shape. The caller frees it.
func zeros(in model.Tensor) (*tensor, error) {
	shape := make([]int64, len(in.Shape))
	for i, d := range in.Shape {
		shape[i] = max(d, 1)
		if d == 0 {
			shape[i] = 0
		}
	}
	if in.UnknownRank {
		shape = []int64{1}
	}
	n := elementCount(shape)
	switch {
	case n > maxZeros:
		return nil, fmt.Errorf("it has %d elements", n)
	case in.Type == model.String:
		return newTexts(shape)
	case in.Type.ElementType() == nil:
		return nil, errors.New("it is " + in.Type.String())
	}
	t, err := newTensor(in.Type, shape)
	if err == nil {
		clear(t.bytes())
	}
	return t, err
}
