package main

import (
	"cmp"
	"strings"

	"tfos/internal/train"
)

// useLocalModel has the request name the member's local folders, where they stand for a
// model_dir or an export_dir on a store.
func (m *trainingMember) useLocalModel() {
	if m.request.Export != "" {
		m.request.Export = cmp.Or(m.member.ExportDir, m.request.Export)
	}
	if m.member.ModelURL == "" {
		return
	}
	m.request.ModelDir = m.member.ModelDir
	if r := m.request.Resume; r != nil {
		r.Prefix = m.member.ModelDir + strings.TrimPrefix(r.Prefix, m.member.ModelURL)
	}
}

// sharedModelDir is model_dir as all members reach it: evaluator and chief leave notes for
// each other there.
func (m *trainingMember) sharedModelDir() string {
	return cmp.Or(m.member.ModelURL, m.request.ModelDir)
}

// shared returns a result in which checkpoints are named as the job does.
func (m *trainingMember) shared(r train.Result) train.Result {
	r.Checkpoint = m.sharedPrefix(r.Checkpoint)
	if r.Resumed != nil {
		r.Resumed = &train.Start{Prefix: m.sharedPrefix(r.Resumed.Prefix), Step: r.Resumed.Step}
	}
	return r
}

func (m *trainingMember) sharedPrefix(prefix string) string {
	if rest, local := strings.CutPrefix(prefix, m.member.ModelDir+"/"); local && m.member.ModelURL != "" {
		return m.member.ModelURL + "/" + rest
	}
	return prefix
}
