package packed_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/pgrescue/pgrescue/recover/packed"
)

// bzipped is what bzip2 makes of three times "a line of a log\n".
const bzipped = "425a6839314159265359c3fd8050000008d1000010400023a5a00031003023f5507a86911ba46d1e5d2daa5b0cbe2ee48a70a12187fb00a0"

func text() string { return strings.Repeat("a line of a log\n", 3) }

// pack compresses a text; of bzip2 there is one text only.
func pack(t testing.TB, kind packed.Kind, text []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	var err error
	switch kind {
	case packed.None:
		return text
	case packed.Gzip:
		w = gzip.NewWriter(&out)
	case packed.Zstd:
		w, err = zstd.NewWriter(&out)
	case packed.XZ:
		w, err = xz.NewWriter(&out)
	case packed.Bzip2:
		b, err := hex.DecodeString(bzipped)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if err == nil {
		_, err = w.Write(text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func unpack(b []byte, bound packed.Bound) ([]byte, error) {
	r, err := packed.NewReader(bytes.NewReader(b), packed.KindOf(b), bound)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func kinds() []packed.Kind {
	return []packed.Kind{packed.Gzip, packed.Zstd, packed.XZ, packed.Bzip2}
}

func TestUnpack(t *testing.T) {
	t.Parallel()
	for _, kind := range append(kinds(), packed.None) {
		b := pack(t, kind, []byte(text()))
		if got := packed.KindOf(b); got != kind {
			t.Errorf("%s: told as %q", kind, got)
		}
		if got, err := unpack(b, packed.Tables()); string(got) != text() || err != nil {
			t.Errorf("%s: %q, %v", kind, got, err)
		}
		twice := append(bytes.Clone(b), b...) // as cat of two files makes
		if got, err := unpack(twice, packed.Tables()); string(got) != text()+text() || err != nil {
			t.Errorf("%s twice: %q, %v", kind, got, err)
		}
	}
}

func TestDamageIsTold(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds() {
		whole := pack(t, kind, []byte(text()))
		for cut := packed.HeadSize / 8; cut < len(whole); cut++ {
			if _, err := unpack(whole[:cut], packed.Tables()); packed.KindOf(whole[:cut]) == kind && !errors.Is(err, packed.ErrDamaged) {
				t.Errorf("%s cut at %d of %d: %v", kind, cut, len(whole), err)
			}
		}
		for _, back := range []int{1, 2, 5} { // checksums are near the end
			flipped := bytes.Clone(whole)
			flipped[len(flipped)-back] ^= 0x10
			if got, err := unpack(flipped, packed.Tables()); !errors.Is(err, packed.ErrDamaged) {
				t.Errorf("%s with a flipped bit %d bytes before its end: %q, %v", kind, back, got, err)
			}
		}
	}
}

func TestBombEnds(t *testing.T) {
	t.Parallel()
	zeros := make([]byte, 8<<20)
	for _, kind := range []packed.Kind{packed.Gzip, packed.Zstd, packed.XZ} {
		b := pack(t, kind, zeros)
		got, err := unpack(b, packed.Bound{Free: 1 << 20, Ratio: 10})
		if !errors.Is(err, packed.ErrBomb) || len(got) > 4<<20 {
			t.Errorf("%s: %d bytes, %v", kind, len(got), err)
		}
		if got, err := unpack(b, packed.Bound{Free: 8 << 20, Ratio: 1}); err != nil || len(got) != len(zeros) {
			t.Errorf("%s within its bound: %d bytes, %v", kind, len(got), err)
		}
	}
}

func TestMemberIsBounded(t *testing.T) {
	t.Parallel()
	stream := io.LimitReader(endless{}, 1<<20)
	if _, err := io.ReadAll(packed.Member(stream, 100, packed.Bound{Free: 1000, Ratio: 10})); !errors.Is(err, packed.ErrBomb) {
		t.Error(err)
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

// TestHugeDictionary: the library would make a dictionary of 4 GiB before it looks at the block.
func TestHugeDictionary(t *testing.T) {
	t.Parallel()
	b := pack(t, packed.XZ, []byte(text()))
	for i := 12; i < 30; i++ {
		if b[i] == 0x21 && b[i+1] == 1 {
			b[i+2] = 40
			if _, err := unpack(b, packed.Tables()); !errors.Is(err, packed.ErrDamaged) || !strings.Contains(err.Error(), "dictionary") {
				t.Error(err)
			}
			return
		}
	}
	t.Fatal("the filter was not found")
}

func FuzzReader(f *testing.F) {
	for _, kind := range kinds() {
		f.Add(pack(f, kind, []byte(text())))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		bound := packed.Bound{Free: 1 << 20, Ratio: 50}
		got, err := unpack(b, bound)
		if int64(len(got)) > bound.Free+bound.Ratio*int64(len(b)+1) {
			t.Errorf("%d bytes out of %d, %v", len(got), len(b), err)
		}
	})
}
