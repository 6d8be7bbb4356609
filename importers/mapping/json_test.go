package mapping

import (
	"bytes"
	"testing"
)

// Texts that look plain eight bytes at a time are printed as they are one byte at a time, whatever byte
// stands wherever.
func TestAppendJSONTextAtEveryPlace(t *testing.T) {
	for n := range 20 {
		for at := range n {
			for c := range 256 {
				for _, fill := range []byte{'a', ' ', '~', '!', '[', 0x80} {
					text := bytes.Repeat([]byte{fill}, n)
					text[at] = byte(c)
					if got, want := AppendJSONText(nil, text), AppendJSONString(nil, text); !bytes.Equal(got, want) {
						t.Fatalf("%q: %s, want %s", text, got, want)
					}
				}
			}
		}
	}
}
