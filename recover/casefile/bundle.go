package casefile

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/pgrescue/pgrescue/recover/journal"
)

// ErrExists: there is something under the name that a bundle was to get.
var ErrExists = errors.New("it is there already")

// bundle is a folder that is being written: a bag as RFC 8493 defines it, whose
// payload lies in data and whose manifests `sha256sum -c` checks. It gets its name
// when it is complete.
type bundle struct {
	dir, temp string
	payload   []manifestEntry // of data
	tags      []manifestEntry // of the files beside it
	bytes     int64           // of the payload
}

// manifestEntry is one line of a manifest.
type manifestEntry struct{ sum, path string }

// payloadFolder is the name that RFC 8493 gives.
const payloadFolder = "data"

// newBundle begins a bundle beside the place that it is to have.
func newBundle(dir string) (*bundle, error) {
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = ErrExists
		}
		return nil, err
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+".*.partial")
	if err != nil {
		return nil, err
	}
	return &bundle{dir: dir, temp: temp}, nil
}

// payloadFile makes a file of the payload.
func (b *bundle) payloadFile(name string) (*bundleFile, error) {
	return b.file(payloadFolder+"/"+name, &b.payload)
}

// tagFile makes a file beside the payload.
func (b *bundle) tagFile(name string) (*bundleFile, error) { return b.file(name, &b.tags) }

func (b *bundle) file(name string, list *[]manifestEntry) (*bundleFile, error) {
	path := filepath.Join(b.temp, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	f := &bundleFile{bundle: b, list: list, name: name, file: file, hash: sha256.New()}
	f.Writer = bufio.NewWriterSize(io.MultiWriter(file, f.hash), 1<<16)
	return f, nil
}

// bundleFile is a file of a bundle that is being written.
type bundleFile struct {
	*bufio.Writer
	bundle *bundle
	list   *[]manifestEntry
	name   string
	file   *os.File
	hash   interface {
		io.Writer
		Sum([]byte) []byte
	}
}

// close makes the file durable and notes it in its manifest.
func (f *bundleFile) close() error {
	err := errors.Join(f.Flush(), f.file.Sync())
	size := int64(0)
	if info, failed := f.file.Stat(); failed == nil {
		size = info.Size()
	}
	if err = errors.Join(err, f.file.Close()); err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	*f.list = append(*f.list, manifestEntry{hex.EncodeToString(f.hash.Sum(nil)), f.name})
	if f.list == &f.bundle.payload {
		f.bundle.bytes += size
	}
	return nil
}

// text writes a file of the bundle that is known as a whole.
func (b *bundle) text(make func(string) (*bundleFile, error), name, text string) error {
	f, err := make(name)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(text); err != nil {
		return err
	}
	return f.close()
}

// copy copies a file into the payload.
func (b *bundle) copy(ctx context.Context, from io.Reader, name string, done func(int64)) (sum string, err error) {
	f, err := b.payloadFile(name)
	if err != nil {
		return "", err
	}
	if _, err := copyBytes(ctx, f, from, done); err != nil {
		return "", errors.Join(err, f.file.Close())
	}
	err = f.close()
	return b.payload[len(b.payload)-1].sum, err
}

// finish writes the manifests and gives the bundle its name.
func (b *bundle) finish() error {
	if err := b.manifest("manifest-sha256.txt", b.payload); err != nil {
		return err
	}
	if err := b.manifest("tagmanifest-sha256.txt", b.tags); err != nil {
		return err
	}
	if _, err := os.Lstat(b.dir); !errors.Is(err, fs.ErrNotExist) {
		return ErrExists // since it was begun
	}
	if err := os.Rename(b.temp, b.dir); err != nil {
		return err
	}
	return journal.SyncFolder(filepath.Dir(b.dir))
}

// manifest writes the sums of files. RFC 8493 has the newline in a name escaped;
// the names of bundles have none.
func (b *bundle) manifest(name string, list []manifestEntry) error {
	list = slices.Clone(list)
	slices.SortFunc(list, func(x, y manifestEntry) int { return strings.Compare(x.path, y.path) })
	var text strings.Builder
	for _, entry := range list {
		text.WriteString(entry.sum + "  " + entry.path + "\n")
	}
	return b.text(b.tagFile, name, text.String())
}

// discard removes a bundle that is not complete.
func (b *bundle) discard() {
	// What cannot be removed keeps its name, which says that it is partial.
	_ = os.RemoveAll(b.temp)
}

// safeName makes a file name of names from a database, one that is taken by no other.
func safeName(taken map[string]bool, parts ...string) string {
	safe := strings.Map(func(r rune) rune {
		if r == '/' || r == '\\' || r == unicode.ReplacementChar || unicode.IsControl(r) {
			return '_'
		}
		return r
	}, strings.ToValidUTF8(strings.Join(parts, "."), "_"))
	safe = strings.TrimLeft(safe, ".-")
	for len(safe) > mostName {
		safe = strings.ToValidUTF8(safe[:mostName], "")
	}
	name := safe
	for n := 2; name == "" || taken[strings.ToLower(name)]; n++ {
		name = fmt.Sprintf("%s.%d", safe, n)
	}
	taken[strings.ToLower(name)] = true
	return name
}

// mostName bounds a name so that a suffix still fits into what file systems allow.
const mostName = 200
