package xlsxfile

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"
)

// A zip archive that was cut, as a download can be, has no list of its parts. Each part begins
// with a header of its own all the same, by which it is found. Numbers are little-endian.
const (
	localHeader    = 30 // bytes, before the name
	localFlags     = 6
	localMethod    = 8
	localChecksum  = 14
	localSize      = 18 // when compressed
	localName      = 26 // lengths of the name and of what follows it
	sizesFollow    = 8  // flag: the checksum and the lengths stand behind the part
	descriptorSize = 16 // of the checksum and the lengths behind a part, with their mark
	longestName    = 256
)

var (
	localMark      = []byte("PK\x03\x04")
	directoryMark  = []byte("PK\x01\x02")
	descriptorMark = []byte("PK\x07\x08")
)

// salvage finds the parts by their headers.
func (c *container) salvage(file io.ReaderAt) error {
	found, err := findMarks(file)
	if err != nil {
		return err
	}
	behind := int64(0) // what a part before, whose length is known, holds itself
	for i, begin := range found {
		end := c.size
		if i+1 < len(found) {
			end = found[i+1]
		}
		if begin >= behind {
			behind = c.addFound(file, begin, end)
		}
	}
	if len(c.parts) == 0 {
		return zip.ErrFormat
	}
	return nil
}

// findMarks finds where headers of parts, and the list of parts, may begin.
func findMarks(file io.ReaderAt) ([]int64, error) {
	var found []int64
	window := make([]byte, 1<<18)
	for at := int64(0); ; at += int64(len(window) - len(localMark) + 1) {
		n, err := file.ReadAt(window, at)
		for i := 0; ; i += len("PK") {
			next := bytes.Index(window[i:n], []byte("PK"))
			if next < 0 {
				break
			}
			i += next
			if mark := window[i:n]; bytes.HasPrefix(mark, localMark) || bytes.HasPrefix(mark, directoryMark) {
				found = append(found, at+int64(i))
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return found, nil
		case err != nil:
			return nil, err
		case len(found) > mostParts:
			return nil, errBomb
		}
	}
}

// addFound adds the part whose header is at begin, if it is one. The next begins at end, or the
// file ends there. It returns where the part ends, if that is known.
func (c *container) addFound(file io.ReaderAt, begin, end int64) int64 {
	var head [localHeader]byte
	if _, err := file.ReadAt(head[:], begin); err != nil || !bytes.HasPrefix(head[:], localMark) {
		return 0
	}
	number := func(at int) int64 { return int64(binary.LittleEndian.Uint32(head[at:])) }
	length := binary.LittleEndian.Uint16(head[localName:])
	extra := binary.LittleEndian.Uint16(head[localName+2:])
	data := begin + localHeader + int64(length) + int64(extra)
	if length == 0 || length > longestName || data > c.size {
		return 0
	}
	name := make([]byte, length)
	if _, err := file.ReadAt(name, begin+localHeader); err != nil || bytes.ContainsFunc(name, func(r rune) bool { return r < ' ' }) {
		return 0
	}
	part := &foundPart{
		file: file, begin: data, end: max(end, data), last: end == c.size,
		stored: binary.LittleEndian.Uint16(head[localMethod:]) == zip.Store,
		known:  binary.LittleEndian.Uint16(head[localFlags:])&sizesFollow == 0, checksum: uint32(number(localChecksum)),
	}
	behind := int64(0)
	if part.known {
		behind = data + number(localSize)
		part.end, part.last = min(behind, c.size), behind > c.size
	}
	c.add(&archivePart{name: string(name), compressed: part.end - data, encrypted: head[localFlags]&1 != 0, open: part.open})
	return behind
}

// foundPart is a part of which only its own header is known.
type foundPart struct {
	file       io.ReaderAt
	begin, end int64
	stored     bool
	last       bool // it may be cut
	known      bool // its checksum stands before it
	checksum   uint32
}

// errCutPart tells that a part ends with the file.
var errCutPart = errors.New("the file ends within the part")

func (p *foundPart) open() (io.ReadCloser, error) {
	section := io.NewSectionReader(p.file, p.begin, p.end-p.begin)
	if p.stored {
		if !p.known {
			section = io.NewSectionReader(p.file, p.begin, max(p.end-p.begin-descriptorSize, 0))
		}
		return &checkedPart{part: p, r: io.NopCloser(section)}, nil
	}
	return &checkedPart{part: p, r: flate.NewReader(section)}, nil
}

// checkedPart compares the checksum at the end.
type checkedPart struct {
	part     *foundPart
	r        io.ReadCloser
	checksum uint32
}

func (c *checkedPart) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.checksum = crc32.Update(c.checksum, crc32.IEEETable, b[:n])
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) && c.part.stored && c.part.last:
		err = errCutPart
	case errors.Is(err, io.EOF):
		if want, ok := c.part.expected(); ok && want != c.checksum {
			err = zip.ErrChecksum
		}
	}
	return n, err
}

func (c *checkedPart) Close() error { return c.r.Close() }

// expected is the checksum that stands before the part or behind it.
func (p *foundPart) expected() (uint32, bool) {
	if p.known {
		return p.checksum, true
	}
	var descriptor [descriptorSize]byte
	if _, err := p.file.ReadAt(descriptor[:], p.end-descriptorSize); err != nil || !bytes.HasPrefix(descriptor[:], descriptorMark) {
		return 0, false
	}
	return binary.LittleEndian.Uint32(descriptor[4:]), true
}
