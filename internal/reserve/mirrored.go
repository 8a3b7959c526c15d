package reserve

// mirrored returns how far each member's local model_dir is at its store. Of a member that
// was lost it is what the member said last.
func (r *Roster) mirrored() []MemberMirror {
	var out []MemberMirror
	for _, p := range r.places {
		m := p.renewal.Mirrored
		if p.outcome != nil && p.outcome.Mirrored != nil {
			m = p.outcome.Mirrored
		}
		if m == nil || m.AllFiles == 0 && m.Error == "" && m.Stored == m.Local && m.Brought == "" {
			continue
		}
		out = append(out, MemberMirror{
			Member: p.name().String(), Host: p.registration.Host, URL: m.URL,
			Checkpoint: m.Stored, Newest: m.Local, ResumedFrom: m.Brought,
			Files: m.Files, Bytes: m.Bytes, Seconds: m.Seconds,
			UploadedFiles: m.AllFiles, UploadedBytes: m.AllBytes, Error: m.Error,
		})
	}
	return out
}
