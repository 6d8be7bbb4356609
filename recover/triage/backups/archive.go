package backups

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
)

// archiveMagic begins every archive of pg_dump, and the toc.dat of one in a directory or a tar file
// (pg_backup_archiver.h).
const archiveMagic = "PGDMP"

// errNoArchive: a file is no archive of pg_dump.
var errNoArchive = errors.New("it does not begin as an archive of pg_dump")

const (
	mostEntries = 200_000 // of a table of contents
	mostText    = 64 << 20
)

// archiveReader reads the numbers and texts of an archive's head. After an error it gives nothing more.
type archiveReader struct {
	r       *bufio.Reader
	intSize int
	err     error
}

func (a *archiveReader) byte() byte {
	if a.err != nil {
		return 0
	}
	var b byte
	b, a.err = a.r.ReadByte()
	return b
}

// int is a sign and then the bytes of the number, the lowest first.
func (a *archiveReader) int() int64 {
	negative := a.byte() != 0
	n := int64(0)
	for i := range a.intSize {
		if b := a.byte(); i < 7 {
			n |= int64(b) << (8 * i)
		}
	}
	if negative {
		return -n
	}
	return n
}

// text is a length and the bytes; less than zero: there is none.
func (a *archiveReader) text() (string, bool) {
	n := a.int()
	switch {
	case a.err != nil || n < 0:
		return "", false
	case n > mostText:
		a.err = errors.New("a text in it is longer than any can be")
		return "", false
	}
	var text bytes.Buffer
	_, a.err = io.CopyN(&text, a.r, n) // grows with what is there, not with what is claimed
	return text.String(), a.err == nil
}

func (a *archiveReader) skip() { _, _ = a.text() }

// readArchive reads the head and the table of contents of a pg_dump archive.
func readArchive(r io.Reader, b *Backup) error {
	a := &archiveReader{r: bufio.NewReader(r), intSize: 4}
	magic := make([]byte, len(archiveMagic))
	if _, err := io.ReadFull(a.r, magic); err != nil || string(magic) != archiveMagic {
		return errNoArchive
	}
	major, minor := a.byte(), a.byte()
	a.byte() // revision
	a.intSize = int(a.byte())
	offset := int(a.byte())
	format := a.byte()
	if a.err == nil && (major != 1 || minor < 12 || a.intSize < 2 || a.intSize > 8 || offset > 8) {
		return fmt.Errorf("an archive of version %d.%d is not known", major, minor)
	}
	if minor >= 15 {
		a.byte() // the method of compression
	} else {
		a.int() // the level
	}
	var clock [7]int64 // seconds, minutes, hours, day, month from 0, years from 1900, daylight saving time
	for i := range clock {
		clock[i] = a.int()
	}
	b.Database, _ = a.text()
	b.Server, _ = a.text()
	a.skip() // the version of pg_dump
	if a.err != nil {
		return fmt.Errorf("its head is cut: %w", a.err)
	}
	b.Begun = time.Date(int(clock[5])+1900, time.Month(clock[4]+1), int(clock[3]), int(clock[2]), int(clock[1]), int(clock[0]), 0, time.UTC)
	b.ZoneUnknown = true
	return a.contents(minor, format == formatCustom, offset, b)
}

// formatCustom is archCustom: each entry of the contents ends with the place of its data.
const formatCustom = 1

// contents reads the table of contents.
func (a *archiveReader) contents(minor byte, custom bool, offset int, b *Backup) error {
	count := a.int()
	for n := int64(0); a.err == nil && n < min(count, mostEntries); n++ {
		a.int() // the entry's number
		hasData := a.int() != 0
		a.skip() // the table's OID and that of the object
		a.skip()
		name, _ := a.text()
		kind, _ := a.text()
		a.int()  // section
		a.skip() // CREATE, DROP and COPY
		a.skip()
		a.skip()
		schema, _ := a.text()
		a.skip() // tablespace
		if minor >= 14 {
			a.skip() // access method
		}
		if minor >= 16 {
			a.int() // relkind
		}
		a.skip() // owner
		a.skip() // WITH OIDS
		for more := true; more && a.err == nil; {
			_, more = a.text() // what it depends on
		}
		if custom {
			for range 1 + offset {
				a.byte()
			}
		} else {
			a.skip() // the file of its data
		}
		if a.err == nil && kind == "TABLE DATA" && hasData {
			b.Tables = append(b.Tables, Table{Schema: schema, Name: name, Rows: -1})
		}
	}
	if a.err != nil {
		return fmt.Errorf("its table of contents is cut: %w", a.err)
	}
	b.Whole = count <= mostEntries
	return nil
}
