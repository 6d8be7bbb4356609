package importers_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// one finds the only source of a file.
func one(t *testing.T, name, content string) *importers.Source {
	t.Helper()
	path := filepath.Join(tree(t, map[string]string{name: content}), name)
	sources, _, err := importers.Find(t.Context(), importers.FindOptions{Paths: []string{path}})
	if err != nil || len(sources) != 1 {
		t.Fatalf("%s: %d sources, %v", name, len(sources), err)
	}
	return sources[0]
}

// TestHash gives copies that were compressed in different ways the same hash and name, and leaves them as they are.
func TestHash(t *testing.T) {
	t.Parallel()
	text := "a,b\n" + strings.Repeat("1,2\n", 100000)
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"a.csv": text, "a.csv.gz": gzipped(t, text), "a.csv.ZST": string(w.EncodeAll([]byte(text), nil)), "a.zip": archive(t, map[string]string{"in/a.csv": text}),
	} {
		source := one(t, name, content)
		trail := &evidence.Trail{}
		if err := source.Hash(t.Context(), trail); err != nil {
			t.Fatal(err)
		}
		if source.SHA256 != sha256.Sum256([]byte(text)) || source.Length != int64(len(text)) || source.Damage != "" || source.Name != "a.csv" {
			t.Errorf("%s: hash %x, length %d, damage %q, name %q", name, source.SHA256, source.Length, source.Damage, source.Name)
		}
		if reads := trail.Reads(); len(reads) != 1 || reads[0].Kind != evidence.KindSource {
			t.Errorf("%s: the trail remembers %v", name, reads)
		}
		after, err := os.ReadFile(source.Path)
		if err != nil || string(after) != content {
			t.Errorf("%s was changed: %v", name, err)
		}
	}
}

// TestHashOfDamage hashes what can be read, and says that it is not all.
func TestHashOfDamage(t *testing.T) {
	t.Parallel()
	whole := gzipped(t, "a,b\n"+strings.Repeat("1,2\n", 100000))
	source := one(t, "a.csv.gz", whole[:len(whole)-100])
	if err := source.Hash(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if source.Damage == "" || source.Length == 0 || source.Length > 400004 {
		t.Errorf("length %d, damage %q", source.Length, source.Damage)
	}
	content, err := source.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	if n, err := io.Copy(io.Discard, content); !errors.Is(err, importers.ErrDamaged) || n != source.Length {
		t.Errorf("reading gave %d bytes and %v", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := source.Hash(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("hashing after Ctrl-C: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	source := one(t, "a.zip", archive(t, map[string]string{"a.csv": "a,b\n1,2\n"}))
	other := *source
	other.Member = "none.csv"
	if _, err := other.Open(nil); err == nil || !strings.Contains(err.Error(), `no member "none.csv"`) {
		t.Errorf("a member that is not there: %v", err)
	}
	if err := os.Remove(source.Path); err != nil {
		t.Fatal(err)
	}
	if _, err := source.Open(nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that went away: %v", err)
	}
	if err := source.Hash(t.Context(), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the hash of a file that went away: %v", err)
	}
}
