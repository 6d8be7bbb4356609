package logparse

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/packed"
)

// ErrUnreadable is what a file is that was named and cannot be read as a log.
var ErrUnreadable = errors.New("not a log that can be read")

// FindOptions say where logs are looked for.
type FindOptions struct {
	Paths []string  // files and folders; "-" is standard input
	Stdin io.Reader // nil: "-" is refused
	Zones Zones     // as they were stated
	Trail *evidence.Trail
}

// Skipped is a file in a folder that is no log.
type Skipped struct {
	Path string
	Why  string
	Hint string // what a person can do; may be empty
	// Unread tells that nobody could look what it is: it may be a log.
	Unread bool
}

// Find looks for logs in files and folders, by their content. Rotated files that continue each other
// are one source. A file that was named must be one; in a folder, what is none is skipped.
func Find(ctx context.Context, options FindOptions) ([]*Source, []Skipped, error) {
	finder := finder{options: options, seen: make(map[string]bool)}
	for _, path := range options.Paths {
		if err := finder.path(ctx, path); err != nil {
			return nil, nil, err
		}
	}
	sources := finder.sources()
	for _, source := range sources {
		if err := source.sniff(ctx); err != nil {
			return nil, nil, err
		}
	}
	sources, err := finder.join(ctx, sources)
	if err != nil {
		return nil, nil, err
	}
	for _, source := range sources {
		source.Zone = options.Zones.of(source)
	}
	return sources, finder.skipped, nil
}

type finder struct {
	options FindOptions
	files   []*file
	skipped []Skipped
	seen    map[string]bool
	stdin   bool
}

// path looks at one path that was named.
func (f *finder) path(ctx context.Context, path string) error {
	if path == "-" {
		return f.standardInput()
	}
	info, err := os.Stat(path)
	if err != nil {
		return &evidence.Error{Op: "logparse: open", Place: path, Err: cause(err)}
	}
	if !info.IsDir() {
		why, err := f.file(path)
		if err != nil {
			refused := &evidence.Error{Op: "logparse: open", Place: path, Err: cause(err)}
			if errors.Is(err, evidence.ErrNotRegular) {
				refused.Hint = "pipe it in, and name - for standard input"
			}
			return refused
		}
		switch {
		case why != nil && why.Why == empty:
			f.skipped = append(f.skipped, *why) // a log that has just been rotated
		case why != nil:
			return &evidence.Error{Op: "logparse: read", Place: path, Err: evidence.OfKind(ErrUnreadable, errors.New(why.Why)), Hint: why.Hint}
		}
		return nil
	}
	return filepath.WalkDir(path, func(path string, entry fs.DirEntry, err error) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err != nil {
			f.skipped = append(f.skipped, Skipped{Path: path, Why: cause(err).Error(), Unread: true})
			return nil
		}
		if entry.IsDir() {
			return nil
		}
		why, err := f.file(path)
		if err != nil {
			why = &Skipped{Path: path, Why: cause(err).Error(), Unread: !errors.Is(err, evidence.ErrNotRegular)}
		}
		if why != nil {
			f.skipped = append(f.skipped, *why)
		}
		return nil
	})
}

// empty is why a file without a byte is no log.
const empty = "it is empty"

