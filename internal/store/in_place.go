package store

import (
	"context"
	"errors"
	"io"
	"path"
	"strings"
	"time"
)

// InPlace is an output folder that this process fills alone, file by file, where its files
// stay. Until Complete there is a sign in the folder: a file that readers of the output's
// format take for data and cannot read. A reader therefore fails; it does not take a part of
// the output for the whole.
//
// If the process dies, the sign stays. The next WriteInPlace takes the folder over; Recover
// and Publish delete what is in it, or do the rest of Complete.
//
// Complete, Drop and Leave end an InPlace. After its end they do nothing.
type InPlace interface {
	// Keep deletes all files but those that stay, by their paths below the folder, hidden
	// ones too. It returns the sizes of those.
	Keep(ctx context.Context, stays func(name string) bool) (map[string]int64, error)
	// Complete makes the folder a complete output: it deletes the sign, and then writes
	// _SUCCESS. After an error the next process does the rest, or deletes the folder.
	Complete(ctx context.Context) error
	// Drop deletes the folder, the sign last.
	Drop(ctx context.Context) error
	// Leave lets the next process have the folder as it is.
	Leave(ctx context.Context) error
}

// Renames reports whether a store publishes a folder without a call for each of its files.
// On the others WriteInPlace saves the copies.
func Renames(s Store) bool {
	_, copies := s.(*Objects)
	return !copies
}

// WriteInPlace begins to fill a folder in a store that does not rename. If an output is
// there, the error is fs.ErrExist. If another process fills the folder, or publishes there,
// the error is ErrLocked. What a dead process has left stays in the folder, for the caller to
// delete or to use.
//
// format is that of the output's files, and run who writes it, for people. lease is how long
// processes may still write which a dead process has started: nobody takes the folder over
// before.
func WriteInPlace(ctx context.Context, s Store, folder, format, run string, lease time.Duration) (InPlace, error) {
	return s.(*Objects).writeInPlace(ctx, folder, signs{names: signNames(format), text: signText(run)}, lease)
}

// signName is what the names of signs begin with. They come before those of parts.
const signName = "part-0-unfinished."

// signs are files of one text in a folder.
type signs struct {
	names []string
	text  string
}

// signNames are the names of the signs in an output of a format. Text has no form that a
// reader checks, but gzip has. Readers of *.csv do not see that: the second sign is for them.
func signNames(format string) []string {
	switch format {
	case "csv", "json", "text":
		return []string{signName + format + ".gz", signName + format}
	}
	return []string{signName + format}
}

// signText is the content of a sign. It is no file of any format but text. As CSV it has
// more columns than Spark reads, and a quotation mark without an end.
func signText(run string) string {
	return "run " + run + " writes it, or was killed: this output is not complete. The next run deletes this file, or what is beside it" +
		strings.Repeat(",", 25_000) + "\""
}

// Unfinished reports whether a file is the sign of an output that is not complete.
func Unfinished(p string) bool { return strings.HasPrefix(path.Base(p), signName) }

// ReadSign returns what a sign says of its output: who writes it.
func ReadSign(ctx context.Context, s Store, p string) (string, error) {
	file, err := s.ReadRange(ctx, p, 0, 512)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(file)
	said, _, _ := strings.Cut(string(text), ":")
	return said, errors.Join(err, file.Close())
}
