package logparse

import (
	"io"
	"unicode/utf8"
)

// byteOrder says how a file in UTF-16 has its two bytes; 0: it is not in UTF-16.
type byteOrder uint8

const (
	littleEndian byteOrder = 1 + iota
	bigEndian
)

// wideOrder finds UTF-16 by its byte order mark, or by zero bytes at every other place of a text.
func wideOrder(head []byte) byteOrder {
	switch {
	case len(head) >= 2 && head[0] == 0xFF && head[1] == 0xFE:
		return littleEndian
	case len(head) >= 2 && head[0] == 0xFE && head[1] == 0xFF:
		return bigEndian
	}
	var zeros [2]int
	for i, c := range head {
		if c == 0 {
			zeros[i&1]++
		}
	}
	switch pairs := len(head) / 2; {
	case pairs < 8:
	case zeros[1] > pairs/2 && zeros[0] <= pairs/50:
		return littleEndian
	case zeros[0] > pairs/2 && zeros[1] <= pairs/50:
		return bigEndian
	}
	return 0
}

// narrow gives a file in UTF-16 as UTF-8, its byte order mark with it.
type narrow struct {
	r     io.Reader
	order byteOrder
	in    [4096]byte
	held  int // bytes of in that wait for the next ones
	out   []byte
	store [3 * 4096]byte
	err   error
}

// Read implements io.Reader.
func (n *narrow) Read(p []byte) (int, error) {
	for len(n.out) == 0 && n.err == nil {
		more, err := n.r.Read(n.in[n.held:])
		n.held, n.err = n.held+more, err
		n.convert()
	}
	if len(n.out) > 0 {
		k := copy(p, n.out)
		n.out = n.out[k:]
		return k, nil
	}
	return 0, n.err
}

// convert takes what is whole from in. Half a pair of surrogates becomes U+FFFD.
func (n *narrow) convert() {
	n.out = n.store[:0]
	at := 0
	for at+2 <= n.held {
		r := rune(n.unit(at))
		size := 2
		if r >= 0xD800 && r < 0xDC00 {
			if at+4 > n.held && n.err == nil {
				break
			}
			if at+4 <= n.held {
				if low := rune(n.unit(at + 2)); low >= 0xDC00 && low < 0xE000 {
					r, size = 0x10000+(r-0xD800)<<10+(low-0xDC00), 4
				}
			}
		}
		n.out = utf8.AppendRune(n.out, r)
		at += size
	}
	n.held = copy(n.in[:], n.in[at:n.held])
}

func (n *narrow) unit(at int) uint16 {
	if n.order == bigEndian {
		return uint16(n.in[at])<<8 | uint16(n.in[at+1])
	}
	return uint16(n.in[at+1])<<8 | uint16(n.in[at])
}

// utf16Units counts the units that a text in UTF-8 has in UTF-16.
func utf16Units(text []byte) int64 {
	units := int64(0)
	for _, c := range text {
		switch {
		case c < 0x80 || c >= 0xC0 && c < 0xF0:
			units++
		case c >= 0xF0:
			units += 2
		}
	}
	return units
}
