package xlsxfile

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/klauspost/compress/flate"
)

// The bounds of what is inflated. Real sheets shrink to a tenth, and empty cells with a format
// to a fiftieth; deflate's own limit is a thousandth.
const (
	freelyInflated   = 64 << 20
	mostInflation    = 250
	longestPart      = 16 << 30
	longestSmallPart = 32 << 20 // of those that are read whole
	mostParts        = 100_000
)

// errBomb tells that a part inflates to more than any sheet does.
var errBomb = errors.New("it inflates to more than a sheet does; this looks like a zip bomb")

// container is the zip archive with its parts, by their names in lower case.
type container struct {
	size  int64
	parts map[string]*archivePart
	twice []string // names that stand more than once
	cut   string   // why the archive's own list of parts could not be read
}

// archivePart is one part of the archive.
type archivePart struct {
	name                 string
	compressed, inflated int64 // bytes, as the archive says
	encrypted            bool
	open                 func() (io.ReadCloser, error)
}

// openContainer finds the parts by the archive's own list, or by looking for them where a file
// was cut and has none.
func openContainer(file io.ReaderAt, size int64) (*container, error) {
	c := &container{size: size, parts: make(map[string]*archivePart)}
	archive, err := zip.NewReader(file, size)
	if err != nil {
		c.cut = err.Error()
		return c, c.salvage(file)
	}
	if len(archive.File) > mostParts {
		return nil, fmt.Errorf("the archive lists %d parts; %w", len(archive.File), errBomb)
	}
	archive.RegisterDecompressor(zip.Deflate, func(r io.Reader) io.ReadCloser { return flate.NewReader(r) })
	for _, part := range archive.File {
		c.add(&archivePart{
			name:       part.Name,
			compressed: int64(min(part.CompressedSize64, 1<<62)),
			inflated:   int64(min(part.UncompressedSize64, longestPart)),
			encrypted:  part.Flags&1 != 0,
			open:       part.Open,
		})
	}
	return c, nil
}

func (c *container) add(part *archivePart) {
	name := partName(part.name)
	switch {
	case strings.HasSuffix(part.name, "/"):
	case c.parts[name] != nil:
		c.twice = append(c.twice, part.name)
	default:
		c.parts[name] = part
	}
}

// partName is the name under which a part is found: parts are known without regard to case.
func partName(name string) string {
	return strings.ToLower(strings.TrimPrefix(path.Clean("/"+strings.ReplaceAll(name, `\`, "/")), "/"))
}

// has reports whether there is such a part.
func (c *container) has(name string) bool { return c.parts[partName(name)] != nil }

// open opens a part. Its reader checks the length and the checksum where the part ends, and
// stops at a bomb.
func (c *container) open(name string) (io.ReadCloser, error) {
	part := c.parts[partName(name)]
	if part == nil {
		return nil, fmt.Errorf("the archive has no part %s", name)
	}
	if part.encrypted {
		return nil, fmt.Errorf("part %s is encrypted", name)
	}
	r, err := part.open()
	if err != nil {
		return nil, fmt.Errorf("part %s: %w", name, err)
	}
	limit := mostInflation * min(part.compressed, c.size)
	return &boundedPart{ReadCloser: r, left: min(max(freelyInflated, limit), longestPart)}, nil
}

// readSmall reads a part whole.
func (c *container) readSmall(name string) ([]byte, error) {
	r, err := c.open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, longestSmallPart+1))
	if err == nil && len(text) > longestSmallPart {
		err = fmt.Errorf("it is longer than %d MiB", longestSmallPart>>20)
	}
	if err != nil {
		return text, fmt.Errorf("part %s: %w", name, err)
	}
	return text, nil
}

// boundedPart ends a part that inflates too much.
type boundedPart struct {
	io.ReadCloser
	left int64
}

func (b *boundedPart) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errBomb
	}
	return n, err
}
