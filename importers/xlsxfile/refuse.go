package xlsxfile

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// What other spreadsheets are, and are refused for.
var (
	ErrOldExcel  = errors.New("it is a workbook of the kind before 2007 (.xls)")
	ErrPassword  = errors.New("it is protected by a password")
	ErrBinary    = errors.New("it is a binary workbook (.xlsb)")
	ErrODS       = errors.New("it is an OpenDocument spreadsheet (.ods)")
	ErrNotExcel  = errors.New("it is no Excel file")
	convertHint  = "save it as .xlsx: with Excel, or with soffice --headless --convert-to xlsx FILE"
	passwordHint = "open it with Excel and its password, take the password away (File, Info, Protect Workbook, Encrypt with Password) and save a copy"
)

func (b *Book) refusal(err error, hint string) error {
	return &evidence.Error{Op: "xlsx: open", Place: b.place(), Err: err, Hint: hint}
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
		if bytes.Contains(head, wide("EncryptedPackage")) || bytes.Contains(head, wide("EncryptionInfo")) {
			return b.refusal(ErrPassword, passwordHint)
		}
		return b.refusal(ErrOldExcel, convertHint)
	case !bytes.HasPrefix(head, []byte("PK")):
		return b.refusal(ErrNotExcel, "")
	}
	return nil
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
