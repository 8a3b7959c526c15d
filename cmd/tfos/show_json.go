package main

import "tfos/internal/model"

// A model as JSON. A shape is null if the rank is not known.
type (
	modelJSON struct {
		Path      string         `json:"path"`
		Kind      string         `json:"kind"`
		Graphs    []graphJSON    `json:"graphs"`
		Variables []variableJSON `json:"variables"`
		Note      string         `json:"note"`     // what was chosen among several
		Job       map[string]any `json:"job"`      // keys of a job file that runs it; null: no job runs it
		Notes     []string       `json:"notes"`    // what to know about the job
		Training  *trainingJSON  `json:"training"` // null: it does not train
	}
	graphJSON struct {
		TagSet     []string        `json:"tag_set"`
		Signatures []signatureJSON `json:"signatures"`
		Inputs     []tensorJSON    `json:"inputs"`  // placeholders
		Outputs    []tensorJSON    `json:"outputs"` // tensors that nothing else uses
	}
	signatureJSON struct {
		Name    string       `json:"name"`
		Inputs  []tensorJSON `json:"inputs"`
		Outputs []tensorJSON `json:"outputs"`
	}
	tensorJSON struct {
		Alias  string  `json:"alias"`
		Tensor string  `json:"tensor"`
		Type   string  `json:"type"`
		Shape  []int64 `json:"shape"`
	}
	variableJSON struct {
		Name  string  `json:"name"`
		Type  string  `json:"type"`
		Shape []int64 `json:"shape"`
		Bytes int64   `json:"bytes"`
	}
)

func modelToJSON(d *model.Description) modelJSON {
	job := d.Suggest()
	out := modelJSON{Path: d.Path, Kind: d.Kind, Graphs: []graphJSON{}, Variables: []variableJSON{}, Note: d.Note, Job: jobToJSON(job), Notes: []string{}, Training: trainingToJSON(findTraining(d))}
	if job != nil {
		out.Notes = append(out.Notes, job.Notes...)
	}
	for _, g := range d.Graphs {
		one := graphJSON{TagSet: append([]string{}, g.Tags...), Signatures: []signatureJSON{}, Inputs: tensorsToJSON(g.Placeholders()), Outputs: tensorsToJSON(g.Ends())}
		for _, sig := range g.Signatures {
			one.Signatures = append(one.Signatures, signatureJSON{sig.Name, tensorsToJSON(sig.Inputs), tensorsToJSON(sig.Outputs)})
		}
		out.Graphs = append(out.Graphs, one)
	}
	for _, v := range d.Variables {
		out.Variables = append(out.Variables, variableJSON{v.Name, v.Type.String(), append([]int64{}, v.Shape...), v.Bytes})
	}
	return out
}

func tensorsToJSON(tensors []model.Tensor) []tensorJSON {
	out := []tensorJSON{}
	for _, t := range tensors {
		shape := append([]int64{}, t.Shape...)
		if t.UnknownRank {
			shape = nil
		}
		out = append(out, tensorJSON{t.Alias, t.Name, t.Type.String(), shape})
	}
	return out
}
