package xlsxfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// What other spreadsheets are, and are refused for.
var (
	ErrOldExcel = errors.New("it is a workbook of the kind before 2007 (.xls)")
	ErrPassword = errors.New("it is protected by a password")
	ErrBinary   = errors.New("it is a binary workbook (.xlsb)")
	ErrODS      = errors.New("it is an OpenDocument spreadsheet (.ods)")
	ErrNotExcel = errors.New("it is no Excel file")
)

const (
	convertHint  = "save it as .xlsx: with Excel, or with soffice --headless --convert-to xlsx FILE"
	passwordHint = "open it with Excel and its password, take the password away (File, Info, Protect Workbook, Encrypt with Password) and save a copy"
)

func (b *Book) refusal(err error, hint string) error {
	return &evidence.Error{Op: "xlsx: open", Place: b.source.Place(), Err: evidence.OfKind(importers.ErrUnreadable, err), Hint: hint}
}

// refuse looks at the beginning of the file.
func (b *Book) refuse(file io.ReaderAt) error {
	head := make([]byte, 64<<10)
	n, err := file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	head = head[:n]
	switch {
	case n == 0:
		return b.refusal(ErrNotExcel, "the file is empty")
	case bytes.HasPrefix(head, []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")):
		if encryptedPackage(file, head) {
			return b.refusal(ErrPassword, passwordHint)
		}
		return b.refusal(ErrOldExcel, convertHint)
	case !bytes.HasPrefix(head, []byte("PK")):
		return b.refusal(ErrNotExcel, "")
	}
	return nil
}

// encryptedPackage reports whether the directory of a file of the old kind names the stream
// in which a workbook of the new kind is kept encrypted.
func encryptedPackage(file io.ReaderAt, head []byte) bool {
	const header = 512
	if len(head) < header {
		return false
	}
	shift, sector := binary.LittleEndian.Uint16(head[0x1e:]), binary.LittleEndian.Uint32(head[0x30:])
	if shift != 9 && shift != 12 {
		return false
	}
	directory := make([]byte, 1<<shift)
	if _, err := file.ReadAt(directory, (int64(sector)+1)<<shift); err != nil && !errors.Is(err, io.EOF) {
		return false
	}
	return bytes.Contains(directory, wide("EncryptedPackage")) || bytes.Contains(directory, wide("EncryptionInfo"))
}

// wide is the name of a stream in a file of the old kind.
func wide(name string) []byte {
	var w []byte
	for i := range len(name) {
		w = append(w, name[i], 0)
	}
	return w
}

// refuseParts looks at what the archive holds.
func (b *Book) refuseParts() error {
	if text, err := b.parts.readSmall("mimetype"); err == nil && strings.HasPrefix(string(text), "application/vnd.oasis.opendocument") {
		return b.refusal(ErrODS, convertHint)
	}
	if b.parts.has("xl/workbook.bin") {
		return b.refusal(ErrBinary, convertHint)
	}
	return nil
}
