package importers

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/packed"
)

// FindOptions say where sources are looked for.
type FindOptions struct {
	Paths []string        // files, and folders with all that is in them
	Trail *evidence.Trail // remembers the sources; nil: nothing
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

// Find looks for sources by what is in them. What a folder or an archive holds beside them is
// skipped, with the reason; a file that was named and is no source is an error of ErrUnreadable.
func Find(ctx context.Context, opts FindOptions) (sources []*Source, skipped []Skipped, err error) {
	f := finder{ctx: ctx, trail: opts.Trail, seen: make(map[string]bool), budget: maxInner}
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
	budget  int64           // bytes of archives within archives that may still be unpacked
	sources []*Source
	skipped []Skipped
}

// path looks at what was named.
func (f *finder) path(path string) error {
	if err := f.ctx.Err(); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return &evidence.Error{Op: "importers: find", Place: path, Err: err}
	}
	if info.IsDir() {
		return f.folder(path)
	}
	if f.known(path) {
		return nil
	}
	sources, skipped := len(f.sources), len(f.skipped)
	if err := f.file(path, true); err != nil {
		return err
	}
	if len(f.sources) > sources || len(f.skipped) == skipped {
		return nil
	}
	// A named file of which nothing can be read is what the person is wrong about.
	why := f.skipped[skipped]
	place := Source{Path: why.Path, Member: why.Member}
	return &evidence.Error{
		Op: "importers: find", Place: place.Place(), Hint: why.Hint,
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
		if err := f.ctx.Err(); err != nil {
			return err
		}
		if err != nil {
			f.skip(path, "", cause(err), "")
			return nil
		}
		if entry.IsDir() {
			return f.enter(root, path, entry.Name())
		}
		return f.entry(path, entry.Name())
	})
}

// enter decides whether the walk goes into a folder.
func (f *finder) enter(root, path, name string) error {
	if path != root && strings.HasPrefix(name, ".") {
		f.skip(path, "", "a hidden folder", "name it to look into it")
		return fs.SkipDir
	}
	if _, err := os.Stat(filepath.Join(path, "PG_VERSION")); err == nil {
		f.skip(path, "", "a data directory of PostgreSQL", "read it with pgrescue undelete or heap")
		return fs.SkipDir
	}
	return nil
}

// entry looks at a file of a folder.
func (f *finder) entry(path, name string) error {
	switch {
	case strings.HasPrefix(name, "."), strings.HasPrefix(name, "~$"):
		f.skip(path, "", "a hidden file, or one that an office program keeps while it has another open", "name it to import it")
		return nil
	case namesRejects(name):
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
	err := f.file(path, false)
	if err != nil && f.ctx.Err() == nil {
		f.skip(path, "", cause(err), "")
		return nil
	}
	return err
}

// cause is an error without its operation and place, which stand beside it.
func cause(err error) string {
	var file *fs.PathError
	var ours *evidence.Error
	switch {
	case errors.As(err, &file):
		return file.Err.Error()
	case errors.As(err, &ours):
		return ours.Err.Error()
	}
	return err.Error()
}

func (f *finder) skip(path, member, why, hint string) {
	f.skipped = append(f.skipped, Skipped{Path: path, Member: member, Why: why, Hint: hint})
}

// file looks into a file.
func (f *finder) file(path string, named bool) error {
	file, err := evidence.Open(path)
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
	if isZip(head) {
		return f.archive(source, file)
	}
	if source.Compression != "" {
		source.Name = withoutEnding(source.Name)
		return f.compressed(source, named)
	}
	f.judge(source, append(head, CompoundDirectory(file, head)...), named)
	return nil
}

// compressed looks at the beginning of what is in a compressed file. Damage behind it is found when it is read.
func (f *finder) compressed(source *Source, named bool) error {
	const damage = "the file is damaged from its beginning on: look for another copy"
	content, err := source.Open(nil)
	if err != nil {
		f.skip(source.Path, "", cause(err), damage)
		return nil
	}
	defer content.Close()
	head, err := readHead(content)
	switch {
	case err != nil && len(head) == 0:
		f.skip(source.Path, "", cause(err), damage)
	case isZip(head):
		f.inner(source, func() (io.ReadCloser, error) { return source.Open(nil) })
	case packed.KindOf(head) != packed.None:
		f.skip(source.Path, "", "compressed more than once", "decompress it, and name the result")
	default:
		f.judge(source, head, named)
	}
	return nil
}

// judge takes a content as a source, or says why not.
func (f *finder) judge(source *Source, head []byte, named bool) {
	f.accept(source, contentOf(head, source.Name, named))
}

// accept takes a file as a source, or says why not.
func (f *finder) accept(source *Source, is content) {
	if is.format == "" {
		f.skip(source.Path, source.Member, is.why, is.hint)
		return
	}
	source.Format = is.format
	f.sources = append(f.sources, source)
	f.trail.Note(source.Path, evidence.KindSource)
}

// readHead reads the beginning of a content. An error comes with what was read before it.
func readHead(r io.Reader) ([]byte, error) {
	head := make([]byte, headLength)
	n, err := io.ReadFull(r, head)
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, ErrDamaged) {
		err = nil
	}
	return head[:n], err
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
