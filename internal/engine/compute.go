package engine

// found are tensors by their place in the graph.
type found map[endpoint]*tensor

// compute runs the graph for the fetches. A place may stand there twice, and may
// be one that is fed: TensorFlow refuses to fetch what it is fed, so its tensor is
// the one that was fed. The feeds are taken over; the result is the caller's to
// free.
func (s *session) compute(feeds []feed, fetches []endpoint) (found, error) {
	result, fed := found{}, found{}
	for _, f := range feeds {
		fed[f.at] = f.tensor
	}
	var computed []endpoint
	for _, at := range fetches {
		if _, known := result[at]; known {
			continue
		}
		if result[at] = fed[at]; result[at] == nil {
			computed = append(computed, at)
		}
		delete(fed, at)
	}
	var err error
	if len(computed) > 0 {
		var tensors []*tensor
		tensors, err = s.run(feeds, computed, nil)
		for i, t := range tensors {
			result[computed[i]] = t
		}
	}
	fed.free() // before there are columns, for which there is more room then
	if err != nil {
		result.free()
		return nil, err
	}
	return result, nil
}

// at are the tensors of places, in their order.
func (f found) at(places []endpoint) []*tensor {
	tensors := make([]*tensor, len(places))
	for i, at := range places {
		tensors[i] = f[at]
	}
	return tensors
}

// free frees each tensor once.
func (f found) free() {
	for _, t := range f {
		if t != nil { // its run has failed
			t.free()
		}
	}
}
