package model

// Source says where a model is: a SavedModel's graph, or, without Model, a
// checkpoint with its graph.
type Source struct {
	Model      string   `json:"model,omitempty"`      // SavedModel folder
	TagSet     []string `json:"tag_set,omitempty"`    // of its graph; none: serve
	Checkpoint string   `json:"checkpoint,omitempty"` // see FindCheckpoint
}

// Path is what the user named.
func (s Source) Path() string {
	if s.Model == "" {
		return s.Checkpoint
	}
	return s.Model
}

// Graph opens the model's graph. What is not there is a *ModelError.
func (s Source) Graph() (*MetaGraph, error) {
	if s.Model == "" {
		checkpoint, err := OpenCheckpoint(s.Checkpoint)
		if err != nil {
			return nil, err
		}
		return checkpoint.MetaGraph, nil
	}
	saved, err := Open(s.Model)
	if err != nil {
		return nil, err
	}
	return saved.MetaGraph(s.TagSet...)
}
