package importers

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// compoundHeader is the length of the header of a compound file.
const compoundHeader = 512

// IsCompound reports whether a file begins as the OLE compound files do in which older versions of
// Excel, and encryption, keep things.
func IsCompound(head []byte) bool {
	return bytes.HasPrefix(head, []byte("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"))
}

// CompoundDirectory reads the names of the streams of a compound file, from the first sector of
// its directory ([MS-CFB] 2.2: the sector's shift at 30, its number at 48), which may lie anywhere.
// It is nil for any other file.
func CompoundDirectory(file io.ReaderAt, head []byte) []byte {
	if !IsCompound(head) || len(head) < compoundHeader {
		return nil
	}
	shift := binary.LittleEndian.Uint16(head[30:])
	if shift != 9 && shift != 12 {
		return nil
	}
	sector := make([]byte, 1<<shift)
	n, err := file.ReadAt(sector, (int64(binary.LittleEndian.Uint32(head[48:]))+1)<<shift)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil
	}
	return sector[:n]
}

// NamesStream reports whether bytes of a compound file hold the name of a stream, which is UTF-16 there.
func NamesStream(directory []byte, name string) bool {
	var wide []byte
	for _, c := range []byte(name) {
		wide = append(wide, c, 0)
	}
	return bytes.Contains(directory, wide)
}

// compoundOf tells the compound files apart.
func compoundOf(head []byte) content {
	switch {
	case NamesStream(head, "EncryptedPackage"):
		return content{why: "a workbook that is protected with a password", hint: "open it in Excel with its password and save it without one"}
	case NamesStream(head, "Workbook"), NamesStream(head, "Book"):
		return content{why: "a workbook of Excel 97 to 2003 (.xls)", hint: "open it in Excel or LibreOffice and save it as .xlsx, or: soffice --convert-to xlsx FILE"}
	case NamesStream(head, "WordDocument"):
		return content{why: "a document of Word", hint: "copy its table into a workbook, and save that as .xlsx or .csv"}
	}
	return content{
		why:  "an OLE compound file: a workbook of Excel 97 to 2003 (.xls), one with a password, or another document",
		hint: "open it in Excel or LibreOffice and save it as .xlsx or .csv, without a password",
	}
}
