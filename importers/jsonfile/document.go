package jsonfile

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// errUTF32 tells an encoding that no exporter is known to write.
var errUTF32 = errors.New("the document is UTF-32")

// document opens a source at its beginning.
func document(ctx context.Context, src *importers.Source, options Options) (*window, io.Closer, error) {
	file, err := src.Open(options.Trail)
	if err != nil {
		return nil, nil, err
	}
	fail := func(err error, hint string) (*window, io.Closer, error) {
		_ = file.Close()
		return nil, nil, &evidence.Error{Op: "jsonfile: open", Place: src.Place(), Err: err, Hint: hint}
	}
	head := make([]byte, 4)
	n, _ := io.ReadFull(file, head) // an error comes again with the next read
	head = head[:n]
	enc := detect(head)
	if options.Encoding != "" {
		if enc, err = importers.ParseEncoding(options.Encoding); err != nil {
			return fail(err, "")
		}
	}
	if enc == "" {
		return fail(errUTF32, "convert it to UTF-8 with iconv")
	}
	text, mark, err := importers.DecodeText(io.MultiReader(bytes.NewReader(head), file), enc)
	if err != nil {
		return fail(err, "")
	}
	return newWindow(ctx, text, enc, mark), file, nil
}

// detect finds the encoding of a document by its first four bytes: a byte order mark, or where the
// zero bytes stand, since JSON begins with two characters of ASCII. UTF-32 is none of them.
func detect(head []byte) importers.Encoding {
	if bytes.HasPrefix(head, []byte{0xFF, 0xFE, 0, 0}) || bytes.HasPrefix(head, []byte{0, 0, 0xFE, 0xFF}) {
		return ""
	}
	if marked := importers.MarkedEncoding(head); marked != "" {
		return marked
	}
	if len(head) < 4 {
		return importers.UTF8
	}
	switch [4]bool{head[0] == 0, head[1] == 0, head[2] == 0, head[3] == 0} {
	case [4]bool{false, true, false, true}:
		return importers.UTF16LE
	case [4]bool{true, false, true, false}:
		return importers.UTF16BE
	case [4]bool{false, true, true, true}, [4]bool{true, true, true, false}:
		return ""
	}
	return importers.UTF8
}
