package pglz_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pg/pglz"
)

// seed is a value as a PostgreSQL 15 server compressed it, and the value.
type seed struct {
	name        string
	packed, raw []byte
}

// seeds reads testdata: NAME.pglz is the compressed part of a datum, taken with
// pageinspect's heap_page_item_attrs, and NAME.raw what the server printed for it.
// testdata/README.md has the statements.
func seeds(t testing.TB) []seed {
	t.Helper()
	names, err := filepath.Glob("testdata/*.pglz")
	if err != nil || len(names) < 5 {
		t.Fatalf("want at least 5 seeds in testdata, have %d (%v)", len(names), err)
	}
	var list []seed
	for _, name := range names {
		packed, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(strings.TrimSuffix(name, ".pglz") + ".raw")
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, seed{filepath.Base(name), packed, raw})
	}
	return list
}

func TestDecompressWhatAServerCompressed(t *testing.T) {
	t.Parallel()
	for _, s := range seeds(t) {
		got, err := pglz.Decompress([]byte("before"), s.packed, len(s.raw))
		if err != nil || !bytes.Equal(got, append([]byte("before"), s.raw...)) {
			t.Errorf("%s: %d bytes, want %d (%v)", s.name, len(got), len(s.raw)+6, err)
		}
		for _, wrong := range []int{len(s.raw) / 2, len(s.raw) + 1, 0, -1, 1 << 40} {
			if got, err := pglz.Decompress(nil, s.packed, wrong); !errors.Is(err, pglz.ErrCorrupt) || len(got) != 0 {
				t.Errorf("%s with a raw size of %d: %d bytes, %v", s.name, wrong, len(got), err)
			}
		}
		for cut := range len(s.packed) {
			if _, err := pglz.Decompress(nil, s.packed[:cut], len(s.raw)); !errors.Is(err, pglz.ErrCorrupt) {
				t.Errorf("%s cut to %d bytes: %v", s.name, cut, err)
			}
		}
	}
}

func TestDecompressByHand(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, packed, raw string
		size              int // of raw when it is an error
	}{
		{name: "nothing"},
		{name: "literals", packed: "00616263", raw: "abc"},
		{name: "eight literals and one", packed: "0061626364656667680069", raw: "abcdefghi"},
		{name: "a match", packed: "0861626300 03", raw: "abcabc"},
		{name: "a match that overlaps itself", packed: "0261 0501", raw: "a" + strings.Repeat("a", 8)},
		{name: "a match of two bytes that overlaps itself", packed: "0461620602", raw: "ab" + "ababababa"},
		{name: "the longest match", packed: "02610f01ff", raw: strings.Repeat("a", 274)},
		{name: "a match longer than the rest", packed: "02610f01ff", raw: strings.Repeat("a", 100)},
		{name: "no offset", packed: "02610000", size: 4},
		{name: "an offset before the start", packed: "02610002", size: 4},
		{name: "an offset into what was there before", packed: "010006", size: 3},
		{name: "half a match", packed: "026100", size: 4},
		{name: "half a long match", packed: "02610f01", size: 30},
		{name: "bytes behind the end", packed: "0061626364", size: 2},
		{name: "not enough", packed: "0061", size: 2},
	} {
		packed, err := hex.DecodeString(strings.ReplaceAll(c.packed, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		got, err := pglz.Decompress([]byte("before"), packed, max(len(c.raw), c.size))
		if c.size > 0 {
			if !errors.Is(err, pglz.ErrCorrupt) || string(got) != "before" {
				t.Errorf("%s: %q, %v", c.name, got, err)
			}
			continue
		}
		if err != nil || string(got) != "before"+c.raw {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
}

func FuzzDecompress(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s.packed, len(s.raw))
	}
	f.Fuzz(func(t *testing.T, packed []byte, size int) {
		dst := append(make([]byte, 0, 64), "before"...)
		got, err := pglz.Decompress(dst, packed, size)
		if string(got[:6]) != "before" {
			t.Fatal("what was in dst is gone")
		}
		if err != nil && len(got) != 6 {
			t.Fatalf("an error, and %d bytes", len(got))
		}
		if err == nil && len(got) != 6+size {
			t.Fatalf("%d bytes instead of %d", len(got)-6, size)
		}
	})
}

func BenchmarkDecompress(b *testing.B) {
	for _, s := range seeds(b) {
		b.Run(strings.TrimSuffix(s.name, ".pglz"), func(b *testing.B) {
			b.SetBytes(int64(len(s.raw)))
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				var err error
				if dst, err = pglz.Decompress(dst[:0], s.packed, len(s.raw)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
