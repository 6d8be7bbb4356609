package importers

import (
	"archive/zip"
	"bytes"
	"cmp"
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/recover/packed"
)

const (
	maxMembers = 10000     // of one archive that are looked at
	maxInner   = 256 << 20 // bytes of archives and workbooks within others that are unpacked in one run
)

// The hints that several finds share.
const (
	hintUnpack = "unpack the archive and name the file"
	hintCopy   = "look for another copy"
)

func isZip(head []byte) bool {
	return bytes.HasPrefix(head, []byte("PK\x03\x04")) || bytes.HasPrefix(head, []byte("PK\x05\x06"))
}

// packageOf recognises the documents that are zip archives; false for any other archive.
func packageOf(archive *zip.Reader) (content, bool) {
	has := func(name string) bool {
		return slices.ContainsFunc(archive.File, func(m *zip.File) bool {
			return strings.EqualFold(strings.ReplaceAll(m.Name, `\`, "/"), name)
		})
	}
	switch {
	case has("xl/workbook.bin"):
		return content{why: "a binary workbook of Excel (.xlsb)", hint: "open it in Excel or LibreOffice and save it as .xlsx or .csv"}, true
	case has("xl/workbook.xml"):
		return content{format: FormatXLSX}, true
	case has("word/document.xml"), has("ppt/presentation.xml"):
		return content{why: "a document of Word or PowerPoint, no workbook", hint: "copy its table into a workbook, and save that as .xlsx or .csv"}, true
	case has("content.xml") && has("META-INF/manifest.xml"):
		return content{why: "an OpenDocument file (.ods)", hint: "open it in LibreOffice and save it as .xlsx, or: soffice --convert-to xlsx FILE"}, true
	case has("Index/Document.iwa"):
		return content{why: "a document of Numbers or Pages", hint: "export it as .xlsx or .csv"}, true
	}
	return content{}, false
}

// isCutWorkbook recognises a workbook of which only the beginning is left: its reader looks for
// the parts that are there.
func isCutWorkbook(file io.ReaderAt) bool {
	head := make([]byte, headLength)
	n, err := file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return false
	}
	return isZip(head[:n]) && bytes.Contains(head[:n], []byte("[Content_Types].xml")) && bytes.Contains(head[:n], []byte("xl/"))
}

// archive looks at a zip archive: a workbook of Excel, or files that were packed together.
func (f *finder) archive(source *Source, file *os.File) error {
	archive, err := zip.NewReader(file, source.Size)
	if err != nil && isCutWorkbook(file) {
		f.accept(source, content{format: FormatXLSX})
		return nil
	}
	if err != nil {
		f.skip(source.Path, "", "a zip archive or workbook that is damaged: "+err.Error(), hintCopy+", or try to repair it with zip -FF")
		return nil
	}
	if document, ok := packageOf(archive); ok {
		f.accept(source, document)
		return nil
	}
	members := slices.SortedFunc(slices.Values(archive.File), func(a, b *zip.File) int { return cmp.Compare(a.Name, b.Name) })
	before := len(f.skipped) + len(f.sources)
	for i, member := range members {
		if err := f.ctx.Err(); err != nil {
			return err
		}
		if i == maxMembers {
			f.skip(source.Path, "", "an archive of too many members: the rest was not looked at", "unpack it and name the folder")
			break
		}
		f.member(source.Path, member)
	}
	if len(f.skipped)+len(f.sources) == before {
		f.skip(source.Path, "", "a zip archive without a file in it", hintCopy)
	}
	return nil
}

// member looks at a member of an archive.
func (f *finder) member(path string, member *zip.File) {
	base := member.Name[strings.LastIndexAny(member.Name, `/\`)+1:]
	switch {
	case base == "", strings.HasPrefix(member.Name, "__MACOSX/"), strings.HasPrefix(base, "."):
		return // a folder, and what macOS and others keep beside files
	case member.Flags&1 != 0:
		f.skip(path, member.Name, "encrypted with a password", "unpack the archive with its password and name the file")
		return
	case namesRejects(base):
		f.skip(path, member.Name, "the rejects of an earlier import", hintUnpack)
		return
	}
	head, err := memberHead(member)
	switch {
	case errors.Is(err, zip.ErrAlgorithm):
		f.skip(path, member.Name, "compressed in a way that is not read", hintUnpack)
		return
	case err != nil:
		f.skip(path, member.Name, err.Error(), hintCopy)
		return
	}
	source := &Source{Path: path, Member: member.Name, Name: base, Compression: zipped, Size: int64(min(member.CompressedSize64, 1<<62))}
	switch {
	case isZip(head):
		f.inner(source, func() (io.ReadCloser, error) { return openMember(member) })
	case packed.KindOf(head) != packed.None:
		f.skip(path, member.Name, "compressed once more within the archive", hintUnpack)
	default:
		f.judge(source, head, false)
	}
}

// memberHead reads the beginning of a member. Damage behind it is found when it is read.
func memberHead(member *zip.File) ([]byte, error) {
	stream, err := openMember(member)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	head, err := readHead(stream)
	if len(head) > 0 {
		return head, nil
	}
	return nil, err
}

// inner looks at a zip archive within something else, which can be a workbook. It is unpacked into memory for that.
func (f *finder) inner(source *Source, open func() (io.ReadCloser, error)) {
	stream, err := open()
	if err != nil {
		f.skip(source.Path, source.Member, cause(err), hintCopy)
		return
	}
	defer stream.Close()
	whole, err := io.ReadAll(io.LimitReader(stream, f.budget+1))
	switch {
	case err != nil:
		f.skip(source.Path, source.Member, cause(err), hintCopy)
		return
	case int64(len(whole)) > f.budget:
		f.skip(source.Path, source.Member, "too large a workbook, or too many of them, within another file", "unpack it, and name what comes out")
		return
	}
	f.budget -= int64(len(whole))
	archive, err := zip.NewReader(bytes.NewReader(whole), int64(len(whole)))
	if err != nil {
		f.skip(source.Path, source.Member, "a zip archive or workbook that is damaged: "+err.Error(), hintCopy)
		return
	}
	document, ok := packageOf(archive)
	if !ok {
		document = content{why: "an archive within another file", hint: "unpack it, and name what comes out"}
	}
	f.accept(source, document)
}
