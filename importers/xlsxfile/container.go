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
	parts map[string]*zip.File
	twice []string // names that stand more than once
}

func openContainer(file io.ReaderAt, size int64) (*container, error) {
	archive, err := zip.NewReader(file, size)
	if err != nil {
		return nil, err
	}
	if len(archive.File) > mostParts {
		return nil, fmt.Errorf("the archive lists %d parts; %w", len(archive.File), errBomb)
	}
	archive.RegisterDecompressor(zip.Deflate, func(r io.Reader) io.ReadCloser { return flate.NewReader(r) })
	c := &container{size: size, parts: make(map[string]*zip.File, len(archive.File))}
	for _, part := range archive.File {
		name := partName(part.Name)
		if strings.HasSuffix(part.Name, "/") {
			continue
		}
		if c.parts[name] != nil {
			c.twice = append(c.twice, part.Name)
			continue
		}
		c.parts[name] = part
	}
	return c, nil
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
	if part.Flags&1 != 0 {
		return nil, fmt.Errorf("part %s is encrypted", name)
	}
	r, err := part.Open()
	if err != nil {
		return nil, fmt.Errorf("part %s: %w", name, err)
	}
	compressed := min(int64(min(part.CompressedSize64, 1<<62)), c.size)
	return &boundedPart{ReadCloser: r, left: min(max(freelyInflated, mostInflation*compressed), longestPart)}, nil
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
