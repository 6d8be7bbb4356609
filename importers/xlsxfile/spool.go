package xlsxfile

import (
	"errors"
	"io"
	"os"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// openFile opens the source where its parts can be read in any order. What is compressed, or a
// member of an archive, is copied to a temporary file. Damage ends the copy; what is behind it
// is missed when the parts are.
func openFile(src *importers.Source, trail *evidence.Trail) (*os.File, error) {
	if src.Compression == "" {
		return trail.Open(src.Path, evidence.KindSource)
	}
	content, err := src.Open(trail)
	if err != nil {
		return nil, err
	}
	defer content.Close()
	file, err := temporaryFile("pgrescue-book-")
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(file, content); err != nil && !errors.Is(err, importers.ErrDamaged) {
		return nil, errors.Join(err, closeTemporary(file))
	}
	return file, nil
}

// temporaryFile makes a file that is gone when this process is, where the system can do that.
func temporaryFile(prefix string) (*os.File, error) {
	file, err := os.CreateTemp("", prefix)
	if err == nil {
		_ = os.Remove(file.Name()) // or closeTemporary does
	}
	return file, err
}

// closeTemporary closes a temporary file, and removes it where it is still there.
func closeTemporary(file *os.File) error {
	err := file.Close()
	if removed := os.Remove(file.Name()); removed != nil && !errors.Is(removed, os.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	return err
}
