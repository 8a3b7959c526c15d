package datanode

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"tfos/internal/descriptors"
)

// blockFiles are the open files of a block.
type blockFiles struct{ data, meta *os.File }

// Close implements io.Closer.
func (f blockFiles) Close() error { return errors.Join(f.data.Close(), f.meta.Close()) }

// openReplica opens a block that a request asks for.
func openReplica(socket string, asked readRequest, d *Dialer) (*replica, error) {
	files, err := requestFiles(socket, asked.header, d.Limit)
	if err != nil {
		return nil, err
	}
	sums, err := readMeta(files.meta, d.SkipChecksum)
	if err != nil {
		return nil, errors.Join(err, files.Close())
	}
	return &replica{key: asked.key, files: files, sums: sums}, nil
}

// mostFiles is more than a data node sends.
const mostFiles = 8

// longestAnswer is the most bytes of a data node's answer. A message says why it refuses.
const longestAnswer = 64 << 10

// requestFiles asks a data node for the files of a block.
func requestFiles(socket string, header []byte, limit time.Duration) (blockFiles, error) {
	deadline := time.Now().Add(limit)
	connected, err := net.DialTimeout("unix", socket, limit)
	if err != nil {
		return blockFiles{}, err
	}
	defer connected.Close()
	c := connected.(*net.UnixConn)
	if err := c.SetDeadline(deadline); err != nil {
		return blockFiles{}, err
	}
	if _, err := c.Write(filesRequest(header)); err != nil {
		return blockFiles{}, err
	}
	received, err := receive(c)
	if err == nil && len(received) != 2 {
		err = fmt.Errorf("the data node sent %d descriptors", len(received))
	}
	if err != nil {
		for _, file := range received {
			_ = file.Close() // not read from
		}
		return blockFiles{}, err
	}
	return blockFiles{data: received[0], meta: received[1]}, nil
}

// receive reads the answer, and the byte after it with which descriptors come.
func receive(c *net.UnixConn) (files []*os.File, err error) {
	var answer bytes.Buffer
	in := make([]byte, 4<<10)
	for {
		n, more, err := descriptors.Read(c, in, mostFiles, "block")
		files = append(files, more...)
		if err != nil {
			return files, err
		}
		answer.Write(in[:n])
		message, size := protowire.ConsumeBytes(answer.Bytes())
		if size > 0 {
			if err := accepted(message); err != nil || answer.Len() > size {
				return files, err
			}
		}
		if answer.Len() > longestAnswer {
			return files, errors.New("the data node's answer has no end")
		}
	}
}

// accepted returns why a data node does not give a block's files.
func accepted(message []byte) error {
	answer, ok := parse(message) // BlockOpResponseProto
	switch {
	case !ok:
		return errors.New("the data node's answer is no message")
	case answer.numbers[1] != statusSuccess:
		return fmt.Errorf("status %d: %s", answer.numbers[1], answer.bytes[5])
	case answer.numbers[6] != formatVersion:
		return fmt.Errorf("version %d of a block's files", answer.numbers[6])
	}
	return nil
}
