package importers

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/packed"
)

// FindOptions say where sources are looked for.
type FindOptions struct {
	Paths []string        // files, and folders with all that is in them
	Trail *evidence.Trail // remembers what was looked at; nil: nothing
}

// Skipped is what was found and is no source.
type Skipped struct {
	Path   string `json:"path"`
	Member string `json:"member,omitempty"` // of a zip archive
	Why    string `json:"why"`
	Hint   string `json:"hint,omitempty"` // what can be done about it
}

// headLength is how much of a content is looked at to say what it is.
const headLength = 64 << 10

// maxMembers bounds how many members of one archive are looked at.
const maxMembers = 10000

// Find looks for sources by what is in them. What a folder or an archive holds beside them is
// skipped, with the reason; a file that was named and is no source is an error of ErrUnreadable.
func Find(ctx context.Context, opts FindOptions) (sources []*Source, skipped []Skipped, err error) {
	f := finder{ctx: ctx, trail: opts.Trail, seen: make(map[string]bool)}
	for _, path := range opts.Paths {
		if err := f.path(path); err != nil {
			return nil, nil, err
		}
	}
	return f.sources, f.skipped, nil
}

// finder is one run of Find.
type finder struct {
	ctx     context.Context
	trail   *evidence.Trail
	seen    map[string]bool // absolute paths
	sources []*Source
	skipped []Skipped
}

// path looks at what was named.
func (f *finder) path(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return &evidence.Error{Op: "importers: find", Place: path, Err: err}
	}
	if info.IsDir() {
		return f.folder(path)
	}
	before := len(f.sources)
	skippedBefore := len(f.skipped)
	known := f.known(path)
	if known {
		return nil
	}
	if err := f.file(path, true); err != nil {
		return err
	}
	if len(f.sources) > before || len(f.skipped) == skippedBefore {
		return nil
	}
	// A named file of which nothing can be read is what the person is wrong about.
	why := f.skipped[skippedBefore]
	place := why.Path
	if why.Member != "" {
		place += ":" + why.Member
	}
	return &evidence.Error{
		Op: "importers: find", Place: place, Hint: why.Hint,
		Err: evidence.OfKind(ErrUnreadable, errors.New(why.Why)),
	}
}

// known reports whether a file was looked at before, and remembers it.
func (f *finder) known(path string) bool {
	key := path
	if absolute, err := filepath.Abs(path); err == nil {
		key = absolute
	}
	was := f.seen[key]
	f.seen[key] = true
	return was
}

// folder looks at all that lies below a folder, in the order of names.
func (f *finder) folder(root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if ctxErr := f.ctx.Err(); ctxErr != nil {
			return ctxErr
		}
		if err != nil {
			f.skip(path, "", err.Error(), "")
			return nil
		}
		name := entry.Name()
		switch {
		case entry.IsDir():
			if path != root && strings.HasPrefix(name, ".") {
				f.skip(path, "", "a hidden folder", "name it to look into it")
				return fs.SkipDir
			}
			return nil
		case strings.HasPrefix(name, ".") || strings.HasPrefix(name, "~$"):
			f.skip(path, "", "a hidden file, or one that an office program keeps while it has another open", "name it to import it")
			return nil
		case strings.Contains(name, rejectsMark):
			f.skip(path, "", "the rejects of an earlier import", "name it to import it, when it is repaired")
			return nil
		}
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			f.skip(path, "", "not a regular file", "")
			return nil
		}
		if f.known(path) {
			return nil
		}
		if err := f.file(path, false); err != nil {
			if f.ctx.Err() != nil {
				return f.ctx.Err()
			}
			f.skip(path, "", cause(err), "")
		}
		return nil
	})
}

// cause is an error without its operation and place, which stand beside it.
func cause(err error) string {
	var file *os.PathError
	if errors.As(err, &file) {
		return file.Err.Error()
	}
	return err.Error()
}

func (f *finder) skip(path, member, why, hint string) {
	f.skipped = append(f.skipped, Skipped{Path: path, Member: member, Why: why, Hint: hint})
}

// file looks into a file.
func (f *finder) file(path string, named bool) error {
	file, err := f.trail.Open(path, evidence.KindSource)
	if err != nil {
		return &evidence.Error{Op: "importers: find", Place: path, Err: err}
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return &evidence.Error{Op: "importers: find", Place: path, Err: err}
	}
	head, err := readHead(file)
	if err != nil {
		return &evidence.Error{Op: "importers: read", Place: path, Err: err}
	}
	source := &Source{Path: path, Name: filepath.Base(path), Size: info.Size(), Compression: string(packed.KindOf(head))}
	switch {
	case isZip(head):
		return f.archive(source, file, info.Size())
	case source.Compression != plain:
		source.Name = withoutEnding(source.Name)
		if head, err = inflatedHead(file, source.Compression); err != nil {
			f.skip(path, "", cause(err), "the file is damaged from its beginning on: look for another copy")
			return nil
		}
	}
	f.judge(source, head, named)
	return nil
}

