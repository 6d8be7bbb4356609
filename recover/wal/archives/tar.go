package archives

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// maxMember bounds what is taken out of a compressed tar file for one log file:
// the biggest segment there is, which may be compressed again at a loss.
const maxMember = 1<<30 + 1<<24

// tarStream is a tar file that is being read.
type tarStream struct {
	file   *os.File
	info   os.FileInfo
	reader io.Reader // file, or what it decompresses to
	plain  bool      // not compressed: members can be read in their places
	end    func()
}

func (t *tarStream) close() {
	t.end()
	_ = t.file.Close() // opened for reading only
}

func openTar(name string) (*tarStream, error) {
	file, err := evidence.Open(name) // a pipe would be waited for
	if err != nil {
		return nil, err
	}
	t := &tarStream{file: file, reader: file, plain: true, end: func() {}}
	if err := t.unwrap(name); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

func (t *tarStream) unwrap(name string) error {
	var err error
	if t.info, err = t.file.Stat(); err != nil {
		return err
	}
	if t.info.IsDir() {
		return errors.New("it is a directory")
	}
	head := make([]byte, headSize)
	n, err := t.file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if how := encryptionOf(head[:n]); how != "" {
		return &Encrypted{How: how, Hint: fmt.Sprintf(
			"decrypt it with the tool and the key that it was made with, such as `gpg --output FILE --decrypt %s`, and give that file", name)}
	}
	c := compressionOf(head[:n], "")
	if c == nil {
		return nil
	}
	stream, end, err := c.open(bufio.NewReaderSize(t.file, 256<<10), head[:n])
	if err != nil {
		return fmt.Errorf("decompress %s: %w", c.name, cut(err))
	}
	t.reader, t.end, t.plain = stream, end, false
	return nil
}

// sniffTar reports whether a file is a tar file, compressed or not: whether the
// first block has the mark of POSIX (ustar interchange format).
func (s *Store) sniffTar(name string) (bool, error) {
	t, err := openTar(name)
	if err != nil {
		return false, err
	}
	defer t.close()
	block := make([]byte, 512)
	if _, err := io.ReadFull(t.reader, block); err != nil {
		return false, nil //nolint:nilerr // too short for a tar file
	}
	return string(block[257:262]) == "ustar", nil
}

// addTar indexes a tar file in one pass. Log files of a compressed one are taken out
// into a spool on the way: there is no quick way back to them.
func (s *Store) addTar(name string) error {
	t, err := openTar(name)
	if err != nil {
		return err
	}
	defer t.close()
	if t.plain {
		return s.index(name, t, t.file)
	}
	s.Trail.Note(name, evidence.KindWAL)
	m := &metered{tar: t, store: s}
	if s.Progress != nil {
		m.done = s.Progress("reading "+path.Base(name), t.info.Size())
	}
	return s.index(name, t, m)
}

// metered reads a compressed tar file, tells how far it is, and can be interrupted.
type metered struct {
	tar   *tarStream
	store *Store
	done  func(int64)
	at    int64 // in the tar file as it lies on disk
}

func (m *metered) Read(p []byte) (int, error) {
	if m.store.Interrupted != nil {
		if err := m.store.Interrupted(); err != nil {
			return 0, err
		}
	}
	n, err := m.tar.reader.Read(p)
	if at, sought := m.tar.file.Seek(0, io.SeekCurrent); sought == nil && m.done != nil {
		m.done(at - m.at)
		m.at = at
	}
	return n, err
}

func (s *Store) index(name string, t *tarStream, r io.Reader) error {
	members := tar.NewReader(r)
	var spool *os.File
	for found := 0; ; {
		header, err := members.Next()
		switch {
		case err == io.EOF: //nolint:errorlint // a tar reader ends with this very value
			return nil
		case s.stopped(err):
			return err
		case err != nil:
			s.problem(path.Base(name), fmt.Sprintf("the tar file cannot be read behind %d log files", found), cut(err))
			return nil
		}
		member, isLog := ParseName(path.Base(header.Name))
		isFile := header.Typeflag == tar.TypeReg || header.Typeflag == tar.TypeGNUSparse
		if !isLog || !isFile || strings.Contains(header.Name, "archive_status") {
			continue
		}
		if header.Size > maxMember {
			s.problem(header.Name, "the member of the tar file is left out", fmt.Errorf("it has %d bytes, more than a segment can", header.Size))
			continue
		}
		at, err := t.place(name, header)
		if at == nil && err == nil {
			if spool == nil {
				if spool, err = newSpool(); err != nil {
					return err
				}
				s.spools = append(s.spools, spool)
			}
			at, err = takeOut(spool, members)
		}
		switch {
		case s.stopped(err):
			return err
		case err != nil:
			s.problem(header.Name, "the member of the tar file cannot be read to its end", cut(err))
		}
		if at == nil {
			return nil
		}
		found++
		s.add(&File{Name: member, Path: name + ": " + header.Name, Info: t.info, at: *at, holder: name, Layout: layoutOf(header.Name, member)})
	}
}

// place is where a member lies in a tar file that is not compressed; nil where it does not lie in one piece.
func (t *tarStream) place(name string, header *tar.Header) (*extent, error) {
	if !t.plain || header.Typeflag == tar.TypeGNUSparse {
		return nil, nil
	}
	for key := range header.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return nil, nil
		}
	}
	// The reader has read exactly the member's header: it reads whole blocks and none ahead.
	off, err := t.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, err
	}
	size := min(header.Size, max(t.info.Size()-off, 0))
	at := &extent{path: name, off: off, size: size}
	if size < header.Size {
		return at, fmt.Errorf("the tar file ends after %d of its %d bytes", size, header.Size)
	}
	return at, nil
}

// takeOut copies a member to the end of a spool. What could be read of it is
// taken, with the error.
func takeOut(spool *os.File, r io.Reader) (*extent, error) {
	off, err := spool.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, fmt.Errorf("find the end of a temporary file: %w", err)
	}
	size, err := io.Copy(spool, r)
	if err != nil {
		var onDisk *os.PathError
		if errors.As(err, &onDisk) {
			return nil, err // the disk is full, which is not the tar file's fault
		}
	}
	return &extent{off: off, size: size, spool: spool}, err
}
