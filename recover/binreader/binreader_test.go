package binreader_test

import (
	"errors"
	"testing"

	"github.com/pgrescue/pgrescue/recover/binreader"
)

func TestReadsInOrder(t *testing.T) {
	t.Parallel()
	r := binreader.New([]byte{1, 2, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 'a', 'b', 0, 0xFF, 0xFF})
	if got := r.Uint8(); got != 1 {
		t.Errorf("Uint8 = %d", got)
	}
	if got := r.Uint16(); got != 2 {
		t.Errorf("Uint16 = %d", got)
	}
	if got := r.Uint32(); got != 3 {
		t.Errorf("Uint32 = %d", got)
	}
	if got := r.Uint64(); got != 4 {
		t.Errorf("Uint64 = %d", got)
	}
	if got := string(r.CString()); got != "ab" {
		t.Errorf("CString = %q", got)
	}
	if got := r.Int16(); got != -1 {
		t.Errorf("Int16 = %d", got)
	}
	if r.Remaining() != 0 || r.Err() != nil {
		t.Errorf("remaining %d, error %v", r.Remaining(), r.Err())
	}
}

func TestFirstFailureSticks(t *testing.T) {
	t.Parallel()
	for name, read := range map[string]func(*binreader.Reader){
		"Uint32":     func(r *binreader.Reader) { r.Uint32() },
		"Uint64":     func(r *binreader.Reader) { r.Uint64() },
		"Bytes":      func(r *binreader.Reader) { r.Bytes(4) },
		"huge Bytes": func(r *binreader.Reader) { r.Bytes(1 << 62) },
		"negative":   func(r *binreader.Reader) { r.Bytes(-1) },
		"CString":    func(r *binreader.Reader) { r.CString() },
		"Skip":       func(r *binreader.Reader) { r.Skip(4) },
		"Skip back":  func(r *binreader.Reader) { r.Skip(-1) },
		"Seek":       func(r *binreader.Reader) { r.Seek(4) },
		"Seek back":  func(r *binreader.Reader) { r.Seek(-1) },
		"Align":      func(r *binreader.Reader) { r.Uint8(); r.Align(8) },
	} {
		r := binreader.New([]byte{1, 2, 3})
		read(&r)
		var short *binreader.ShortError
		if !errors.As(r.Err(), &short) || r.OK() {
			t.Errorf("%s: error %v", name, r.Err())
			continue
		}
		if got := r.Uint8(); got != 0 || r.Bytes(1) != nil || r.Remaining() != 0 {
			t.Errorf("%s: reads on after the failure", name)
		}
		r.Seek(0)
		if r.Uint8() != 0 {
			t.Errorf("%s: Seek undoes the failure", name)
		}
	}
}

func TestBytesCannotBeAppendedOver(t *testing.T) {
	t.Parallel()
	buf := []byte{1, 2, 3, 4}
	r := binreader.New(buf)
	_ = append(r.Bytes(2), 9)
	if buf[2] != 3 {
		t.Error("append to a result wrote over the bytes behind it")
	}
}
