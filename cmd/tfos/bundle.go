package main

import (
	"path/filepath"

	"tfos/internal/job"
	"tfos/internal/launch"
)

// bundle returns the files to ship with the job's program, and the names beside
// the program that are not shipped. It warns of imported files that are not
// shipped.
func (c *cli) bundle(spec *job.Spec) (bundle []job.Copy, beside []string, err error) {
	if bundle, err = job.Bundle(spec); err != nil {
		return nil, nil, err
	}
	beside = job.Beside(spec, bundle)
	for _, w := range job.NotShipped(spec, bundle, beside) {
		c.talk("tfos: warning: %v", w)
	}
	return bundle, beside, nil
}

// writeBundle writes the archive that the plan names, if any.
func (s *submission) writeBundle(scratch launch.Scratch) error {
	if s.plan.Bundle == "" {
		return nil
	}
	name, err := filepath.Rel(scratch.Dir, s.plan.Bundle)
	if err != nil {
		return err
	}
	var files []launch.Packed
	for _, c := range s.bundle {
		files = append(files, launch.Packed(c))
	}
	return scratch.WriteArchive(name, files)
}