// judge takes a content as a source, or says why not.
func (f *finder) judge(source *Source, head []byte, named bool) {
	content := contentOf(head, source.Name, named)
	if content.format == "" {
		f.skip(source.Path, source.Member, content.why, content.hint)
		return
	}
	source.Format = content.format
	f.sources = append(f.sources, source)
}

// archive looks at a zip archive: a workbook of Excel, or files that were packed together.
func (f *finder) archive(source *Source, file io.ReaderAt, size int64) error {
	archive, err := zip.NewReader(file, size)
	if err != nil {
		f.skip(source.Path, "", "a zip archive that is damaged: "+err.Error(), "look for another copy, or repair it with zip -FF")
		return nil
	}
	if package_, ok := packageOf(archive); ok {
		if source.Format = package_.format; source.Format == "" {
			f.skip(source.Path, "", package_.why, package_.hint)
			return nil
		}
		f.sources = append(f.sources, source)
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
		f.skip(source.Path, "", "a zip archive without a file in it", "")
	}
	return nil
}

// member looks at a member of an archive.
func (f *finder) member(path string, member *zip.File) {
	base := member.Name[strings.LastIndexAny(member.Name, `/\`)+1:]
	switch {
	case base == "" || strings.HasPrefix(member.Name, "__MACOSX/") || strings.HasPrefix(base, "."):
		return // a folder, and what macOS and other systems keep beside files
	case member.Flags&1 != 0:
		f.skip(path, member.Name, "encrypted with a password", "unpack the archive with its password and name the file")
		return
	}
	stream, err := member.Open()
	if err != nil {
		f.skip(path, member.Name, "damaged: "+err.Error(), "")
		return
	}
	defer stream.Close()
	head, err := readHead(stream)
	if err != nil {
		f.skip(path, member.Name, "damaged: "+err.Error(), "")
		return
	}
	source := &Source{Path: path, Member: member.Name, Name: base, Compression: zipped, Size: int64(member.CompressedSize64)}
	switch {
	case isZip(head):
		f.inner(source, member)
	case packed.KindOf(head) != packed.None:
		f.skip(path, member.Name, "compressed once more within the archive", "unpack the archive and name the file")
	default:
		f.judge(source, head, false)
	}
}

// maxInner bounds a workbook within an archive, which is read into memory to be recognised.
const maxInner = 64 << 20

// inner looks at a zip archive within an archive, which can be a workbook.
func (f *finder) inner(source *Source, member *zip.File) {
	const hint = "unpack the archive and name the file"
	stream, err := member.Open()
	if err != nil {
		f.skip(source.Path, source.Member, "damaged: "+err.Error(), "")
		return
	}
	defer stream.Close()
	content, err := io.ReadAll(io.LimitReader(stream, maxInner+1))
	switch {
	case err != nil:
		f.skip(source.Path, source.Member, "damaged: "+err.Error(), "")
		return
	case len(content) > maxInner:
		f.skip(source.Path, source.Member, "an archive or workbook of more than 64 MiB within an archive", hint)
		return
	}
	archive, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		f.skip(source.Path, source.Member, "a zip archive that is damaged: "+err.Error(), "")
		return
	}
	package_, ok := packageOf(archive)
	switch {
	case !ok:
		f.skip(source.Path, source.Member, "an archive within an archive", hint)
	case package_.format == "":
		f.skip(source.Path, source.Member, package_.why, package_.hint)
	default:
		source.Format = package_.format
		f.sources = append(f.sources, source)
	}
}

// readHead reads the beginning of a content.
func readHead(r io.Reader) ([]byte, error) {
	head := make([]byte, headLength)
	n, err := io.ReadFull(r, head)
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return head[:n], err
}

// inflatedHead reads the beginning of a compressed content. Damage behind its first bytes is found when it is read.
func inflatedHead(file io.ReadSeeker, compression string) ([]byte, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	stream, err := packed.NewReader(file, packed.Kind(compression), packed.Tables())
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	head, err := readHead(stream)
	if len(head) > 0 {
		return head, nil
	}
	return head, err
}

// withoutEnding takes the ending of a compression from a name.
func withoutEnding(name string) string {
	for _, ending := range []string{".gz", ".gzip", ".zst", ".zstd", ".xz", ".bz2"} {
		if len(name) > len(ending) && strings.EqualFold(name[len(name)-len(ending):], ending) {
			return name[:len(name)-len(ending)]
		}
	}
	return name
}
