package stream

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// writer puts the WAL of one leg into segment files. A segment that is complete
// is made durable in the background, while the next one is received.
type writer struct {
	folder   *folder
	timeline pg.TimelineID

	file    segmentFile // of the current segment, nil between two
	number  uint64
	resumed bool   // the file was there before
	old     []byte // for comparing with it

	complete chan completed
	finished chan error // one for each completed segment
	pending  int        // segments on their way to the disk: at most one
	segments int        // made whole
	durable  pg.LSN     // everything before it is whole and on disk
}

// completed is a segment file that has all its bytes.
type completed struct {
	file segmentFile
	name string
}

// segmentFile is an *os.File, or what a test puts in its place.
type segmentFile interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Stat() (os.FileInfo, error)
	Truncate(size int64) error
	Sync() error
}

// openSegment opens a .partial file, or makes it.
func openSegment(path string) (segmentFile, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	return file, nil
}

// newWriter begins a leg. end must be called.
func newWriter(f *folder, timeline pg.TimelineID, from pg.LSN) *writer {
	w := &writer{
		folder: f, timeline: timeline, durable: from,
		complete: make(chan completed), finished: make(chan error, 1),
	}
	go w.finishAll()
	return w
}

// finishAll makes segments durable, one after the other, until end.
func (w *writer) finishAll() {
	for c := range w.complete {
		err := errors.Join(c.file.Sync(), c.file.Close())
		if err == nil {
			err = w.folder.rename(c.name)
		}
		w.finished <- err
	}
	close(w.finished)
}

// name is the name of the current segment when it is whole.
func (w *writer) name() string {
	return wal.SegmentName(w.timeline, w.number, w.folder.segmentSize)
}

// put writes the bytes that come next.
func (w *writer) put(at pg.LSN, data []byte) error {
	size := pg.LSN(w.folder.segmentSize)
	for len(data) > 0 {
		offset := int64(at % size)
		if w.file == nil {
			if err := w.begin(uint64(at / size)); err != nil {
				return w.failure(err)
			}
		}
		n := min(len(data), int(int64(size)-offset))
		if w.resumed {
			if err := w.compare(data[:n], offset); err != nil {
				return err
			}
		}
		if _, err := w.file.WriteAt(data[:n], offset); err != nil {
			return w.failure(err)
		}
		at, data = at+pg.LSN(n), data[n:]
		if at%size == 0 {
			if err := w.hand(); err != nil {
				return w.failure(err)
			}
		}
	}
	return nil
}

// begin opens the .partial file of a segment. It has the size of a whole one
// from the start, as the server's own files do; what did not come is zero.
func (w *writer) begin(number uint64) error {
	w.number = number
	file, err := w.folder.open(filepath.Join(w.folder.path, w.name()+partialSuffix))
	if err != nil {
		return err
	}
	w.file = file
	info, err := file.Stat()
	if err != nil {
		return err
	}
	w.resumed = info.Size() > 0
	return file.Truncate(int64(w.folder.segmentSize))
}

// compare checks that the server continues what an earlier run has left.
func (w *writer) compare(data []byte, offset int64) error {
	if cap(w.old) < len(data) {
		w.old = make([]byte, len(data))
	}
	old := w.old[:len(data)]
	if _, err := w.file.ReadAt(old, offset); err != nil {
		return w.failure(err)
	}
	if at, differs := conflict(old, data, offset); differs {
		return w.folder.failure("continue with", w.name()+partialSuffix, ErrOtherSystem,
			fmt.Errorf("the server has other WAL on the page at offset %d", at), setBack)
	}
	return nil
}

// setBack is the hint where the server has other WAL than the folder.
const setBack = "the server was set back since: keep the folder, it holds what the server lost, and name another one with -o"

// hand gives the segment that is complete to the background.
func (w *writer) hand() error {
	if err := w.await(); err != nil {
		return err
	}
	w.complete <- completed{w.file, w.name()}
	w.pending++
	w.file = nil
	return nil
}

// await waits for the segment that is on its way to the disk.
func (w *writer) await() error {
	for w.pending > 0 {
		w.pending--
		if err := <-w.finished; err != nil {
			return err
		}
		w.segments++
		// Each was handed over when the next began, so this one is the one before.
		w.durable = pg.LSN(w.number) * pg.LSN(w.folder.segmentSize)
	}
	return nil
}

// flush says how far the bytes are on disk. With a place it makes all before it
// durable first, also in the segment that is not whole.
func (w *writer) flush(upTo pg.LSN) (pg.LSN, error) {
	if upTo <= w.durable {
		return w.durable, nil
	}
	if err := w.await(); err != nil {
		return 0, w.failure(err)
	}
	if w.file != nil {
		if err := w.file.Sync(); err != nil {
			return 0, w.failure(err)
		}
	}
	w.durable = upTo
	return upTo, nil
}

// end finishes the leg: what is on its way to the disk arrives, and the segment
// that is not complete stays as .partial.
func (w *writer) end(at pg.LSN) error {
	waited := w.await()
	close(w.complete)
	if w.file == nil {
		if waited == nil {
			w.durable = at
		}
		return w.failure(waited)
	}
	err := errors.Join(waited, w.file.Sync(), w.file.Close())
	if err == nil {
		w.durable = at
	}
	w.file = nil
	return w.failure(err)
}

// failure says which segment could not be written.
func (w *writer) failure(err error) error {
	if err == nil {
		return nil
	}
	return w.folder.failure("write", w.name()+partialSuffix, ErrDisk, err, "make room or mend the folder, and run the same command again: it continues")
}
