package archives

import (
	"bufio"
	"bytes"
	"crypto/sha1" //nolint:gosec // pgBackRest's choice; it tells damage, not forgery
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// File is a log file in the place where it was found.
type File struct {
	Name
	Path   string // for people: a member of a tar file is named behind the tar file
	Layout Layout
	Rank   int
	Info   os.FileInfo // of the file that holds it
	at     extent
	holder string
}

// Holder is the file on disk that holds it: itself, or a tar file.
func (f *File) Holder() string { return f.holder }

// extent is where the bytes of a file lie, as they are stored.
type extent struct {
	path      string
	off, size int64
	spool     *os.File // in the place of path: what was taken out of a compressed tar file
}

// section is an open extent.
type section struct {
	*io.SectionReader
	io.Closer
}

// Close closes the file, unless others read it too.
func (s section) Close() error {
	if s.Closer == nil {
		return nil
	}
	return s.Closer.Close()
}

func (e *extent) open() (section, error) {
	if e.spool != nil {
		return section{io.NewSectionReader(e.spool, e.off, e.size), nil}, nil
	}
	file, err := os.Open(e.path)
	if err != nil {
		return section{}, err
	}
	return section{io.NewSectionReader(file, e.off, e.size), file}, nil
}

// Same reports whether two files are the very same bytes on disk.
func (f *File) Same(other *File) bool {
	return f.Base == other.Base && f.at.off == other.at.off && os.SameFile(f.Info, other.Info)
}

// Stored is the number of bytes that the file takes where it lies.
func (f *File) Stored() int64 { return f.at.size }

// Reader is an open log file. Its methods may be called from several goroutines, but Close only once no other runs.
type Reader interface {
	io.ReaderAt
	io.Closer
	// Verify reads what was not read yet and tells what is wrong with the file as a
	// whole: its checksum, or that it goes on behind what it may hold. What ReadAt
	// fails to give is not told again.
	Verify() error
	// Length reads what was not read yet and tells how many bytes there are, and the
	// damage that there is behind them.
	Length() (int64, error)
	// Compression names how the file is compressed, or is "".
	Compression() string
}

// Open opens the file for reading. Of a compressed file no more than limit bytes are ever read.
func (f *File) Open(limit int64) (Reader, error) {
	stored, err := f.at.open()
	if err != nil {
		return nil, err
	}
	reader, err := f.unwrap(stored, limit)
	if err != nil {
		_ = stored.Close() // opened for reading only
		return nil, err
	}
	return reader, nil
}

func (f *File) unwrap(stored section, limit int64) (Reader, error) {
	head := make([]byte, headSize)
	n, err := stored.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	head = head[:n]
	if how := encryptionOf(head); how != "" {
		return nil, f.encrypted(how)
	}
	suffix := ""
	if len(f.Wraps) > 0 {
		suffix = f.Wraps[len(f.Wraps)-1]
	}
	c := compressionOf(head, suffix)
	switch {
	case c != nil:
		return newInflater(c, stored, head, limit, f.Checksum)
	case suffix != "" && n > 0 && !walPage(head) && !f.History:
		return nil, f.unmarked(head, suffix)
	}
	return &plain{section: stored, want: f.Checksum}, nil
}

// unmarked is the error of a file whose suffix promises a compression that its bytes do not have.
func (f *File) unmarked(head []byte, suffix string) error {
	if suffix == ".lzo" || suffix == ".snappy" {
		return fmt.Errorf("compression %s is not read; %s", suffix, f.fetchHint())
	}
	if f.Layout.Tool == "WAL-G" && len(bytes.TrimLeft(head, "\x00")) > 0 {
		return f.encrypted("its bytes do not have the mark of " + suffix + ", as when WAL-G encrypts with libsodium")
	}
	return fmt.Errorf("it does not begin as a %s file does: damaged, or encrypted in a way that leaves no mark", suffix)
}

func (f *File) encrypted(how string) error { return &Encrypted{How: how, Hint: f.decryptHint(how)} }

// decryptHint names the command that decrypts the file with the key that the archiver has.
func (f *File) decryptHint(how string) string {
	switch {
	case f.Layout.Tool != "":
		return "only the archiver has the key: " + f.fetchHint()
	case how == "OpenPGP":
		return fmt.Sprintf("decrypt it into another folder with its key: `gpg --output DIR/%s --decrypt %s`, and give that folder", f.Base, f.Path)
	case how == "age":
		return fmt.Sprintf("decrypt it into another folder with its key: `age --decrypt --identity KEY --output DIR/%s %s`, and give that folder", f.Base, f.Path)
	}
	return fmt.Sprintf("a pgBackRest repository looks like that: `pgbackrest --stanza=STANZA archive-get %s DIR/%s` for each segment, and give DIR", f.Base, f.Base)
}

// fetchHint names the archiver's own command that fetches a segment.
func (f *File) fetchHint() string {
	owner := f.Layout.Owner
	switch f.Layout.Tool {
	case "pgBackRest":
		if owner == "" {
			owner = "STANZA"
		}
		return fmt.Sprintf("`pgbackrest --stanza=%s archive-get %s DIR/%s` for each segment, and give DIR", owner, f.Base, f.Base)
	case "WAL-G":
		return fmt.Sprintf("`wal-g wal-fetch %s DIR/%s` for each segment, and give DIR", f.Base, f.Base)
	case "Barman":
		if owner == "" {
			owner = "SERVER"
		}
		return fmt.Sprintf("`barman get-wal --output-directory DIR %s %s` for each segment, and give DIR", owner, f.Base)
	}
	return "fetch it with the tool that archived it, and give the folder that it is in then"
}

// Content reads a small file whole; one of more than limit bytes is an error.
func (f *File) Content(limit int64) ([]byte, error) {
	reader, err := f.Open(limit + 1)
	if err != nil {
		return nil, err
	}
	defer reader.Close() //nolint:errcheck // opened for reading only
	content := make([]byte, 0, 4096)
	for int64(len(content)) <= limit {
		content = slices.Grow(content, 4096)
		n, err := reader.ReadAt(content[len(content):len(content)+4096], int64(len(content)))
		content = content[:len(content)+n]
		switch {
		case errors.Is(err, io.EOF):
			return content, nil
		case err != nil:
			return nil, err
		}
	}
	return nil, fmt.Errorf("more than %d bytes are too many", limit)
}

// errChecksum tells that the content is not what the archiver stored.
var errChecksum = errors.New("the SHA-1 of its content is not the one in its name")

// plain is a file that is not compressed.
type plain struct {
	section
	want string
}

// Compression is none.
func (*plain) Compression() string { return "" }

// Length is the size of the file.
func (p *plain) Length() (int64, error) { return p.Size(), nil }

// Verify compares the checksum.
func (p *plain) Verify() error {
	if p.want == "" {
		return nil
	}
	sum := sha1.New() //nolint:gosec // see the import
	if _, err := io.Copy(sum, bufio.NewReaderSize(io.NewSectionReader(p.section, 0, p.Size()), chunkSize)); err != nil {
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != p.want {
		return errChecksum
	}
	return nil
}
