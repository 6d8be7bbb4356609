package stream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// partialSuffix marks a segment file that is not whole yet.
const partialSuffix = ".partial"

// lockName is the file whose lock says that a fetch writes into the folder.
const lockName = ".wal-fetch.lock"

// folder is where segment files go.
type folder struct {
	path        string
	segmentSize uint32
	systemID    uint64
	whole       map[segmentKey]bool
	open        func(path string) (segmentFile, error) // openSegment, but for tests
}

// segmentKey names a segment of a timeline.
type segmentKey struct {
	timeline pg.TimelineID
	number   uint64
}

// openFolder looks at what is in the folder already; one that is not there is
// empty. WAL of another cluster is refused, and so is what is in the way.
func openFolder(path string, identity Identity) (*folder, error) {
	f := &folder{
		path: path, segmentSize: identity.SegmentSize, systemID: identity.SystemIdentifier,
		whole: map[segmentKey]bool{}, open: openSegment,
	}
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return nil, f.failure("look into", "", ErrDisk, err, "name a folder with -o")
	}
	for _, entry := range entries {
		if entry.IsDir() && entry.Name() == "archive_status" {
			// A server reads in its pg_wal whatever lies there under a segment's name.
			return nil, f.failure("write into", "", ErrBadFolder, errors.New("it is the pg_wal of a data directory, or a copy of one"),
				"name a folder for what is fetched alone; --wal takes both")
		}
		id, ok := wal.ParseSegmentName(entry.Name(), f.segmentSize)
		if !ok {
			continue
		}
		if err := f.look(entry.Name(), id); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// failure makes an error about something in the folder. System errors keep their
// own meaning.
func (f *folder) failure(op, name string, sentinel, cause error, hint string) error {
	var place *fs.PathError
	if errors.As(cause, &place) {
		cause = place.Err // the place is named already
	}
	return &evidence.Error{Op: op, Place: filepath.Join(f.path, name), Err: evidence.OfKind(sentinel, cause), Hint: hint}
}

// look checks one segment file that is there already.
func (f *folder) look(name string, id wal.SegmentID) error {
	const op, away = "continue with", "move it away, or name another folder with -o"
	file, err := os.Open(filepath.Join(f.path, name))
	if err != nil {
		return f.failure(op, name, ErrDisk, err, away)
	}
	defer file.Close() // it was only read
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return f.failure(op, name, ErrBadFolder, errOr(err, "it is no ordinary file"), away)
	}
	if info.Size() > int64(f.segmentSize) || !id.Partial && info.Size() != int64(f.segmentSize) {
		return f.failure(op, name, ErrBadFolder, fmt.Errorf("it has %d bytes; a segment of this server has %d", info.Size(), f.segmentSize), away)
	}
	page := make([]byte, wal.SegmentHeadSize)
	if _, err := io.ReadFull(file, page); err != nil && !id.Partial {
		return f.failure(op, name, ErrBadFolder, err, away)
	}
	head, sound := wal.DecodeSegmentHead(page)
	switch {
	case !sound && id.Partial:
		return nil // nothing came before it was cut; it begins anew
	case !sound:
		return f.failure(op, name, ErrBadFolder, errors.New("it does not begin as a segment does"), away)
	case head.SystemIdentifier != f.systemID:
		return f.failure(op, name, ErrOtherSystem,
			fmt.Errorf("it is of the cluster with system identifier %d, the server has %d", head.SystemIdentifier, f.systemID),
			"WAL of two clusters must not be mixed: name another folder with -o")
	case head.Address != pg.LSN(id.Number)*pg.LSN(f.segmentSize):
		return f.failure(op, name, ErrBadFolder, fmt.Errorf("it holds WAL of %s, which its name does not say", head.Address), away)
	}
	if !id.Partial {
		f.whole[segmentKey{id.Timeline, id.Number}] = true
	}
	return nil
}

func errOr(err error, text string) error {
	if err == nil {
		return errors.New(text)
	}
	return err
}

// newest is the highest whole segment up to last, on whatever timeline.
func (f *folder) newest(last uint64) (segment uint64, found bool) {
	for key := range f.whole {
		if key.number <= last && (!found || key.number > segment) {
			segment, found = key.number, true
		}
	}
	return segment, found
}

// create makes the folder if it is not there.
func (f *folder) create() error {
	if err := os.MkdirAll(f.path, 0o700); err != nil {
		return f.failure("make folder", "", ErrDisk, err, "name another folder with -o")
	}
	return nil
}

// addHistory keeps a history file, unless it is there already.
func (f *folder) addHistory(file historyFile) error {
	path := filepath.Join(f.path, file.name)
	old, err := os.ReadFile(path)
	switch {
	case err == nil && bytes.Equal(old, file.content):
		return nil
	case err == nil:
		return f.failure("continue with", file.name, ErrOtherSystem, errors.New("it differs from the server's"),
			"the folder holds another history of this cluster: name another one with -o")
	case !errors.Is(err, fs.ErrNotExist):
		return f.failure("read", file.name, ErrDisk, err, "")
	}
	temp, err := os.OpenFile(path+partialSuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err == nil {
		_, err = temp.Write(file.content)
		err = errors.Join(err, temp.Sync(), temp.Close())
	}
	if err == nil {
		err = f.rename(file.name)
	}
	if err != nil {
		return f.failure("write", file.name, ErrDisk, err, "")
	}
	return nil
}

// rename gives a file that is complete and on disk its name, durably.
func (f *folder) rename(name string) error {
	path := filepath.Join(f.path, name)
	if err := os.Rename(path+partialSuffix, path); err != nil {
		return err
	}
	dir, err := os.Open(f.path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// conflict compares bytes that are there already with those of the server. Pages
// end in zeros where no WAL had come yet; all else must be the same.
func conflict(old, fresh []byte, offset int64) (at int64, differs bool) {
	for done := 0; done < len(old); {
		n := min(len(old)-done, int(pg.BlockSize-(offset+int64(done))%pg.BlockSize))
		written := bytes.TrimRight(old[done:done+n], "\x00")
		if !bytes.HasPrefix(fresh[done:done+n], written) {
			return offset + int64(done), true
		}
		done += n
	}
	return 0, false
}
