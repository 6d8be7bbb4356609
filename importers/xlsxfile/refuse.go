package xlsxfile

import (
	"bytes"
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
	case importers.IsCompound(head):
		// In such a file a workbook of the new kind is kept encrypted.
		directory := importers.CompoundDirectory(file, head)
		if importers.NamesStream(directory, "EncryptedPackage") || importers.NamesStream(directory, "EncryptionInfo") {
			return b.refusal(ErrPassword, passwordHint)
		}
		return b.refusal(ErrOldExcel, convertHint)
	case !bytes.HasPrefix(head, []byte("PK")):
		return b.refusal(ErrNotExcel, "")
	}
	return nil
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
