package launch

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"tfos/internal/record"
)

// maxEventBytes bounds one "@tfos" line. A verdict needs about 120 bytes for
// each member and epoch.
const maxEventBytes = 16 << 20

var eventPrefix = []byte("@tfos ")

// scanEvents reads the driver's standard output until its end. It passes each
// "@tfos" line to event. It writes all other text to rest as it arrives, and
// lines longer than the buffer in pieces. An event that cannot be read becomes
// a warning: a program that prints such a line must not end the run.
func scanEvents(r io.Reader, rest io.Writer, event func(record.Event)) error {
	br := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := br.ReadSlice('\n')
		if bytes.HasPrefix(line, eventPrefix) {
			err = scanEvent(br, line, err, event)
		} else {
			err = forward(br, line, err, rest)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// forward writes the line that begins with first to w.
func forward(br *bufio.Reader, first []byte, err error, w io.Writer) error {
	for {
		if _, werr := w.Write(first); werr != nil {
			return werr
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
		first, err = br.ReadSlice('\n')
	}
}

// scanEvent reads the event that begins with first.
func scanEvent(br *bufio.Reader, first []byte, err error, event func(record.Event)) error {
	line := bytes.Clone(first)
	long := false
	for errors.Is(err, bufio.ErrBufferFull) {
		first, err = br.ReadSlice('\n')
		if long = long || len(line)+len(first) > maxEventBytes; !long {
			line = append(line, first...)
		}
	}
	if long {
		event(record.Warning{Message: "the driver wrote an event of more than 16 MiB; it is left out"})
		return err
	}
	e, perr := record.Parse(line[len(eventPrefix):])
	switch {
	case perr != nil:
		event(record.Warning{Message: "the driver wrote a line that is no event: " + perr.Error()})
	case e != nil:
		event(e)
	}
	return err
}