// cause takes the path off an error that will be printed beside it.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// file looks at one file. A reason tells that it is no log.
func (f *finder) file(path string) (*Skipped, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if f.seen[absolute] {
		return nil, nil
	}
	f.seen[absolute] = true
	opened, err := evidence.Open(path)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	info, err := opened.Stat()
	if err != nil {
		return nil, err
	}
	head := make([]byte, packed.HeadSize)
	n, err := io.ReadFull(opened, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	found := &file{path: path, trail: f.options.Trail, kind: packed.KindOf(head[:n]), size: info.Size(), modified: info.ModTime()}
	if n == 0 {
		return &Skipped{Path: path, Why: empty}, nil
	}
	sample, err := found.head()
	if err != nil && !errors.Is(err, packed.ErrDamaged) {
		return nil, err
	}
	if found.order = wideOrder(sample); found.order == 0 {
		if why, hint := noLog(sample); why != "" {
			return &Skipped{Path: path, Why: why, Hint: hint}, nil
		}
	}
	f.files = append(f.files, found)
	return nil, nil
}

// standardInput looks at the beginning of standard input.
func (f *finder) standardInput() error {
	refuse := func(why string) error {
		return &evidence.Error{Op: "logparse: read", Place: "standard input", Err: errors.New(why)}
	}
	switch {
	case f.options.Stdin == nil:
		return refuse("there is none")
	case f.stdin:
		return refuse("it was named twice")
	}
	f.stdin = true
	head := make([]byte, packed.HeadSize)
	n, err := io.ReadFull(f.options.Stdin, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return &evidence.Error{Op: "logparse: read", Place: "standard input", Err: err}
	}
	if n == 0 {
		return refuse("it is empty")
	}
	found := &file{kind: packed.KindOf(head[:n]), size: -1, modified: time.Now()}
	found.stdin, err = packed.NewReader(io.MultiReader(bytes.NewReader(head[:n]), f.options.Stdin), found.kind, packed.Logs())
	if err != nil {
		return &evidence.Error{Op: "logparse: read", Place: "standard input", Err: err}
	}
	found.sample, err = io.ReadAll(io.LimitReader(found.stdin, sampleSize))
	if err != nil && !errors.Is(err, packed.ErrDamaged) {
		return &evidence.Error{Op: "logparse: read", Place: "standard input", Err: err}
	}
	if found.order = wideOrder(found.sample); found.order == 0 {
		if why, _ := noLog(found.sample); why != "" {
			return refuse(why)
		}
	}
	f.files = append(f.files, found)
	return nil
}

// noLog says why the beginning of a file is not that of a log, or "".
func noLog(sample []byte) (why, hint string) {
	for _, known := range []struct{ mark, why, hint string }{
		{"PK\x03\x04", "it is a zip archive", "unpack it and name the files"},
		{"7z\xBC\xAF\x27\x1C", "it is a 7z archive", "unpack it and name the files"},
		{"SQLite format 3\x00", "it is an SQLite database", ""},
		{"%PDF-", "it is a PDF document", ""},
		{"\x7FELF", "it is a program", ""},
		{"LPKSHHRH", "it is a journal file of systemd", "journalctl --file FILE -o json writes it as JSON"},
		{"PGDMP", "it is an archive of pg_dump", ""},
	} {
		if strings.HasPrefix(string(sample[:min(len(sample), 32)]), known.mark) {
			return known.why, known.hint
		}
	}
	if multiplexed(sample) {
		return "it is the raw stream of Docker's interface, several streams in one", "`docker logs` writes it as text"
	}
	if len(sample) > 262 && string(sample[257:262]) == "ustar" {
		return "it is a tar archive", "unpack it and name the files"
	}
	text, stamped := 0, false
	for line := range bytes.Lines(sample) {
		if !noText(line) {
			text += len(line)
			stamped = stamped || !anyStamp(line).Time.IsZero()
		}
	}
	if text*10 < len(sample) && !stamped {
		return "it is no text", ""
	}
	return "", ""
}

// multiplexed reports whether a text stands behind a frame of Docker's interface: the number of the stream, three
// zero bytes, and the length of what follows, behind which the next frame begins.
func multiplexed(sample []byte) bool {
	frame := func(b []byte) bool { return len(b) >= 8 && b[0] <= 2 && b[1] == 0 && b[2] == 0 && b[3] == 0 }
	if !frame(sample) {
		return false
	}
	next := 8 + int64(binary.BigEndian.Uint32(sample[4:]))
	return next > 8 && (next > int64(len(sample))-8 || frame(sample[next:]))
}

// sources makes sources of the files.
func (f *finder) sources() []*Source {
	var sources []*Source
	for _, found := range f.files {
		source := &Source{Name: "standard input", Size: found.size, Encoding: "utf-8", files: []file{*found}}
		if found.path != "" {
			source.Name, source.Paths = shortName(found.path), []string{found.path}
		}
		if found.order != 0 {
			source.Encoding = "utf-16"
		}
		sources = append(sources, source)
	}
	return sources
}

// maxWrappers bounds how many wrappers may lie in one another.
const maxWrappers = 3

// sniff finds the wrappers of the source's lines.
func (s *Source) sniff(ctx context.Context) error {
	for range maxWrappers {
		found, err := s.wrapperOf(ctx)
		if err != nil {
			return err
		}
		if found == nil {
			break
		}
		s.wrappers = append(s.wrappers, *found)
		if s.Wrapper != "" {
			s.Wrapper += ", "
		}
		s.Wrapper += found.name
	}
	return nil
}

// sniffLines is how many lines tell the wrapper.
const sniffLines = 1000

// wrapperOf finds the wrapper that enough of the lines have, within those that are known; nil: none.
func (s *Source) wrapperOf(ctx context.Context) (*wrapper, error) {
	known := wrappers()
	fits, lines := make([]int, len(known)), 0
	r := s.newReader(ctx, func(line *Line) bool {
		if len(bytes.TrimSpace(line.Text)) > 0 {
			for i := range known {
				if known[i].fits(line.Text) {
					fits[i]++
				}
			}
			lines++
		}
		return lines < sniffLines
	})
	r.sampling = true
	if err := r.readSample(); err != nil && !errors.Is(err, errStopped) {
		return nil, err
	}
	for i := range known {
		if fits[i] > 0 && float64(fits[i]) >= known[i].share*float64(lines) {
			return &known[i], nil
		}
	}
	return nil, nil
}
