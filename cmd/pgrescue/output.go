package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
)

// stdoutName is the name of stdout where a file can be named.
const stdoutName = "-"

// outputFile is a file that appears under its name only when it is complete:
// written beside it, flushed to disk, then renamed.
type outputFile struct {
	*bufio.Writer
	path  string
	force bool
	temp  *os.File // nil for stdout, and after commit or discard
}

// createOutput begins to write path. A file that is there already is refused
// unless force is given. For "-" nothing is created.
func createOutput(path string, force bool) (*outputFile, error) {
	if path == stdoutName {
		return &outputFile{}, nil
	}
	if err := mayWrite(path, force); err != nil {
		return nil, err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.partial")
	if err != nil {
		// The folder is what matters; see named.
		var place *fs.PathError
		if errors.As(err, &place) {
			err = place.Err
		}
		return nil, fmt.Errorf("create output file %s: folder %s: %w", path, filepath.Dir(path), err)
	}
	return newOutput(path, force, temp), nil
}

// newOutput writes into temp what is to stand under path.
func newOutput(path string, force bool, temp *os.File) *outputFile {
	return &outputFile{Writer: bufio.NewWriterSize(named{temp, path}, 1<<16), path: path, force: force, temp: temp}
}

// named writes to a file and calls it by another name in errors: that of the
// temporary file is no help to anybody.
type named struct {
	file *os.File
	path string
}

func (n named) Write(data []byte) (int, error) {
	written, err := n.file.Write(data)
	var place *fs.PathError
	if errors.As(err, &place) {
		err = fmt.Errorf("%s: %w", n.path, place.Err)
	}
	return written, err
}

// mayWrite refuses a name that stands for something that must not be replaced.
func mayWrite(path string, force bool) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("create output file: %w", err)
	case !info.Mode().IsRegular():
		return exitcode.With(exitcode.Refused, exitcode.Hinted(
			fmt.Errorf("create output file %s: it is there, and it is no ordinary file", path), "name another file, or - for stdout"))
	case !force:
		return exitcode.With(exitcode.Refused, exitcode.Hinted(
			fmt.Errorf("create output file %s: it is there already", path), "name another file, or replace it with --force"))
	}
	return nil
}

// keepOut refuses an output that lies in a folder of the evidence: nothing is ever
// written there.
func (o *sourceOptions) keepOut(command, output string) error {
	if output == "" || output == stdoutName {
		return nil
	}
	folders := slices.Concat([]string{o.dataDir}, o.wal, o.also)
	for _, space := range o.tablespaces {
		_, dir, _ := strings.Cut(space, "=")
		folders = append(folders, dir)
	}
	for _, folder := range folders {
		if within(output, folder) {
			return exitcode.With(exitcode.Refused, exitcode.Hinted(
				fmt.Errorf("%s: write into %s: it lies in the evidence, %s, which is only read", command, output, folder), "name a place outside of it"))
		}
	}
	return nil
}

// mayFill refuses a folder that holds something, for a command that fills a new one.
func mayFill(command, folder string) error {
	if entries, err := os.ReadDir(folder); err == nil && len(entries) > 0 {
		return exitcode.With(exitcode.Refused, exitcode.Hinted(fmt.Errorf("%s: %s is not empty", command, folder), "name a new folder"))
	}
	return nil
}

// within reports whether a path, which need not be there yet, is a folder or leads into it.
func within(path, folder string) bool {
	path, err := filepath.Abs(path)
	if err != nil {
		return false
	}
	real, err := filepath.EvalSymlinks(path)
	for err != nil && path != filepath.Dir(path) { // the deepest part that is there, behind links
		path = filepath.Dir(path)
		real, err = filepath.EvalSymlinks(path)
	}
	for !sameFolder(real, folder) {
		if real == filepath.Dir(real) {
			return false
		}
		real = filepath.Dir(real)
	}
	return true
}

// commit makes the file durable and gives it its name.
func (o *outputFile) commit() error {
	if o.temp == nil {
		return nil
	}
	temp := o.temp
	err := errors.Join(o.Flush(), temp.Chmod(0o600), temp.Sync())
	if err == nil {
		// Something may have appeared under the name since.
		err = mayWrite(o.path, o.force)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", o.path, err)
	}
	o.temp = nil
	err = temp.Close()
	if err == nil {
		err = os.Rename(temp.Name(), o.path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", o.path, err), os.Remove(temp.Name()))
	}
	return syncFolder(filepath.Dir(o.path))
}

// discard removes what was written, unless commit has kept it.
func (o *outputFile) discard() {
	if o.temp == nil {
		return
	}
	// The file is temporary and the command has failed already; that error counts.
	_ = o.temp.Close()
	_ = os.Remove(o.temp.Name())
	o.temp = nil
}

// syncFolder makes a rename durable.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("flush folder: %w", err)
	}
	err = errors.Join(folder.Sync(), folder.Close())
	if err != nil {
		return fmt.Errorf("flush folder %s: %w", path, err)
	}
	return nil
}
