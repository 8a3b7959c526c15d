package engine

// tensorMap has tensors by their place in the graph.
type tensorMap map[endpoint]*tensor

// compute runs the graph and returns the tensors of the fetches. A fetch may occur
// twice, and may be a place that is fed. TensorFlow refuses to fetch a fed place, so
// the result has the fed tensor there.
//
// compute takes ownership of the feeds, on errors too. The caller frees the result.
func (s *session) compute(feeds []feed, fetches []endpoint) (tensorMap, error) {
	result, fed := tensorMap{}, tensorMap{}
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
	fed.free() // before columns are made, to have less memory in use at a time
	if err != nil {
		result.free()
		return nil, err
	}
	return result, nil
}

// inOrder returns the tensors of places, in the order of places.
func (m tensorMap) inOrder(places []endpoint) []*tensor {
	tensors := make([]*tensor, len(places))
	for i, at := range places {
		tensors[i] = m[at]
	}
	return tensors
}

// free frees each tensor once.
func (m tensorMap) free() {
	for _, t := range m {
		if t != nil { // nil if the run has failed
			t.free()
		}
	}
}
