package train

import "tfos/internal/model"

// Source is the graph that a request trains.
func (r Request) Source() model.TrainingSource {
	return model.TrainingSource{
		Graph: r.Graph, TagSet: r.TagSet, Train: r.TrainSignature, Eval: r.EvalSignature,
		Strategy: r.Strategy, Inputs: r.InputMapping, AllowNarrowing: r.AllowNarrowing,
	}
}
