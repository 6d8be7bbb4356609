package evidence

import (
	"errors"
	"os"
)

// ErrNotRegular tells that there is something else where a file is expected.
var ErrNotRegular = errors.New("not a regular file")

// Open opens a file of the evidence for reading only. What is no regular file is
// refused: a pipe that nobody writes to would wait for ever, and a device has no end.
func Open(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &os.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	}
	return os.Open(path)
}
