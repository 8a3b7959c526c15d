package node

import (
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"tfos/internal/reserve"
	"tfos/internal/shellglob"
)

// uploadFiles uploads the files of the program's folder that match the job's patterns. It
// counts the files that the program has written. After an error it uploads no more
// files. It stops when a hard ending comes.
func (m *member) uploadFiles() reserve.WorkingFiles {
	if m.folder.path == "" { // an engine
		return reserve.WorkingFiles{}
	}
	found := reserve.WorkingFiles{Folder: m.folder.path}
	written, err := m.folder.written()
	m.warn("list the program's folder", err)
	ctx, cancel := m.uploadContext()
	defer cancel()
	uploader := m.client.NewUploader(m.place)
	defer uploader.Close()
	for _, name := range slices.Sorted(maps.Keys(written)) {
		found.Files++
		found.Bytes += written[name]
		if !m.wantsFile(name, &found) || found.Error != "" {
			continue
		}
		if err := m.upload(ctx, uploader, name); err != nil {
			found.Error = oneLine(err.Error())
			m.log.Error("node: upload a file of the program", "file", name, "error", err)
			continue
		}
		found.Uploaded++
		found.UploadedBytes += written[name]
	}
	return found
}

// uploadContext returns a context that a hard ending cancels. The server waits for uploads
// until cancel is called.
func (m *member) uploadContext() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(context.Background())
	m.tasks.Go(func() {
		select {
		case <-m.endings.hard:
			cancel(errors.New("this member has to end at once"))
		case <-ctx.Done():
		}
	})
	m.uploading.Store(true)
	m.client.Renew()
	return ctx, func() {
		m.uploading.Store(false)
		cancel(nil)
	}
}

// wantsFile reports whether a pattern of the job matches a file. It adds the patterns that
// match to found.
func (m *member) wantsFile(name string, found *reserve.WorkingFiles) bool {
	wanted := false
	for _, pattern := range m.Config.Child.Outputs {
		if shellglob.Match(pattern, name) {
			wanted = true
			if !slices.Contains(found.Matched, pattern) {
				found.Matched = append(found.Matched, pattern)
			}
		}
	}
	return wanted
}

func (m *member) upload(ctx context.Context, to *reserve.Uploader, name string) error {
	return to.Upload(ctx, name, func() (io.ReadCloser, error) {
		return os.Open(filepath.Join(m.folder.path, filepath.FromSlash(name)))
	}, func(n int) { m.uploaded.Add(int64(n)) })
}
