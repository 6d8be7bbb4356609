package datum_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/pgrescue/pgrescue/recover/datum"
)

// nestedJSONB is the binary form of so many arrays within each other.
func nestedJSONB(levels int) []byte {
	le := binary.LittleEndian
	var raw []byte
	for level := range levels - 1 {
		raw = le.AppendUint32(raw, 0x40000001)                             // an array of one
		raw = le.AppendUint32(raw, 0x50000000|uint32(8*(levels-level)-12)) // a container of so many bytes
	}
	return le.AppendUint32(raw, 0x40000000)
}

func TestDeepJSONB(t *testing.T) {
	decode, err := datum.NewRegistry(nil).ForType(3802)
	if err != nil {
		t.Fatal(err)
	}
	text, err := decode(nil, nestedJSONB(10000))
	if want := append(bytes.Repeat([]byte("["), 10000), bytes.Repeat([]byte("]"), 10000)...); err != nil || !bytes.Equal(text, want) {
		t.Errorf("10000 levels: %.40s, %v", text, err)
	}
	if _, err := decode(nil, nestedJSONB(1_000_000)); err == nil {
		t.Error("a million levels are no error")
	}
}
