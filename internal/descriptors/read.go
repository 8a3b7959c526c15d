package descriptors

import (
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// Read reads into p as c.Read does: the error at the end is io.EOF. It returns the files that
// came with these bytes, in their order and close-on-exec. The caller closes them, after an
// error too. Files beyond most are closed. name is that of a file in its errors.
func Read(c *net.UnixConn, p []byte, most int, name string) (n int, files []*os.File, err error) {
	control := make([]byte, unix.CmsgSpace(4*most))
	n, controlled, _, _, err := c.ReadMsgUnix(p, control)
	if err != nil {
		return n, nil, err
	}
	if n == 0 && len(p) > 0 {
		return 0, nil, io.EOF
	}
	messages, err := unix.ParseSocketControlMessage(control[:controlled])
	for i := 0; i < len(messages) && err == nil; i++ {
		var found []int
		found, err = unix.ParseUnixRights(&messages[i])
		for _, fd := range found {
			files = append(files, os.NewFile(uintptr(fd), name))
		}
	}
	for _, file := range files[min(most, len(files)):] {
		_ = file.Close() // nothing was read from it
	}
	if err != nil {
		err = fmt.Errorf("descriptors: read those of a message: %w", err)
	}
	return n, files[:min(most, len(files))], err
}
